"""Fitted maps from readings to confidences: small logistic models, kept as plain JSON.

Fitted on a split of their own (``training.combine``); here they are only applied.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from estimator.levels import LEVEL_VALUES, mean
from estimator.signals import SIGNALS, STATES


class CombinerError(ValueError):
    """The fitted combination cannot be used; the message says why."""


BOUND = 4.0  # standard deviations; beyond, products of inputs would run away


class Logistic(BaseModel):
    """``sigmoid(bias + weights . Terms(z))`` of standardised inputs ``z = (x - centre) / scale``. ``knots`` (per input, in
    standard deviations) bend what an input says; ``modifiers`` (names of inputs) change what the others say. Where there are
    either, z is held within ``BOUND``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    inputs: list[str]
    centre: list[float]
    scale: list[float]
    weights: list[float]
    bias: float
    knots: list[list[float]] = []
    modifiers: list[str] = []

    @model_validator(mode="after")
    def _fits(self) -> Self:
        n = len(self.inputs)
        count = n + sum(map(len, self.knots)) + len(self.modifiers) * (n - 1)
        if not len(self.centre) == len(self.scale) == n or len(self.knots) not in (0, n) or len(self.weights) != count:
            raise ValueError(f"{len(self.weights)} weights do not fit {n} inputs, their knots and modifiers")
        if not set(self.modifiers) <= set(self.inputs):
            raise ValueError("a modifier is none of the inputs")
        return self

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Made anew, with nothing that was computed from the weights before."""
        return type(self).model_validate(self.model_dump() | dict(update or {}))

    @cached_property
    def _terms(self) -> Terms:
        return Terms(len(self.inputs), self.knots, [self.inputs.index(m) for m in self.modifiers])

    @cached_property
    def _fitted(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        return np.array(self.centre), np.array(self.scale), np.array(self.weights)

    def __call__(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probabilities for rows of inputs."""
        centre, scale, weights = self._fitted
        z = (x - centre) / scale
        if self.knots or self.modifiers:
            z = np.clip(z, -BOUND, BOUND)
        total = self._terms(z) @ weights + self.bias
        return 1 / (1 + np.exp(-np.clip(total, -30, 30)))


class Terms:
    """z itself (``count`` inputs), ``max(z_i - knot, 0)`` for each knot of each input i, and ``z_m z_i`` for each modifier m
    and every other input i (last axis). No squares: a product of an input with itself would turn beyond what generation
    writes."""

    def __init__(self, count: int, knots: Sequence[Sequence[float]], modifiers: Sequence[int]) -> None:
        self._bent = np.array([i for i, mine in enumerate(knots) for _ in mine], int)
        self._knots = np.array([knot for mine in knots for knot in mine], float)
        pairs = np.array([(m, i) for m in modifiers for i in range(count) if i != m], int).reshape(-1, 2)
        self._modifying, self._modified = pairs.T

    def __call__(self, z: NDArray[np.float64]) -> NDArray[np.float64]:
        hinges = np.maximum(z[..., self._bent] - self._knots, 0)
        return np.concatenate([z, hinges, z[..., self._modifying] * z[..., self._modified]], -1)


class Mass(BaseModel):
    """How much of the adapter's distribution, shifted to the confidence, an interval takes in: ``sigmoid(weights . inputs)``
    (``mass_inputs``). One mass for all would hold too much near certainty, where the chance of success often is exactly 0 or
    1, and too little between."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    weights: tuple[float, float, float, float]

    @classmethod
    def constant(cls, mass: float) -> Mass:
        """The same ``mass``, in (0, 1), wherever it is asked for."""
        return cls(weights=(float(to_logit(np.array(mass))), 0.0, 0.0, 0.0))

    def __call__(self, value: float, free: NDArray[np.float64]) -> float:
        total = mass_inputs(value, free) @ np.array(self.weights)
        return float(1 / (1 + np.exp(-np.clip(total, -30, 30))))


def mass_inputs(value: float, free: NDArray[np.float64]) -> NDArray[np.float64]:
    """What a ``Mass`` reads: ``(1, u, u^2)`` of ``u = 4 v (1 - v)``, which is 0 where the confidence v is certain and 1 at one
    half, and how many of the question's numbers (3 at most) the answer has not come to, by its signals ``free`` (empty where
    nothing is written): while there are any, more can still go either way."""
    u = 4 * value * (1 - value)
    return np.array([1.0, u, u**2, min(free[_UNUSED], _MOST_UNUSED) if free.size else 0.0])


_UNUSED, _MOST_UNUSED = SIGNALS.index("unused_numbers"), 3.0


class Combiner(BaseModel):
    """The shipped score's fitted part: by state ``combined`` from the adapter's reading and the signals, and ``signals`` from
    the signals alone; by stage ``mass``, how much of the adapter's distribution an interval has to take in to hold 80 %.
    ``opinions``, by how many other answers a complete one is held against (``estimator.opinions``); empty where none were
    fitted. The hashes name what it was fitted on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = 2
    base_hash: str
    adapter_hash: str
    data_hash: str
    seed: int
    combined: dict[str, Logistic]
    signals: dict[str, Logistic]
    mass: dict[str, Mass]
    opinions: dict[int, Logistic] = {}

    def identity(self) -> str:
        """Hash of all that confidences depend on. The masses are not among it: whoever acts on confidences, as a tuned
        threshold does, is not touched by how wide the intervals around them are."""
        decides = self.model_dump(mode="json", exclude={"schema_version", "mass"})
        return hashlib.blake2b(json.dumps(decides, sort_keys=True).encode(), digest_size=8).hexdigest()


def read_combiner(path: Path) -> Combiner:
    try:
        combiner = Combiner.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        why = str(error).splitlines()[0]
        raise CombinerError(f"{path} is no combination of this version ({why}): fit it again (train --combine)") from error
    if missing := [*(set(STATES) - set(combiner.combined)), *(set(STAGES) - set(combiner.mass))]:
        raise CombinerError(f"{path} has nothing fitted for {', '.join(sorted(missing))}: fit it again (train --combine)")
    if other := [s for s in STATES if combiner.combined[s].inputs != list(inputs_of(s))]:
        raise CombinerError(f"{path} was fitted on other inputs for the state {other[0]}: fit it again for this version")
    if any(model.inputs != list(OPINION_INPUTS) for model in combiner.opinions.values()):
        raise CombinerError(f"{path} was fitted on other inputs for second opinions: fit it again for this version")
    return combiner


ADAPTER_INPUTS = ("adapter_logit", "adapter_spread")
STAGES = ("question", "first", "later", "complete")
OPINION_INPUTS = ("own_logit", "agreeing", "agreeing_confidence", "other_confidence", "rival_confidence")


def inputs_of(state: str) -> tuple[str, ...]:
    """What the combination reads in a state: before anything is written there are no signals."""
    return ADAPTER_INPUTS if state == "question" else (*ADAPTER_INPUTS, *SIGNALS)


def stage_of(state: str, free: NDArray[np.float64]) -> str:
    """The one of ``STAGES`` that an interval belongs to: a state, inside an answer (whose signals are ``free``) told apart
    into its first paragraph and later ones, where the chance of success is known much better."""
    if state != "partial":
        return state
    return "first" if free[SIGNALS.index("num_segments")] <= 1 else "later"


def adapter_inputs(levels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Per distribution over levels its mean as a logit, and its standard deviation."""
    m = np.clip(mean(levels), 1e-4, 1 - 1e-4)
    spread = np.sqrt(np.maximum(levels @ LEVEL_VALUES**2 - m**2, 0))
    return np.stack([to_logit(m), spread], -1)


class Platt(BaseModel):
    """Platt's sigmoid (1999) of one score, fitted on a split of its own: ``sigmoid(slope * z + intercept)``, z being the score
    standardised, or its logit standardised where the score is meant as a probability (``logit``)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    logit: bool
    model: Logistic

    @classmethod
    def fit(cls, values: ArrayLike, correct: ArrayLike, *, logit: bool = False) -> Platt:
        """By maximum likelihood with Platt's smoothed targets, (n_right + 1) / (n_right + 2) and 1 / (n_wrong + 2), so that
        neither separable scores nor a single class lead to infinity. ValueError for what is no two equal, finite rows."""
        from sklearn.linear_model import LogisticRegression

        x, y = np.asarray(values, float), np.asarray(correct, float)
        if x.ndim != 1 or x.shape != y.shape or not len(x) or not (np.isfinite(x).all() and np.isin(y, (0, 1)).all()):
            raise ValueError(f"need equal, non-empty rows of finite scores and outcomes 0 or 1, got {x.shape} and {y.shape}")
        x = to_logit(x) if logit else x
        centre, scale = float(x.mean()), float(max(x.std(), 1e-9))
        target = np.where(y == 1, (y.sum() + 1) / (y.sum() + 2), 1 / ((1 - y).sum() + 2))
        z = np.tile((x - centre) / scale, 2)[:, None]
        side, weight = np.repeat([1, 0], len(x)), np.concatenate([target, 1 - target])
        fitted = LogisticRegression(C=np.inf, tol=1e-8, max_iter=2000).fit(z, side, sample_weight=weight)
        slope, bias = float(fitted.coef_[0, 0]), float(np.ravel(fitted.intercept_)[0])
        return cls(
            logit=logit,
            model=Logistic(inputs=["score"], centre=[centre], scale=[scale], weights=[slope], bias=bias),
        )

    def __call__(self, values: ArrayLike) -> NDArray[np.float64]:
        """Probabilities for scores."""
        x = np.asarray(values, float)
        return self.model((to_logit(x) if self.logit else x)[:, None])


def to_logit(p: NDArray[np.float64]) -> NDArray[np.float64]:
    clipped = np.clip(p, 1e-4, 1 - 1e-4)
    return np.log(clipped / (1 - clipped))
