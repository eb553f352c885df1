"""The bodies of requests to a completions server.

Every sampling parameter is sent explicitly, because a server fills gaps from the model's own ``generation_config.json``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from estimator.engines.base import SampleRequest, Sampling
from estimator.positions import PositionKind
from estimator.types import PARAGRAPH_BREAK, Tokens

COMPLETIONS = "/v1/completions"
TOP = 20  # log-probabilities a token: the most that a server gives by default
# Neutral values, against the defaults of the model's generation_config.json; top_k -1 is off.
PLAIN = {
    "top_p": 1.0, "top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0, "presence_penalty": 0.0, "frequency_penalty": 0.0,
    "add_special_tokens": False, "return_token_ids": True, "return_tokens_as_token_ids": True,
}  # fmt: skip


def generation(model: str, prefix: Tokens, sampling: Sampling, end_ids: Collection[int], max_context: int) -> dict[str, Any]:
    """What continues the prefix, as far as the server can see where to stop."""
    return {
        **PLAIN,
        "model": model,
        "prompt": list(prefix),
        "temperature": sampling.temperature,
        "logprobs": TOP if sampling.needs_entropies else 0,  # 0 is the drawn token's own
        "stop_token_ids": sorted(end_ids),
        **_stopping(sampling, max_context - len(prefix)),
    }


def likeliest(model: str, prefix: Tokens) -> dict[str, Any]:
    """The likeliest tokens after the prefix."""
    return {**PLAIN, "model": model, "prompt": list(prefix), "max_tokens": 1, "temperature": 0.0, "logprobs": TOP}


def named(model: str | None, prefix: Tokens, token_ids: Sequence[int]) -> dict[str, Any]:
    """Exact log-probabilities of named tokens after the prefix."""
    return {
        **PLAIN, "model": model, "prompt": list(prefix), "max_tokens": 1, "temperature": 0.0,
        "logprobs": 0, "logprob_token_ids": list(token_ids),
    }  # fmt: skip


def stream_seed(request: SampleRequest) -> int:
    """The seed of a request: the server adds the sample's index to it, so that sample i draws from a stream that is a
    function of (seed, prefix, first_index + i) alone."""
    digest = hashlib.blake2b(np.asarray((request.seed, *request.prefix), np.int64).tobytes(), digest_size=7).digest()
    return int.from_bytes(digest, "little") + request.first_index


def _stopping(sampling: Sampling, room: int) -> dict[str, Any]:
    """Where the server is to stop by itself."""
    tokens = min(sampling.max_tokens, room)
    position = sampling.position
    if position is not None and position.kind is PositionKind.PARAGRAPH:
        return {"max_tokens": tokens, "stop": [PARAGRAPH_BREAK], "include_stop_str_in_output": True}
    if position is not None and position.kind is PositionKind.PERIODIC:
        return {"max_tokens": min(tokens, position.every)}
    return {"max_tokens": tokens}
