"""FineCE's trained estimator as shipped: the adapter's one-token readout combined with the free signals of generation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Seen:
    """What the combination is given of an answer: its ``state``, the adapter's distribution (``levels``) and the free
    ``signals``."""

    state: str
    levels: NDArray[np.float64]
    signals: NDArray[np.float64]


def see(engine: Engine, answers: Sequence[Answer], readout: Readout, pieces: Pieces) -> list[Seen]:
    """The inputs of the combination, for fitting it and for reading it. Confidences stated in the text are not seen."""
    heard = [without_claims(a, pieces) for a in answers]
    read = readout.levels(heard)
    return [Seen(state_of(a), np.array(q), _in_paragraphs(engine, a, pieces)) for a, q in zip(heard, read, strict=True)]


def _in_paragraphs(engine: Engine, answer: Answer, pieces: Pieces) -> NDArray[np.float64]:
    """The free signals of the answer in paragraphs, wherever it stopped on the way: a complete answer has one confidence."""
    return signals(recut(answer, PARAGRAPHS, engine.table), pieces)


class CombinedScorer:
    """The adapter's reading and the free signals of what was generated, through a small fitted model; the adapter's
    distribution is shifted to the combined mean, which gives the interval."""

    name = "finece"

    def __init__(self, engine: Engine, combiner: Combiner, readout: Readout | None = None) -> None:
        self.engine, self.combiner, self.readout = engine, combiner, readout or OneToken(engine)
        self.pieces = Pieces(engine.decode)

    @property
    def opinions(self) -> Mapping[int, Logistic]:
        return self.combiner.opinions

    def score(self, answers: Sequence[Answer]) -> list[Confidence]:
        return [self._combine(seen) for seen in see(self.engine, answers, self.readout, self.pieces)]

    def free_signals(self, answer: Answer) -> NDArray[np.float64]:
        """The free signals of an answer as they are seen; nothing is computed for them."""
        return _in_paragraphs(self.engine, without_claims(answer, self.pieces), self.pieces)

    def _combine(self, seen: Seen) -> Confidence:
        state, levels, free = seen.state, seen.levels, seen.signals
        value = float(self.combiner.combined[state](np.concatenate([adapter_inputs(levels), free])))
        parts = {"adapter": float(mean(levels))}
        if state in self.combiner.signals:
            parts["signals"] = float(self.combiner.signals[state](free))
        mass = self.combiner.mass[stage_of(state, free)]
        return Confidence(value, *interval_around(levels, value, mass(value, free)), parts)
