"""Stopping early: what it saves to give up answers whose confidence falls below a threshold while they are written.

Each method's threshold is the highest at which the wanted share of the right answers is still written to the end, found on
the same answers, as AUROC and the false positive rate at 95 % true positives are. What counts is the tokens it saves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.evaluation.cases import Cases
from training.evaluation.evidence import Evidence
from training.evaluation.intervals import draw_weights, percentiles
from training.evaluation.methods import Measured
from training.evaluation.rows import Array, Row, row
from training.evaluation.tables.more import more_answers

TABLE = "stopping"
KEEP = (0.95, 0.98)


@dataclass(frozen=True)
class Course:
    """What a method says along ``n`` answers before they are complete: ``values`` (n, places), infinite where it says nothing;
    ``left`` (n, places) tokens still to be written there, of ``tokens`` (n) in all."""

    values: Array
    left: Array
    tokens: Array
    right: NDArray[np.bool_]
    questions: NDArray[np.int64]

    def saved(self, keep: float, weights: Array) -> tuple[float, float, float]:
        """Share of the tokens saved where at least ``keep`` of the right answers are kept, the threshold, and the share of the
        wrong ones that is stopped; each answer counts ``weights``."""
        lowest = self.values.min(1)
        threshold = _threshold(lowest[self.right], weights[self.right], keep)
        below = self.values < threshold
        stopped = below.any(1)
        left = np.where(stopped, self.left[np.arange(len(below)), below.argmax(1)], 0.0)
        wrong = weights * ~self.right
        return (
            float(weights @ left / (weights @ self.tokens)),
            threshold,
            float(wrong @ stopped / wrong.sum()) if wrong.any() else float("nan"),
        )


def _threshold(lowest: Array, weights: Array, keep: float) -> float:
    """The highest value that at most 1 - ``keep`` of these answers (by weight) ever fall below."""
    order = np.argsort(lowest, kind="stable")
    before = np.concatenate([[0.0], np.cumsum(weights[order])])  # weight of those that come earlier
    allowed = (1 - keep) * before[-1]
    return float(lowest[order][max(np.searchsorted(before[:-1], allowed + 1e-9, side="right") - 1, 0)])


def rows(evidence: Evidence) -> list[Row]:
    """On the test's answers, with the oracle as the limit, and on more of them."""
    draws, kinds = evidence.plan.draws, evidence.kinds
    out = list(stopping_rows("test", evidence.cases, [*evidence.single_pass, evidence.oracle], kinds, draws))
    more = more_answers(evidence)
    return out + (list(stopping_rows("more", *more, kinds, draws)) if more is not None else [])


def stopping_rows(answers: str, cases: Cases, methods: Sequence[Measured], kinds: Sequence[str], draws: int) -> Iterator[Row]:
    """A row for each kind, method and share to keep; ``answers`` names them."""
    for kind in kinds:
        for m in methods:
            course = course_of(m, cases, kind)
            if course is None or not course.right.any():
                continue
            weights = draw_weights(course.questions, draws)
            for keep in KEEP:
                saved, threshold, wrong_stopped = course.saved(keep, np.ones(len(course.tokens)))
                low, high = percentiles(np.array([course.saved(keep, w)[0] for w in weights if (w * course.right).any()]))
                own = {"saved": saved, "saved_low": low, "saved_high": high, "threshold": threshold, "keep": keep}
                told = {"answers": answers, "wrong_stopped": wrong_stopped, "accuracy": float(course.right.mean())}
                yield row(TABLE, kind, f"keeping {keep:.0%}", m.name, len(course.tokens), **own, **told)


def course_of(m: Measured, cases: Cases, kind: str) -> Course | None:
    """None where the method says nothing before answers are complete. What is no probability is compared across places by its
    recalibrated value."""
    complete = cases.where("complete", kind)
    places = max((cases.spots[i].total for i in complete), default=0)
    values = np.full((len(complete), places), np.inf)
    left = np.zeros((len(complete), places))
    tokens = np.zeros(len(complete))
    for n, i in enumerate(complete):
        total = cases.spots[i].total
        whole = len(cases.spots[i].case.answer.token_ids)
        for place in range(total):  # an answer's spots lie one after the other, the complete one last
            spot = i - total + place
            if np.isfinite(m.probability[spot]):
                values[n, place] = m.probability[spot]
            left[n, place] = whole - len(cases.spots[spot].case.answer.token_ids)
        tokens[n] = left[n, 0]
    if not np.isfinite(values).any():
        return None
    return Course(values, left, tokens, cases.correct[complete] > 0.5, cases.questions[complete])
