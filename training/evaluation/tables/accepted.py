"""Accepting only confident answers: accuracy and coverage above a threshold, read early or at the end (Figure 3 left)."""

from __future__ import annotations

import numpy as np

from training.evaluation.cases import Cases, Indices
from training.evaluation.evidence import Evidence
from training.evaluation.intervals import mean_figure
from training.evaluation.methods import Measured
from training.evaluation.rows import Row, row
from training.evaluation.tables.positions import token_ratios

DELTA = 0.8
PLACES = {"early": "first", "final": "complete"}


def rows(evidence: Evidence) -> list[Row]:
    out = []
    for kind in evidence.kinds:
        for name, place in PLACES.items():
            at = evidence.cases.where(place, kind)
            for m in evidence.methods:
                if len(at) and np.isfinite(m.probability[at]).all():
                    out.append(_row(kind, name, m, evidence.cases, at, evidence.plan.draws))
    return out


def _row(kind: str, name: str, m: Measured, cases: Cases, at: Indices, draws: int) -> Row:
    """A method whose value is no probability is accepted by its recalibrated value."""
    taken = at[m.probability[at] > DELTA]
    before = float(cases.correct[at].mean())
    own = {
        "delta": DELTA,
        "accuracy": None,
        "accuracy_low": None,
        "accuracy_high": None,
        "coverage": len(taken) / len(at),
        "accuracy_without": before,
        "gain": None,
        "token_ratio": float(token_ratios(cases)[at].mean()),
    }
    if len(taken):
        right = mean_figure(cases.correct[taken], cases.questions[taken], draws)
        own |= {"accuracy": right.value, "accuracy_low": right.low, "accuracy_high": right.high}
        own["gain"] = right.value / before - 1 if before else None
    cost = {"tokens": float(m.tokens[at].mean()), "seconds": float(m.seconds[at].mean())}
    return row("filter", kind, name, m.name, len(at), **cost, **own)
