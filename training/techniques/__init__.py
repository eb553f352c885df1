"""The ways to teach a model to say its confidence, side by side: one file a technique, one Protocol."""

from __future__ import annotations

from typing import Any

from estimator.artefacts import Technique as Name
from training.techniques.base import Net, Technique, TrainingError
from training.techniques.ift import InstructionText
from training.techniques.soft import OneTokenReadout
from training.techniques.value_head import BinHead

__all__ = ["Name", "Net", "Technique", "TrainingError", "technique"]


def technique(name: Name, net: Net, tokenizer: Any, extra_points: int) -> Technique:
    """The technique of a name for a model; TrainingError where the tokenizer cannot carry it."""
    if name == "value_head":
        return BinHead(net)
    try:
        return InstructionText(net, tokenizer) if name == "ift" else OneTokenReadout(net, tokenizer, extra_points)
    except ValueError as error:
        raise TrainingError(f"{error}: take another technique") from error
