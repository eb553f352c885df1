"""ECE and AUROC with bootstrap intervals by question: ``estimator.metrics.bootstrap`` of those two, all draws at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from estimator.metrics import auroc, ece

Array = NDArray[np.float64]
BINS = 10


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure with its 95 % percentile interval and its bootstrap standard error; nan where it is not defined."""

    value: float
    low: float
    high: float
    error: float


def ece_figure(confidence: Array, outcome: Array, questions: NDArray[np.int64], draws: int) -> Figure:
    """ECE over ten equal-width bins (``estimator.metrics.ece``)."""
    return _figure(ece(confidence, outcome, BINS), drawn_ece(confidence, outcome, draw_weights(questions, draws)))


def drawn_ece(confidence: Array, outcome: Array, weights: Array) -> Array:
    """ECE in each draw of ``weights`` (draws, rows)."""
    bins = np.clip((confidence * BINS).astype(int), 0, BINS - 1)
    gaps = np.zeros((len(confidence), BINS))
    gaps[np.arange(len(confidence)), bins] = outcome - confidence
    return np.abs(weights @ gaps).sum(1) / weights.sum(1)


def auroc_figure(confidence: Array, outcome: Array, questions: NDArray[np.int64], draws: int) -> Figure:
    """AUROC with ties at one half (``estimator.metrics.auroc``)."""
    return _figure(auroc(confidence, outcome), drawn_auroc(confidence, outcome, draw_weights(questions, draws)))


def drawn_auroc(confidence: Array, outcome: Array, weights: Array) -> Array:
    """AUROC in each draw of ``weights`` (draws, rows); nan where a draw has one class alone."""
    order = np.argsort(confidence, kind="stable")
    ties = np.flatnonzero(np.diff(confidence[order], prepend=-np.inf))
    right = np.add.reduceat(weights[:, order] * outcome[order], ties, axis=1)
    wrong = np.add.reduceat(weights[:, order] * (1 - outcome[order]), ties, axis=1)
    below = np.cumsum(wrong, 1) - wrong / 2
    with np.errstate(invalid="ignore"):
        return (right * below).sum(1) / (right.sum(1) * wrong.sum(1))


def mean_figure(values: Array, questions: NDArray[np.int64], draws: int) -> Figure:
    weights = draw_weights(questions, draws)
    return _figure(float(values.mean()), weights @ values / weights.sum(1))


def draw_weights(questions: NDArray[np.int64], draws: int, seed: int = 0) -> Array:
    """(draws, rows): how often each row is in each draw; whole questions are drawn, with replacement."""
    _, number = np.unique(questions, return_inverse=True)
    count = int(number.max()) + 1
    rng = np.random.default_rng(seed)
    picked = np.stack([np.bincount(rng.integers(0, count, count), minlength=count) for _ in range(draws)])
    return picked[:, number].astype(float)


def _figure(value: float, drawn: Array) -> Figure:
    known = drawn[np.isfinite(drawn)]
    if not len(known) or not np.isfinite(value):
        return Figure(value, float("nan"), float("nan"), float("nan"))
    low, high = percentiles(drawn)
    return Figure(value, low, high, float(known.std(ddof=1)) if len(known) > 1 else float("nan"))


def percentiles(drawn: Array) -> tuple[float, float]:
    """The ends of a 95 % interval over the draws in which the figure is defined; nan where it is in none."""
    known = drawn[np.isfinite(drawn)]
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.percentile(known, [2.5, 97.5])
    return float(low), float(high)
