"""FineCE's trained estimator as shipped: the adapter's one-token readout combined with the free signals of generation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from estimator.calibration import Combiner, Logistic, adapter_inputs, stage_of
from estimator.claims import without_claims
from estimator.engines.base import Engine
from estimator.levels import interval_around, mean
from estimator.pieces import Pieces
from estimator.positions import Position, recut
from estimator.scorers.readout import OneToken, Readout
from estimator.signals import signals, state_of
from estimator.types import Answer, Confidence

PARAGRAPHS = Position()


class CombinedScorer:
    """The adapter's reading and the free signals of what was generated, through a small fitted model; the adapter's
    distribution is shifted to the combined mean, which gives the interval. Confidences stated in the text are not read.

    The model was fitted on answers in paragraphs, so it is shown every answer in paragraphs, wherever it stopped on the way: a
    complete answer has one confidence.
    """

    name = "finece"

    def __init__(self, engine: Engine, combiner: Combiner, readout: Readout | None = None) -> None:
        self.engine, self.combiner, self.readout = engine, combiner, readout or OneToken(engine)
        self.pieces = Pieces(engine.decode)

    @property
    def opinions(self) -> Mapping[int, Logistic]:
        return self.combiner.opinions

    def score(self, answers: Sequence[Answer]) -> list[Confidence]:
        heard = [without_claims(a, self.pieces) for a in answers]
        read = self.readout.levels(heard)
        return [self._combine(a, np.array(levels)) for a, levels in zip(heard, read, strict=True)]

    def free_signals(self, answer: Answer) -> NDArray[np.float64]:
        """The free signals of an answer, in paragraphs."""
        return signals(recut(answer, PARAGRAPHS, self.engine.table), self.pieces)

    def _combine(self, answer: Answer, levels: np.ndarray) -> Confidence:
        state, free = state_of(answer), self.free_signals(answer)
        value = float(self.combiner.combined[state](np.concatenate([adapter_inputs(levels), free])))
        parts = {"adapter": float(mean(levels))}
        if state in self.combiner.signals:
            parts["signals"] = float(self.combiner.signals[state](free))
        mass = self.combiner.mass[stage_of(state, free)]
        return Confidence(value, *interval_around(levels, value, mass(value, free)), parts)
