"""Fit how much second opinions count: sampled answers to one question, each held against some of the others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.linear_model import LogisticRegression

from estimator.answers import final_answer
from estimator.calibration import OPINION_INPUTS, Logistic
from estimator.opinions import Opinion, inputs, read
from estimator.scorers.base import Scorer
from training.labelling import Groups

FEWEST = 30  # right and wrong answers each, below which nothing is fitted


def opinions_of(groups: Groups, scorer: Scorer) -> list[list[Opinion]]:
    """Each answer as the others see it, with the scorer's confidence at its end."""
    flat = [s for group in groups for s in group]
    said = [final_answer(s.text) if s.answer.finished else None for s in flat]
    heard = iter(map(Opinion.of, said, read([s.answer for s in flat], said, scorer)))
    return [[next(heard) for _ in group] for group in groups]


def fit_opinions(groups: Groups, scorer: Scorer) -> dict[int, Logistic]:
    """A model for each number of others that all groups have: one less than the answers of the smallest. Every answer that
    states something is held against those that follow it in its group (the first follow the last)."""
    heard, most = opinions_of(groups, scorer), min(map(len, groups), default=0) - 1
    return {count: model for count in range(1, most + 1) if (model := _fit(groups, heard, count)) is not None}


def _fit(groups: Groups, heard: Sequence[Sequence[Opinion]], count: int) -> Logistic | None:
    rows, right = [], []
    for group, opinions in zip(groups, heard, strict=True):
        for i, (sampled, own) in enumerate(zip(group, opinions, strict=True)):
            if own.meaning is not None:
                rows.append(inputs(own, [opinions[(i + 1 + j) % len(opinions)] for j in range(count)]))
                right.append(sampled.correct)
    if min(sum(right), len(right) - sum(right)) < FEWEST:
        return None
    x = np.array(rows)
    centre, scale = x.mean(0), np.maximum(x.std(0), 1e-6)
    model = LogisticRegression(max_iter=2000).fit((x - centre) / scale, right)
    return Logistic(
        inputs=list(OPINION_INPUTS),
        centre=centre.tolist(),
        scale=scale.tolist(),
        weights=model.coef_[0].tolist(),
        bias=float(model.intercept_[0]),
    )
