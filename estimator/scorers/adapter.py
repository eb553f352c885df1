"""The paper's own score: the adapter's reading alone, with nothing combined and nothing fitted afterwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from estimator.calibration import Logistic
from estimator.claims import without_claims
from estimator.engines.base import Engine
from estimator.levels import interval, mean
from estimator.pieces import Pieces
from estimator.scorers.readout import Readout
from estimator.types import Answer, Confidence


class AdapterScorer:
    """See ``estimator.scorers.base.Scorer``. Confidences stated in the text are not read."""

    name = "adapter"
    opinions: Mapping[int, Logistic] = {}  # nothing is fitted here

    def __init__(self, engine: Engine, readout: Readout) -> None:
        self.engine, self.readout, self.pieces = engine, readout, Pieces(engine.decode)

    def score(self, answers: Sequence[Answer]) -> list[Confidence]:
        read = self.readout.levels([without_claims(a, self.pieces) for a in answers])
        return [_confidence(np.array(levels)) for levels in read]


def _confidence(levels: np.ndarray) -> Confidence:
    value, (low, high) = float(np.clip(mean(levels), 0, 1)), interval(levels)
    return Confidence(value, min(low, value), max(high, value), {"adapter": value})
