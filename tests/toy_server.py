"""A server without a server: an engine whose logits are a function of model and text, with what real ones get wrong."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from estimator.engines.base import EngineError, SampleRequest, Sampling
from estimator.engines.vllm import VllmEngine
from estimator.engines.vocabulary import Vocabulary
from estimator.types import Segment, StopReason, Tokens

BASE, ADAPTER = "base", "adapter"


class StrictClient:
    """Refuses whatever it is asked."""

    base_url = "http://toy"

    def post(self, *_: object) -> None: ...

    def run(self, *_: object) -> Any:
        raise EngineError("unknown field")

    def close(self) -> None: ...


class ToyServer(VllmEngine):
    """It computes its logits in ``dtype``, and each reading moves them by ``noise``, as another company in a batch does.
    ``fault`` names what it gets wrong."""

    def __init__(self, vocabulary: Vocabulary, dtype: str = "float32", noise: float = 0.0, fault: str = "") -> None:
        client: Any = StrictClient()
        super().__init__(client, vocabulary, name="toy", model=BASE, adapter=ADAPTER, level_ids=range(10, 20), max_context=1024)
        self.dtype, self.noise, self.fault = dtype, noise, fault
        self.others = np.random.default_rng(0)
        self.seen: list[Tokens] = [()]

    def forked(self) -> ToyServer:
        return copy.copy(self)

    def logprobs(self, model: str | None, text: Tokens, temperature: float = 1.0) -> NDArray[np.float64]:
        own = np.random.default_rng([*text[-8:], len(text), model == ADAPTER]).normal(0, 4, self.vocabulary.size)
        moved = torch.tensor(own + self.noise * self.others.normal(size=len(own)))
        logits = moved.to(getattr(torch, self.dtype)).float()
        return (logits / temperature).log_softmax(-1).double().numpy()

    def sample(self, requests: Sequence[SampleRequest], sampling: Sampling) -> list[list[Segment]]:
        confused = self.fault == "company" and len(requests) > 1
        model = ADAPTER if confused else self.model
        return [[self._write(model, r, sampling, i) for i in range(r.n)] for r in requests]

    def _write(self, model: str | None, request: SampleRequest, sampling: Sampling, index: int) -> Segment:
        seeds = {"seed ignored": self.others.integers(1 << 30), "seed fixed": index}
        stream = np.random.default_rng(seeds.get(self.fault, 100 * request.seed + index))
        shown = sampling.temperature if self.fault == "processed" and sampling.temperature else 1.0
        text, told = request.prefix, []
        for _ in range(min(sampling.max_tokens, 16)):
            logprobs, chance = self.logprobs(model, text), stream.gumbel(size=self.vocabulary.size)
            token = int(np.argmax(logprobs + sampling.temperature * chance))
            told.append(self.logprobs(model, text, shown)[token] if shown != 1.0 else logprobs[token])
            text = (*text, token)
        return Segment(text[len(request.prefix) :], tuple(told), (0.0,) * len(told), StopReason.LENGTH)

    def annotate(self, prefix: Tokens, continuation: Tokens) -> tuple[tuple[float, ...], tuple[float, ...]]:
        whole = (*prefix, *continuation)
        read = [self.logprobs(self.model, whole[:i])[whole[i]] for i in range(len(prefix), len(whole))]
        return tuple(0.0 if self.fault == "masked" else float(v) for v in read), (0.0,) * len(read)

    def levels(self, prefixes: Sequence[Tokens]) -> list[tuple[float, ...]]:
        return [self._levels(p) for p in prefixes]

    def _levels(self, prefix: Tokens) -> tuple[float, ...]:
        kept = 0 if self.fault == "no cache" else max(len(p) for p in self.seen if prefix[: len(p)] == p)
        self.seen.append(prefix)
        self._count(scored=len(prefix) - kept)
        chances = np.exp(self.logprobs(BASE if self.fault == "not applied" else self.adapter, prefix)[self.level_ids])
        return tuple(chances / chances.sum())

    def next_logprobs(self, prefixes: Sequence[Tokens], token_ids: Sequence[int]) -> ArrayLike:
        return np.stack([self.logprobs(self.model, p)[list(token_ids)] for p in prefixes])
