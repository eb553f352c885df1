"""How good confidences are. Plain functions over arrays; a bootstrap that resamples questions, not rows.

``confidence`` and ``outcome`` are arrays of the same length; an outcome is 0 or 1, or a Monte Carlo share in [0, 1] where
the function says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Metric = Callable[[Array, Array], float]


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


def ece(confidence: ArrayLike, outcome: ArrayLike, bins: int = 10) -> float:
    """Expected calibration error, equal-width bins: ``sum_b (n_b / N) |mean outcome - mean confidence|``. Outcomes may be
    Monte Carlo shares (expected calibration of counts)."""
    c, y = _pair(confidence, outcome)
    return _binned_error(c, y, np.clip((c * bins).astype(int), 0, bins - 1))


def ece_equal_mass(confidence: ArrayLike, outcome: ArrayLike, bins: int = 10) -> float:
    """The same with bins of equal count (ties stay in the order given)."""
    c, y = _pair(confidence, outcome)
    return _binned_error(c, y, np.argsort(np.argsort(c, kind="stable"), kind="stable") * bins // len(c))


def _binned_error(c: Array, y: Array, index: NDArray[np.int64]) -> float:
    sums = np.bincount(index, weights=y - c)
    return float(np.abs(sums).sum() / len(c))


def auroc(confidence: ArrayLike, outcome: ArrayLike) -> float:
    """Chance that a right answer scores above a wrong one, ties at one half; nan when only one class is there."""
    c, y = _pair(confidence, outcome)
    right = y > 0.5
    num_right, num_wrong = int(right.sum()), int((~right).sum())
    if not num_right or not num_wrong:
        return float("nan")
    _, inverse, counts = np.unique(c, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return float((ranks[right].sum() - num_right * (num_right + 1) / 2) / (num_right * num_wrong))


def brier(confidence: ArrayLike, outcome: ArrayLike) -> float:
    """Mean squared difference; outcomes may be shares."""
    c, y = _pair(confidence, outcome)
    return float(np.mean((c - y) ** 2))


def risk_coverage(confidence: ArrayLike, outcome: ArrayLike) -> tuple[Array, Array]:
    """Coverage 1/N..1 and the error rate among the surest that fill it (ties broken by order)."""
    c, y = _pair(confidence, outcome)
    wrong = 1 - y[np.argsort(-c, kind="stable")]
    counts = np.arange(1, len(c) + 1)
    return counts / len(c), np.cumsum(wrong) / counts


def aurc(confidence: ArrayLike, outcome: ArrayLike) -> float:
    """Mean over n of the error rate among the n surest."""
    return float(risk_coverage(confidence, outcome)[1].mean())


def excess_aurc(confidence: ArrayLike, outcome: ArrayLike) -> float:
    """AURC above that of the best possible order."""
    return aurc(confidence, outcome) - aurc(outcome, outcome)


def bootstrap(
    metric: Metric,
    confidence: ArrayLike,
    outcome: ArrayLike,
    groups: ArrayLike | None = None,
    draws: int = 400,
    seed: int = 0,
) -> Interval:
    """``metric`` with a 95 % percentile interval; whole groups (questions) are resampled where ``groups`` names them."""
    c, y = _pair(confidence, outcome)
    names = np.arange(len(c)) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    order = np.argsort(names, kind="stable")
    rows = np.split(order, np.cumsum(np.bincount(names))[:-1])
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(draws):
        picked = np.concatenate([rows[i] for i in rng.integers(0, len(rows), len(rows))])
        values.append(metric(c[picked], y[picked]))
    low, high = np.nanpercentile(values, [2.5, 97.5]) if np.isfinite(values).any() else (np.nan, np.nan)
    return Interval(metric(c, y), float(low), float(high))


def _pair(confidence: ArrayLike, outcome: ArrayLike) -> tuple[Array, Array]:
    c, y = np.asarray(confidence, float), np.asarray(outcome, float)
    if c.shape != y.shape or c.ndim != 1 or not len(c):
        raise ValueError(f"need two equal, non-empty rows of numbers, got {c.shape} and {y.shape}")
    if not (np.isfinite(c).all() and np.isfinite(y).all()):
        raise ValueError("a confidence or an outcome is not a finite number")
    return c, y
