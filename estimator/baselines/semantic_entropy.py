"""Semantic entropy: how many different things a few fresh samples say."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from estimator.baselines.base import Case, Scores, check_states
from estimator.baselines.pool import Draws, SamplePool
from estimator.types import Grader


class SemanticEntropy:
    """``1 - SE / log M`` over ``M`` samples with ``SE = -sum_c p(c) log p(c)``; samples with equal final answers mean the
    same, and all without one are one meaning. ``p(c)`` is the clusters' share of the length-normalised sequence
    likelihoods, or of the counts (``discrete``). Of a partial answer, the samples are its completions."""

    states = frozenset({"question", "partial", "complete"})
    is_probability = True

    def __init__(self, pool: SamplePool, discrete: bool = False) -> None:
        self.pool, self.discrete = pool, discrete
        self.name = "SE (discrete)" if discrete else "SE"
        weighed = "counts" if discrete else "length-normalised likelihoods"
        self.source = f"Kuhn 2023, {pool.k} samples: clusters of equal final answers, by {weighed}"

    def fit(self, cases: Sequence[Case]) -> None:
        """Nothing to learn."""

    def score(self, cases: Sequence[Case]) -> Scores:
        check_states(self, cases)
        draws = self.pool.draw([c.answer for c in cases])
        entropies = np.array([self.entropy(d, c.question.grader) for c, d in zip(cases, draws, strict=True)])
        values = np.clip(1 - entropies / np.log(self.pool.k), 0, 1)  # rounding alone leads outside
        return Scores(values, np.array([d.tokens for d in draws], float))

    def entropy(self, draws: Draws, grader: Grader) -> float:
        """Nats."""
        weights = None if self.discrete else [np.exp(np.mean(s.logprobs)) for s in draws.segments]
        p = np.array(list(draws.shares(grader, weights).values()))
        return float(-(p * np.log(p)).sum())
