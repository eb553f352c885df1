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
ROUNDING = 1e-12  # areas no further apart are the same
Metric = Callable[[Array, Array], float]


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


def ece(confidence: ArrayLike, outcome: ArrayLike, bins: int = 10) -> float:
    """Expected calibration error (Naeini 2015), equal-width bins ``[b / bins, (b + 1) / bins)``, the last one closed:
    ``sum_b (n_b / N) |mean outcome - mean confidence|``. Outcomes may be shares."""
    c, y = _pair(confidence, outcome)
    return _binned_error(c, y, _equal_width(c, bins), np.ones(len(c)))


def ece_equal_mass(confidence: ArrayLike, outcome: ArrayLike, bins: int = 10) -> float:
    """The same with bins of equal count (sizes differ by one at most). Equal confidences that fall into two bins bring
    their mean outcome into both, so that the order of the rows does not matter."""
    c, y = _pair(confidence, outcome)
    y = _mean_over_ties(c, y)
    parts = np.array_split(np.argsort(c, kind="stable"), bins)
    return float(sum(abs((y[p] - c[p]).sum()) for p in parts) / len(c))


def count_calibration(confidence: ArrayLike, correct: ArrayLike, k: ArrayLike, bins: int = 10) -> float:
    """Expected calibration error of counts, for Monte Carlo labels (``correct`` of ``k`` samples were right): equal-width
    bins, ``sum_b |sum_b (correct - k * confidence)| / sum k``. Every sample drawn counts once; with k = 1 it is ``ece``."""
    drawn = np.asarray(k, float)
    if drawn.shape != np.shape(correct) or not (drawn >= 1).all():
        raise ValueError("each count of right samples needs its number of samples, at least 1")
    c, y = _pair(confidence, np.asarray(correct, float) / drawn)
    if y.min() < 0 or y.max() > 1:
        raise ValueError("more samples were right than were drawn")
    return _binned_error(c, y, _equal_width(c, bins), drawn)


def _equal_width(c: Array, bins: int) -> NDArray[np.int64]:
    """The bin of each confidence, which must lie in [0, 1]."""
    if c.min() < 0 or c.max() > 1:
        raise ValueError(f"a confidence lies outside [0, 1]: {c.min():g} to {c.max():g}")
    return np.minimum((c * bins).astype(np.int64), bins - 1)


def _binned_error(c: Array, y: Array, index: NDArray[np.int64], weights: Array) -> float:
    return float(np.abs(np.bincount(index, weights=weights * (y - c))).sum() / weights.sum())


def _mean_over_ties(c: Array, y: Array) -> Array:
    """Per row the mean outcome of all rows with its confidence."""
    _, inverse, counts = np.unique(c, return_inverse=True, return_counts=True)
    return (np.bincount(inverse, weights=y) / counts)[inverse]


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
    """Coverage 1/N..1 and the error rate among the surest that fill it, expected over the orders of equal confidences."""
    c, y = _pair(confidence, outcome)
    wrong = 1 - _mean_over_ties(c, y)[np.argsort(-c, kind="stable")]
    counts = np.arange(1, len(c) + 1)
    return counts / len(c), np.cumsum(wrong) / counts


def aurc(confidence: ArrayLike, outcome: ArrayLike) -> float:
    """Area under the risk-coverage curve (Geifman 2019): the mean over n of the error rate among the n surest."""
    return float(risk_coverage(confidence, outcome)[1].mean())


def excess_aurc(confidence: ArrayLike, outcome: ArrayLike) -> float:
    """AURC above that of the best possible order."""
    return aurc(confidence, outcome) - aurc(outcome, outcome)


def prr(confidence: ArrayLike, outcome: ArrayLike) -> float:
    """Prediction-rejection ratio (Malinin 2021): how far the order has come from a random one (0) to the best possible
    one (1) in area under the risk-coverage curve; nan where the two are the same."""
    best, base = aurc(outcome, outcome), float(1 - np.mean(np.asarray(outcome, float)))
    return float("nan") if base - best < ROUNDING else (base - aurc(confidence, outcome)) / (base - best)


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
