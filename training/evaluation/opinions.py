"""FineCE with second opinions: a complete answer held against a few fresh ones, each with its confidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from estimator.answers import final_answer
from estimator.baselines.base import Case, Scores, check_states, written
from estimator.baselines.pool import Draws, SamplePool
from estimator.opinions import Opinion, read, weigh
from estimator.scorers.base import Scorer
from estimator.types import Answer
from training.evaluation.drafts import drafted
from training.evaluation.ours import OURS
from training.evaluation.plan import OPINIONS


def opinions(scorer: Scorer, pool: SamplePool) -> list[Opinions]:
    """Of the counts that the estimator can weigh."""
    return [Opinions(scorer, pool, k) for k in OPINIONS if k in scorer.opinions and k <= pool.k]


@dataclass(frozen=True)
class Opinions:
    """The confidence of a complete answer held against ``k`` fresh ones (``estimator.opinions.weigh``), whatever the doubt.
    Costs what the base writes and the adapter reads of it and of the answer itself."""

    scorer: Scorer
    pool: SamplePool
    k: int
    states: frozenset[str] = frozenset({"complete"})
    is_probability: bool = True

    @property
    def name(self) -> str:
        return f"{OURS} ({self.k} opinion{'s' * (self.k > 1)})"

    @property
    def source(self) -> str:
        return f"this project: {OURS}, held against {self.k} fresh answer{'s' * (self.k > 1)}"

    def fit(self, cases: Sequence[Case]) -> None:
        """Fitted before, on questions of its own."""

    def score(self, cases: Sequence[Case]) -> Scores:
        check_states(self, cases)
        draws = [d.first(self.k) for d in self.pool.draw([c.answer for c in cases])]
        own = self._heard([c.answer for c in cases], [final_answer(written(self.pool.engine, c.answer)) for c in cases])
        fresh = [(answer, said) for c, d in zip(cases, draws, strict=True) for answer, said in self._answers(c, d)]
        others = iter(self._heard([a for a, _ in fresh], [s for _, s in fresh]))
        values = [weigh([mine, *(next(others) for _ in range(self.k))], self.scorer.opinions)[0] for mine in own]
        drawn = np.array([d.tokens for d in draws], float)
        return Scores(np.array(values), 2 * drawn + [len(c.answer.token_ids) for c in cases], drawn)

    def _answers(self, case: Case, draws: Draws) -> list[tuple[Answer, str | None]]:
        answers = [drafted(case.answer.upto(0), s, self.pool.engine) for s in draws.segments]
        return list(zip(answers, draws.answers, strict=True))

    def _heard(self, answers: Sequence[Answer], said: Sequence[str | None]) -> list[Opinion]:
        heard = zip(answers, said, read(answers, said, self.scorer), strict=True)
        return [Opinion.of(s, confidence, ended=a.finished) for a, s, confidence in heard]
