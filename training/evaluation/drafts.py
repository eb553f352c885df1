"""FineCE looking ahead to the end: what it says of a few drafts of the rest, beside what it says here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from estimator.baselines.base import Case, Scores, check_states
from estimator.baselines.pool import SamplePool
from estimator.engines.base import Engine
from estimator.positions import Position, cut
from estimator.scorers.base import Scorer
from estimator.types import Answer, Segment
from training.evaluation.ours import OURS

COUNTS = (1, 4)


def drafted(answer: Answer, written: Segment, engine: Engine) -> Answer:
    """``answer`` with what was written behind it in one go, cut at its paragraphs."""
    return Answer(answer.prompt_ids, (*answer.segments, *cut(written, Position(), engine.table)))


def drafts(scorer: Scorer, pool: SamplePool) -> list[Drafts]:
    return [Drafts(scorer, pool, k) for k in COUNTS if k <= pool.k]


@dataclass(frozen=True)
class Drafts:
    """The mean of the confidence here and of those at the ends of ``k`` fresh completions: Backward Confidence Integration
    (paper, equation 3) with k chains to the end and alpha = 1 / (k + 1). A draft is what may well be written, so what a
    calibrated confidence says at its end is right in the mean, and tells more. Costs what the base writes and the adapter
    reads of it."""

    scorer: Scorer
    pool: SamplePool
    k: int
    states: frozenset[str] = frozenset({"question", "partial"})
    is_probability: bool = True

    @property
    def name(self) -> str:
        return f"{OURS} ({self.k} draft{'s' * (self.k > 1)})"

    @property
    def source(self) -> str:
        return f"this project: {OURS} here and at the end of {self.k} fresh sample{'s' * (self.k > 1)}"

    def fit(self, cases: Sequence[Case]) -> None:
        """Nothing to learn."""

    def score(self, cases: Sequence[Case]) -> Scores:
        check_states(self, cases)
        draws = [d.first(self.k) for d in self.pool.draw([c.answer for c in cases])]
        drafts = [drafted(c.answer, s, self.pool.engine) for c, d in zip(cases, draws, strict=True) for s in d.segments]
        here, ends = self._values([c.answer for c in cases]), self._values(drafts).reshape(len(cases), self.k)
        values = (here + ends.sum(1)) / (self.k + 1)
        drawn = np.array([d.tokens for d in draws], float)
        return Scores(values, 2 * drawn, drawn)

    def _values(self, answers: Sequence[Answer]) -> np.ndarray:
        return np.array([c.value for c in self.scorer.score(answers)])
