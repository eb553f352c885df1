"""The confidence levels: what the adapter's one-token readout means.

The readout is a distribution over a few levels, each a single token of the base vocabulary (the digits) that stands for a
success probability. It is a distribution over the chance of success itself: its mean is the confidence and its quantiles
are the interval.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

LEVEL_TEXTS = tuple("0123456789")
# The end levels stay clear of 0 and 1: a label that contradicts a certainty must cost much, not infinitely much.
LEVEL_VALUES: NDArray[np.float64] = np.clip(np.arange(10) / 9, 0.003, 0.997)


def level_ids(tokenizer: Any) -> list[int]:
    """The token id of each level; ValueError where a digit is no single token."""
    ids = [tokenizer.encode(text, add_special_tokens=False) for text in LEVEL_TEXTS]
    if any(len(i) != 1 for i in ids):
        raise ValueError("the tokenizer has no single token for each digit, so it offers no confidence levels")
    return [i[0] for i in ids]


def mean(levels: ArrayLike) -> NDArray[np.float64]:
    """Expected success probability of distributions over the levels (last axis)."""
    return np.asarray(levels, float) @ LEVEL_VALUES


def tilt(levels: NDArray[np.float64], target: float) -> NDArray[np.float64]:
    """The distribution nearest to ``levels`` (in relative entropy) whose mean is ``target``: ``q_l exp(t p_l)``, normalised."""
    logq = np.log(np.clip(levels, 1e-12, None))
    goal = float(np.clip(target, LEVEL_VALUES[0] + 1e-6, LEVEL_VALUES[-1] - 1e-6))
    low, high, t = -400.0, 400.0, 0.0
    for _ in range(60):
        tilted = _normalise(logq + t * LEVEL_VALUES)
        off = float(tilted @ LEVEL_VALUES) - goal
        if abs(off) < 1e-12:
            break
        # The mean grows with t, at the rate of the variance: Newton's step, or half-way where it leads out of what is left.
        low, high = (low, t) if off > 0 else (t, high)
        variance = float(tilted @ (LEVEL_VALUES - goal - off) ** 2)
        step = t - off / variance if variance > 0 else np.nan
        t = step if low < step < high else (low + high) / 2
    return _normalise(logq + t * LEVEL_VALUES)


def interval(levels: NDArray[np.float64], mass: float = 0.8) -> tuple[float, float]:
    """Interval with at most ``(1 - mass) / 2`` on each side. A level's mass is spread evenly over its cell (half-way to its
    neighbours); an end that falls into the lowest or highest cell is 0 or 1 itself, because near the end of an answer the
    chance of success often is exactly that."""
    edges = np.concatenate([[0.0], (LEVEL_VALUES[1:] + LEVEL_VALUES[:-1]) / 2, [1.0]])
    cumulative = np.concatenate([[0.0], np.cumsum(levels)])
    cumulative /= cumulative[-1]
    low, high = np.interp([(1 - mass) / 2, (1 + mass) / 2], cumulative, edges)
    return (0.0 if low < edges[1] else float(low)), (1.0 if high > edges[-2] else float(high))


def interval_around(levels: NDArray[np.float64], value: float, mass: float) -> tuple[float, float]:
    """The interval of the distribution shifted to the mean ``value`` (``tilt``), with the value itself always in it."""
    low, high = interval(tilt(levels, value), mass)
    return min(low, value), max(high, value)


def _normalise(log_weights: NDArray[np.float64]) -> NDArray[np.float64]:
    weights = np.exp(log_weights - log_weights.max())
    return weights / weights.sum()
