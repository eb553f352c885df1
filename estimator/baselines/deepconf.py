"""DeepConf: how peaked the model's distributions were over the tokens it wrote, and a vote weighted by it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from estimator.baselines.base import Case, Scores, check_states
from estimator.baselines.readings import TokenReader

Floats = NDArray[np.float64]
Reduce = Callable[[Floats, int], float]


def groups(tokens: Floats, window: int) -> Floats:
    """Means over a sliding window; a text shorter than the window is one group."""
    return np.convolve(tokens, np.ones(window) / window, "valid") if len(tokens) >= window else tokens.mean(keepdims=True)


def mean(tokens: Floats, window: int) -> float:
    return float(tokens.mean())


def lowest_group(tokens: Floats, window: int) -> float:
    return float(groups(tokens, window).min())


def bottom_tenth(tokens: Floats, window: int) -> float:
    """The mean of the lowest tenth of the groups (at least one)."""
    ordered = np.sort(groups(tokens, window))
    return float(ordered[: max(1, len(ordered) // 10)].mean())


def tail(tokens: Floats, window: int) -> float:
    return float(tokens[-window:].mean())


REDUCTIONS: dict[str, Reduce] = {"mean": mean, "lowest group": lowest_group, "bottom 10 %": bottom_tenth, "tail": tail}


class DeepConf:
    """Token confidence ``C_i = -(mean log-probability of the 20 likeliest tokens)`` (nats; higher is surer), reduced over
    the answer so far as ``REDUCTIONS`` says."""

    states = frozenset({"partial", "complete"})
    is_probability = False

    def __init__(self, reader: TokenReader, reduction: str, window: int = 16) -> None:
        self.reader, self.reduce, self.window = reader, REDUCTIONS[reduction], window
        self.name = f"DeepConf ({reduction})"
        self.source = f"Fu 2025, groups of {window} tokens (2048 there, for longer answers)"

    def fit(self, cases: Sequence[Case]) -> None:
        """Nothing to learn."""

    def score(self, cases: Sequence[Case]) -> Scores:
        check_states(self, cases)
        read = self.reader.read([c.answer for c in cases])
        values = [self.reduce(-np.array(stats.mean_top20), self.window) for stats in read]
        return Scores(np.array(values), np.zeros(len(cases)))
