"""The scripted scorer: confidences given beforehand, needing no engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from estimator.calibration import Logistic
from estimator.types import Answer, Confidence


class ScriptedScorer:
    """See ``estimator.scorers.base.Scorer``. ``confidence`` maps an answer to a value in [0, 1] (ValueError outside);
    ``margin`` is the half-width of the interval, cut to [0, 1]; ``opinions`` are fitted elsewhere. ``calls`` holds the
    number of answers of each call."""

    def __init__(
        self,
        confidence: Callable[[Answer], float],
        *,
        name: str = "scripted",
        margin: float = 0.1,
        opinions: Mapping[int, Logistic] | None = None,
    ) -> None:
        self.confidence, self.name, self.margin, self.opinions = confidence, name, margin, opinions or {}
        self.calls: list[int] = []

    def score(self, answers: Sequence[Answer]) -> list[Confidence]:
        self.calls.append(len(answers))
        return [self._one(self.confidence(a)) for a in answers]

    def _one(self, value: float) -> Confidence:
        return Confidence(value, max(0.0, value - self.margin), min(1.0, value + self.margin), {"scripted": value})
