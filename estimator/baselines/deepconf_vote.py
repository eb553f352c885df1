"""DeepConf's vote: fresh samples vote for their answers, each with the weight of its own confidence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from estimator.answers import final_answer, normalise
from estimator.baselines.base import Case, Scores, check_states, written
from estimator.baselines.deepconf import REDUCTIONS
from estimator.baselines.pool import Draws, SamplePool
from estimator.baselines.readings import TokenReader
from estimator.types import Answer


class DeepConfVote:
    """The scored answer's share of the votes; ``keep`` of the samples vote, those with the highest confidence (the mean
    over their tokens). Samples without an answer vote for none."""

    name = "DeepConf (vote)"
    states = frozenset({"complete"})
    is_probability = True

    def __init__(self, reader: TokenReader, pool: SamplePool, reduction: str = "mean", keep: float = 0.9) -> None:
        self.reader, self.pool, self.reduce = reader, pool, REDUCTIONS[reduction]
        self.voters = max(1, round(keep * pool.k))
        self.source = f"Fu 2025: share of the votes of the {self.voters} surest of {pool.k} samples, weighted by confidence"

    def fit(self, cases: Sequence[Case]) -> None:
        """Nothing to learn."""

    def score(self, cases: Sequence[Case]) -> Scores:
        check_states(self, cases)
        draws = self.pool.draw([c.answer for c in cases])
        samples = [Answer(d.prefix, (s,)) for d in draws for s in d.segments]
        sure = np.array([self.reduce(-np.array(t.mean_top20), len(t.top)) for t in self.reader.read(samples)])
        values = [self._share(c, d, w) for c, d, w in zip(cases, draws, sure.reshape(len(draws), -1), strict=True)]
        return Scores(np.array(values), np.array([d.tokens for d in draws], float))

    def _share(self, case: Case, draws: Draws, sure: np.ndarray) -> float:
        answer = final_answer(written(self.pool.engine, case.answer))
        if answer is None:
            return 0.0
        voting = np.zeros(len(sure))
        chosen = np.argsort(-sure, kind="stable")[: self.voters]
        voting[chosen] = sure[chosen]
        return draws.shares(case.question.grader, voting).get(normalise(answer, case.question.grader), 0.0)
