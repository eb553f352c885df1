"""FineCE and the oracle in the form in which every other method comes (``estimator.baselines.base.Baseline``)."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from estimator.baselines.base import Baseline, Case, Scores
from estimator.engines.base import Engine, Sampling
from estimator.scorers.base import Scorer
from estimator.scorers.finece import CombinedScorer
from estimator.signals import STATES, state_of
from estimator.types import Answer, Confidence
from training.labelling import complete

PAPER, OURS, SIGNALS, ORACLE = "FineCE (adapter)", "FineCE", "signals", "oracle"
OF_PAPER = "FineCE, the adapter alone, as the paper has it but for its one-token readout"


class Read:
    """What a scorer said of each batch of answers, remembered: several methods take their number from the same reading."""

    def __init__(self, scorer: Scorer) -> None:
        self.scorer = scorer
        self._known: dict[tuple[Answer, ...], tuple[list[Confidence], float]] = {}

    def __call__(self, answers: Sequence[Answer]) -> tuple[list[Confidence], float]:
        """The confidences, and the seconds an answer that they took if they were made before (0 if they are made now)."""
        batch = tuple(answers)
        if batch in self._known:
            return self._known[batch]
        started = time.perf_counter()
        made = self.scorer.score(batch)
        self._known[batch] = made, (time.perf_counter() - started) / len(batch)
        return made, 0.0


@dataclass(frozen=True)
class Reading:
    """One of the numbers that a scorer gives. Its cost is the whole prefix, as if the adapter had read nothing before (along
    an answer only the new paragraph is computed)."""

    read: Read
    name: str
    source: str
    take: Callable[[Confidence], float]
    states: frozenset[str] = frozenset(STATES)
    is_probability: bool = True

    def fit(self, cases: Sequence[Case]) -> None:
        """Fitted before, on questions of its own."""

    def score(self, cases: Sequence[Case]) -> Scores:
        confidences, seconds = self.read([c.answer for c in cases])
        tokens = [len(c.answer.token_ids) for c in cases]
        return Scores(np.array([self.take(c) for c in confidences]), np.array(tokens, float), seconds=seconds)


@dataclass(frozen=True)
class Signals:
    """The fitted model of the free signals alone, which reads nothing."""

    scorer: CombinedScorer
    name: str = SIGNALS
    source: str = "this project: free signals alone"
    states: frozenset[str] = frozenset(STATES) - {"question"}
    is_probability: bool = True

    def fit(self, cases: Sequence[Case]) -> None:
        """Fitted before, on questions of its own."""

    def score(self, cases: Sequence[Case]) -> Scores:
        fitted, free = self.scorer.combiner.signals, self.scorer.free_signals
        values = [float(fitted[state_of(c.answer)](free(c.answer))) for c in cases]
        return Scores(np.array(values), np.zeros(len(cases)))


def readings(scorer: Scorer) -> list[Reading]:
    """The adapter alone, as the paper has it, and ours; of an estimator without a fitted combination the first alone."""
    read = Read(scorer)
    if not isinstance(scorer, CombinedScorer):
        return [Reading(read, PAPER, OF_PAPER, lambda c: c.value)]
    return [
        Reading(read, PAPER, OF_PAPER, lambda c: c.parts["adapter"]),
        Reading(read, OURS, "this project: adapter and free signals combined", lambda c: c.value),
    ]


def own_methods(scorer: Scorer) -> list[Baseline]:
    """FineCE, and the signals that ours adds, apart."""
    if not isinstance(scorer, CombinedScorer):
        return [*readings(scorer)]
    fitted = frozenset(scorer.combiner.signals)  # fewer where the combination's questions had few answers of a state
    return [*readings(scorer), *([Signals(scorer, states=fitted)] if fitted else [])]


@dataclass(frozen=True)
class Oracle:
    """The share of ``k`` fresh completions that were right: the limit, not a method (it is told the references)."""

    engine: Engine
    k: int
    seed: int  # none that answers are sampled with, or it would find the scored answer itself among its samples
    sampling: Sampling
    name: str = ORACLE
    source: str = "limit: the share of fresh samples that were right"
    states: frozenset[str] = frozenset({"question", "partial"})
    is_probability: bool = True

    def fit(self, cases: Sequence[Case]) -> None:
        """Nothing to learn."""

    def score(self, cases: Sequence[Case]) -> Scores:
        distinct = {c.answer.token_ids: (c.question, c.answer) for c in cases}
        groups = dict(
            zip(distinct, complete(self.engine, list(distinct.values()), self.k, self.seed, self.sampling), strict=True)
        )
        shares = [float(np.mean([s.correct for s in groups[c.answer.token_ids]])) for c in cases]
        written = [sum(len(s.answer.token_ids) - len(c.answer.token_ids) for s in groups[c.answer.token_ids]) for c in cases]
        return Scores(np.array(shares), np.array(written, float))
