"""The scorer: an answer in progress in, a confidence out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from estimator.calibration import Logistic
from estimator.types import Answer, Confidence


class Scorer(Protocol):
    """``score`` gives one confidence an answer, in order. It raises ``EngineError`` where it cannot; it never invents one.
    ``opinions`` is how a complete answer is weighed against as many others (``estimator.opinions.weigh``), empty where
    nothing was fitted for that."""

    @property
    def name(self) -> str: ...

    @property
    def opinions(self) -> Mapping[int, Logistic]: ...

    def score(self, answers: Sequence[Answer]) -> list[Confidence]: ...
