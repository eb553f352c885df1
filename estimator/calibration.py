"""Fitted maps from readings to confidences: small logistic models, kept as plain JSON.

Fitted on a split of their own (``training.combine``); here they are only applied.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from estimator.levels import LEVEL_VALUES, mean
from estimator.signals import STATES


class CombinerError(ValueError):
    """The fitted combination cannot be used; the message says why."""


class Logistic(BaseModel):
    """``sigmoid(bias + sum_i weights[i] * (x[i] - centre[i]) / scale[i])``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    inputs: list[str]
    centre: list[float]
    scale: list[float]
    weights: list[float]
    bias: float

    def __call__(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probabilities for rows of inputs."""
        z = (x - np.array(self.centre)) / np.array(self.scale)
        return 1 / (1 + np.exp(-np.clip(z @ np.array(self.weights) + self.bias, -30, 30)))


class Combiner(BaseModel):
    """The shipped score's fitted part, by state: ``combined`` from the adapter's reading and the signals, ``signals`` from
    the signals alone, and the power that makes 80 % intervals hold 80 %. The hashes name what it was fitted on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = 1
    base_hash: str
    adapter_hash: str
    data_hash: str
    seed: int
    combined: dict[str, Logistic]
    signals: dict[str, Logistic]
    power: dict[str, float]


def read_combiner(path: Path) -> Combiner:
    try:
        combiner = Combiner.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise CombinerError(f"{path} is no fitted combination: {str(error).splitlines()[0]}") from error
    if missing := [s for s in STATES if s not in combiner.combined or s not in combiner.power]:
        raise CombinerError(f"{path} lacks the state {missing[0]}: fit it again")
    return combiner


ADAPTER_INPUTS = ("adapter_logit", "adapter_spread")


def adapter_inputs(levels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Per distribution over levels its mean as a logit, and its standard deviation."""
    m = np.clip(mean(levels), 1e-4, 1 - 1e-4)
    spread = np.sqrt(np.maximum(levels @ LEVEL_VALUES**2 - m**2, 0))
    return np.stack([np.log(m / (1 - m)), spread], -1)
