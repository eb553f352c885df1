"""LECO: a step's confidence from the probabilities of the likeliest token at each of its places."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from estimator.baselines.base import Case, Scores, check_states
from estimator.baselines.readings import TokenReader


class Leco:
    """The score of the step just written, or (``mean``) the mean over all steps so far; a step is a segment."""

    states = frozenset({"partial", "complete"})
    is_probability = False

    def __init__(self, reader: TokenReader, mean: bool = False, tau: float = 0.3) -> None:
        self.reader, self.mean, self.tau = reader, mean, tau
        self.name = "LECO (mean of steps)" if mean else "LECO"
        self.source = f"Yao 2024, tau {tau:g}: " + ("mean over the steps so far" if mean else "the last step's score")

    def fit(self, cases: Sequence[Case]) -> None:
        """Nothing to learn."""

    def score(self, cases: Sequence[Case]) -> Scores:
        check_states(self, cases)
        values = []
        for case, stats in zip(cases, self.reader.read([c.answer for c in cases]), strict=True):
            bounds = np.cumsum([len(s.token_ids) for s in case.answer.segments])[:-1]
            steps = [step_score(p, self.tau) for p in np.split(np.array(stats.top), bounds)]
            values.append(np.mean(steps) if self.mean else steps[-1])
        return Scores(np.array(values), np.zeros(len(cases)))


def step_score(top: ArrayLike, tau: float) -> float:
    """``avg + trans - div`` of a step's top-1 probabilities p_1..p_n: their mean, the mean of the first three, and
    ``ln(KL(p / sum p || uniform) ** tau + 1)``."""
    p = np.asarray(top, float)
    share = p / p.sum()
    divergence = max(float((share * np.log(share * len(p))).sum()), 0.0)
    return float(p.mean() + p[:3].mean() - np.log(divergence**tau + 1))
