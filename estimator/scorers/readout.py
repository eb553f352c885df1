"""The readout: what a trained adapter says after an answer in progress, as a distribution over the confidence levels.

All techniques end in such a distribution, so that the combination, the interval and the metrics are the same for each.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from estimator.artefacts import Card
from estimator.engines.base import Engine, capable
from estimator.types import Answer, Tokens


class Readout(Protocol):
    """``levels`` gives one distribution over ``estimator.levels.LEVEL_VALUES`` an answer, in order (each sums to 1). It raises
    ``EngineError`` where it cannot."""

    def levels(self, answers: Sequence[Answer]) -> list[tuple[float, ...]]: ...


class OneToken:
    """The soft readout: the next-token probabilities of the level tokens, which the engine reads itself."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def levels(self, answers: Sequence[Answer]) -> list[tuple[float, ...]]:
        return self.engine.levels([a.token_ids for a in answers])


@runtime_checkable
class AdaptedStates(Protocol):
    """An engine that shows the adapted model's last hidden states."""

    def adapter_hidden(self, prefixes: Sequence[Tokens]) -> Any: ...


def readout_of(engine: Any, card: Card, adapter: Path) -> Readout:
    """The readout of the technique that an estimator's card names. EngineError where the engine cannot carry it: all but the
    soft readout need the local one, with the adapter in it."""
    if card.technique == "soft":
        return OneToken(engine)
    capable(engine, AdaptedStates, f"an estimator of the technique {card.technique}")
    if card.technique == "ift":
        from estimator.scorers.ift import StatedText

        return StatedText(engine)
    from estimator.scorers.value_head import ValueHead

    return ValueHead(engine, adapter)
