"""Fresh samples, drawn once for all the methods that read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from estimator.answers import final_answer, normalise
from estimator.baselines.base import written
from estimator.engines.base import Engine, SampleRequest, Sampling
from estimator.types import Answer, Grader, Segment, Tokens

# Far from the indices that answers are sampled at, so that under one seed no fresh sample is the scored answer itself.
FIRST_INDEX = 1_000_000


@dataclass(frozen=True, slots=True)
class Draws:
    """Completions of one prefix, and the final answer of each (None where it gives none or was cut off)."""

    prefix: Tokens
    segments: tuple[Segment, ...]
    answers: tuple[str | None, ...]

    @property
    def tokens(self) -> int:
        """Prefilled (the prefix, once) and generated."""
        return len(self.prefix) + sum(len(s.token_ids) for s in self.segments)

    def first(self, k: int) -> Draws:
        return replace(self, segments=self.segments[:k], answers=self.answers[:k])

    def shares(self, grader: Grader, weights: ArrayLike | None = None) -> dict[str | None, float]:
        """The share (of the samples, or of their ``weights``) of every answer that means something else; None collects
        the samples without an answer. Sums to 1."""
        counts = np.ones(len(self.answers)) if weights is None else np.asarray(weights, float)
        held: dict[str | None, float] = {}
        for answer, weight in zip(self.answers, counts.tolist(), strict=True):
            meaning = None if answer is None else normalise(answer, grader)
            held[meaning] = held.get(meaning, 0.0) + weight
        total = sum(held.values())
        return {meaning: weight / total for meaning, weight in held.items()}


class SamplePool:
    """``k`` completions a prefix at ``temperature``, each up to ``max_tokens``, remembered by prefix. Sample i of a prefix
    depends on the seed, the prefix and i alone."""

    def __init__(self, engine: Engine, k: int = 30, temperature: float = 1.0, seed: int = 0, max_tokens: int = 256) -> None:
        if k < 2:
            raise ValueError(f"a pool of {k} samples tells nothing: draw at least 2")
        self.engine, self.k, self.seed = engine, k, seed
        self.sampling = Sampling(temperature=temperature, max_tokens=max_tokens)
        self._drawn: dict[Tokens, Draws] = {}

    def draw(self, answers: Sequence[Answer]) -> list[Draws]:
        """Per answer in progress its draws, all new ones as one batch. What is finished cannot go on, so its question is
        sampled afresh."""
        starts = [a.upto(0) if a.finished else a for a in answers]
        new = list({a.token_ids: a for a in starts if a.token_ids not in self._drawn}.values())
        requests = [SampleRequest(a.token_ids, self.k, self.seed, FIRST_INDEX) for a in new]
        for start, segments in zip(new, self.engine.sample(requests, self.sampling), strict=True):
            ends = tuple(final_answer(written(self.engine, start.then(s))) if s.finished else None for s in segments)
            self._drawn[start.token_ids] = Draws(start.token_ids, tuple(segments), ends)
        return [self._drawn[a.token_ids] for a in starts]
