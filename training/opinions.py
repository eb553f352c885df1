"""Fit how much second opinions count: sampled answers to one question, each held against some of the others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.linear_model import LogisticRegression

from estimator.calibration import OPINION_INPUTS, Logistic, to_logit
from estimator.opinions import Opinion, in_doubt, inputs, read, stated, weigh
from estimator.scorers.base import Scorer
from training.labelling import Groups

FEWEST = 30  # right and wrong answers each, below which nothing is fitted
Heard = list[tuple[Opinion, bool]]  # of one question, each answer as the others see it, and whether it is right


def hear(groups: Groups, scorer: Scorer) -> list[Heard]:
    """The answers of each group with the scorer's confidence at their ends."""
    flat = [s for group in groups for s in group]
    said = [stated(s.answer, s.text) for s in flat]
    confidences = read([s.answer for s in flat], said, scorer)
    opinions = [Opinion.of(w, c, ended=s.answer.finished) for s, w, c in zip(flat, said, confidences, strict=True)]
    heard = iter([(opinion, s.correct) for opinion, s in zip(opinions, flat, strict=True)])
    return [[next(heard) for _ in group] for group in groups]


def fit_opinions(heard: Sequence[Heard]) -> dict[int, Logistic]:
    """A model for each number of others that all questions have, up to one less than the fewest answers to one, while there
    are enough right and wrong answers to fit it on."""
    fitted: dict[int, Logistic] = {}
    for count in range(1, min(map(len, heard), default=0)):
        rounds = [r for group in heard for r in _rounds(group, count)]
        if not _enough([answers[0][1] for answers in rounds]):
            break
        fitted[count] = _fit(rounds)
    return fitted


def _rounds(group: Heard, count: int) -> list[Heard]:
    """Each answer that states something, with the ``count`` that follow it (the first follow the last), of those that came to
    their end; none where these are too few."""
    ended = [(opinion, correct) for opinion, correct in group if opinion.ended]
    if len(ended) <= count:
        return []
    turned = [[ended[(i + j) % len(ended)] for j in range(count + 1)] for i in range(len(ended))]
    return [answers for answers in turned if answers[0][0].meaning is not None]


def _enough(right: Sequence[bool]) -> bool:
    return min(sum(right), len(right) - sum(right)) >= FEWEST


def _fit(rounds: Sequence[Heard]) -> Logistic:
    """A logistic model of whether the first answer of a round is right, and then, as of several answers the surest is kept and
    so is rather one that errs upwards, the slope and offset that calibrate what is kept of those in doubt."""
    x = np.array([inputs(answers[0][0], [o for o, _ in answers[1:]]) for answers in rounds])
    centre, scale = x.mean(0), np.maximum(x.std(0), 1e-6)
    first = _fitted((x - centre) / scale, [answers[0][1] for answers in rounds])
    model = Logistic(
        inputs=list(OPINION_INPUTS),
        centre=centre.tolist(),
        scale=scale.tolist(),
        weights=first.coef_[0].tolist(),
        bias=float(np.ravel(first.intercept_)[0]),
    )
    kept = [_kept(answers, model) for answers in rounds if in_doubt(answers[0][0].confidence)]
    if not _enough([correct for _, correct in kept]):
        return model
    second = _fitted(to_logit(np.array([[value] for value, _ in kept])), [correct for _, correct in kept])
    slope, offset = float(second.coef_[0, 0]), float(np.ravel(second.intercept_)[0])
    return model.model_copy(update={"weights": [slope * w for w in model.weights], "bias": slope * model.bias + offset})


def _kept(answers: Heard, model: Logistic) -> tuple[float, bool]:
    """The highest of the confidences held against each other, and whether that answer is right."""
    weighed = weigh([o for o, _ in answers], {len(answers) - 1: model})
    best = weighed.index(max(weighed))
    return weighed[best], answers[best][1]


def _fitted(x: np.ndarray, right: Sequence[bool]) -> LogisticRegression:
    return LogisticRegression(max_iter=2000).fit(x, right)
