"""Self-consistency: how many of a few fresh samples agree."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from estimator.answers import final_answer, normalise
from estimator.baselines.base import Case, Scores, check_states, written
from estimator.baselines.pool import Draws, SamplePool


class SelfConsistency:
    """The share of ``k`` samples (all of the pool's, or its first ``k``) that agree with the most frequent answer, or
    (``own``) with the answer that is scored. Samples without an answer agree with nothing. Of a partial answer, the
    samples are its completions."""

    is_probability = True

    def __init__(self, pool: SamplePool, k: int | None = None, own: bool = False) -> None:
        self.pool, self.k, self.own = pool, k or pool.k, own
        if self.k > pool.k:
            raise ValueError(f"{self.k} samples wanted of a pool of {pool.k}")
        self.name = f"Self-consistency ({'this answer, ' if own else ''}k = {self.k})"
        self.source = "Wang 2023: share of samples with " + ("the scored answer" if own else "the most frequent answer")
        self.states = frozenset({"complete"} if own else {"question", "partial", "complete"})

    def fit(self, cases: Sequence[Case]) -> None:
        """Nothing to learn."""

    def score(self, cases: Sequence[Case]) -> Scores:
        check_states(self, cases)
        draws = [d.first(self.k) for d in self.pool.draw([c.answer for c in cases])]
        values = [self._share(c, d) for c, d in zip(cases, draws, strict=True)]
        return Scores(np.array(values), np.array([d.tokens for d in draws], float))

    def _share(self, case: Case, draws: Draws) -> float:
        shares = draws.shares(case.question.grader)
        shares.pop(None, None)
        if not self.own:
            return max(shares.values(), default=0.0)
        answer = final_answer(written(self.pool.engine, case.answer))
        return 0.0 if answer is None else shares.get(normalise(answer, case.question.grader), 0.0)
