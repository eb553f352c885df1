"""All that the tables are made from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from estimator.engines.base import Engine
from estimator.engines.local import LocalEngine
from estimator.loading import Loaded
from estimator.scorers.base import Scorer
from training.evaluation.cases import Cases
from training.evaluation.methods import Measured
from training.evaluation.ours import readings
from training.evaluation.plan import Plan
from training.evaluation.splits import Splits
from training.evaluation.store import Store


class Again(Protocol):
    """Measures the methods of some ``names`` on ``others``, which ``name`` tells from the test; recalibrated on ``own_platt``
    or, without it, as in the test."""

    def __call__(self, names: list[str], name: str, others: Cases, own_platt: Cases | None = None) -> list[Measured]: ...


@dataclass(frozen=True)
class Evidence:
    """The model and estimator under test, the questions, the test cases and what every method says of them. ``oracle`` is
    measured like a method and kept apart; ``held_out`` are the cases that recalibration was fitted on; ``stating`` is the
    model that was taught the format of stated confidences, where one had to be; ``left_out`` says why a method is missing."""

    loaded: Loaded
    engine: Engine
    plan: Plan
    splits: Splits
    store: Store
    held_out: Cases
    cases: Cases
    methods: tuple[Measured, ...]
    oracle: Measured
    stating: LocalEngine | None
    again: Again
    left_out: dict[str, str]

    @property
    def scorer(self) -> Scorer:
        return self.loaded.scorer

    @property
    def kinds(self) -> tuple[str, ...]:
        """``all`` and, where there are several, each kind of question."""
        return ("all", *self.splits.kinds) if len(self.splits.kinds) > 1 else self.splits.kinds

    @property
    def finece(self) -> list[Measured]:
        """FineCE: as the paper has it, and combined where the estimator comes with a combination."""
        names = [r.name for r in readings(self.scorer)]
        return [m for m in self.methods if m.name in names]

    @property
    def single_pass(self) -> list[Measured]:
        """FineCE and the methods that cost no token beyond the answer's own."""
        ours = {m.name for m in self.finece}
        return [m for m in self.methods if m.name in ours or np.nanmax(m.tokens, initial=0.0) == 0]
