"""Answers mixed into the training of confidences, so that the adapted model still answers (paper, section 4.2): replayed
answers of its own and general instruction data, both as JSONL of ``prompt`` and ``response``.

Whole steps are mixed, at a fixed share and in a seeded order: a step is about labels or about answers.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from estimator.prompts import prompt_ids, text_ids
from estimator.types import Tokens
from training.datasets import lines_of
from training.parallel import length_batches
from training.techniques.base import Net, gathered


class MixtureError(ValueError):
    """A file of prompts and responses cannot be used; the message names the line."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A prompt with its response, end token included: ``token_ids[num_prompt:]`` is what is learnt."""

    token_ids: Tokens
    num_prompt: int


def read_exchanges(path: Path, tokenizer: Any) -> list[Exchange]:
    """All exchanges of a file. Raises MixtureError where a line is none or there is none at all."""
    try:
        lines = lines_of(path)
    except (OSError, UnicodeDecodeError) as error:
        raise MixtureError(f"cannot read {path}: {getattr(error, 'strerror', None) or 'it is no UTF-8 text'}") from None
    if not lines:
        raise MixtureError(f"{path} holds no prompt with a response")
    return [_exchange(line, f"{path}:{number}", tokenizer) for number, line in lines]


def _exchange(line: str, where: str, tokenizer: Any) -> Exchange:
    try:
        row = json.loads(line)
        prompt, response = row["prompt"], row["response"]
    except (ValueError, KeyError, TypeError):
        prompt = response = None
    if not isinstance(prompt, str) or not isinstance(response, str) or not response:
        raise MixtureError(f'{where}: expected {{"prompt": "...", "response": "..."}}')
    asked = prompt_ids(tokenizer, prompt)
    return Exchange((*asked, *text_ids(tokenizer, response), tokenizer.eos_token_id), len(asked))


def answer_loss(net: Net, batch: Sequence[Exchange]) -> tuple[torch.Tensor, int]:
    """Summed cross-entropy of the responses' tokens, and their number."""
    places = [[(i, e.token_ids[i], 1) for i in range(e.num_prompt, len(e.token_ids))] for e in batch]
    states, tokens, _ = gathered(net.hidden([e.token_ids for e in batch]), places)
    return torch.nn.functional.cross_entropy(net.logits(states), tokens.long(), reduction="sum"), len(tokens)


@dataclass(frozen=True)
class Step:
    """What one optimiser step is about (``source``: an index into the data sets) and, per process, which of its items."""

    source: int
    indices: tuple[Any, ...]


def schedule(lengths: Sequence[Any], share: float, *, steps: int, tokens: int, processes: int, seed: int) -> list[Step]:
    """``steps`` steps on the labels (``lengths[0]``, in tokens) with as many more on the other sets as make their ``share`` of
    all steps, spread evenly at random; each step has about ``tokens`` tokens in every process."""
    batches = length_batches(lengths[0], tokens, seed, steps * processes)
    plan = [Step(0, tuple(batches[i : i + processes])) for i in range(0, len(batches), processes)]
    if len(lengths) == 1 or not share:
        return plan
    more = round(steps * share / (1 - share))
    others: list[Step] = []
    for source in range(1, len(lengths)):
        count = len(range(source - 1, more, len(lengths) - 1))
        drawn = length_batches(lengths[source], tokens, seed + source, max(1, count) * processes)
        others += [Step(source, tuple(drawn[i * processes : (i + 1) * processes])) for i in range(count)]
    rng = np.random.default_rng((seed, len(lengths)))
    others = [others[i] for i in rng.permutation(len(others))]
    where = sorted(rng.choice(steps + len(others), len(others), replace=False).tolist())
    for place, step in zip(where, others, strict=True):
        plan.insert(place, step)
    return plan
