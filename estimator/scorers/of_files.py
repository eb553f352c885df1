"""The scorer that an estimator's files make."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from estimator.artefacts import COMBINER, Card
from estimator.calibration import read_combiner
from estimator.scorers.adapter import AdapterScorer
from estimator.scorers.base import Scorer
from estimator.scorers.finece import CombinedScorer
from estimator.scorers.readout import readout_of

NOT_COMBINED = "{} has no fitted combination, so scores are the adapter's alone: controller train --combine fits one"


def scorer_of(card: Card, adapter: Path) -> tuple[Callable[[Any], Scorer], tuple[str, ...]]:
    """What makes the scorer of the estimator in ``adapter`` on an engine, its files read once, and what a user should be warned
    of. CombinerError where its combination cannot be used."""
    if not (adapter / COMBINER).exists():
        return lambda engine: AdapterScorer(engine, readout_of(engine, card, adapter)), (NOT_COMBINED.format(adapter),)
    combiner = read_combiner(adapter / COMBINER)
    return lambda engine: CombinedScorer(engine, combiner, readout_of(engine, card, adapter)), ()
