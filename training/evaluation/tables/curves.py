"""What the pictures show: reliability, risk against coverage, confidence along the answer."""

from __future__ import annotations

import numpy as np

from estimator.metrics import risk_coverage
from training.evaluation.cases import Cases
from training.evaluation.evidence import Evidence
from training.evaluation.intervals import BINS
from training.evaluation.methods import Measured
from training.evaluation.rows import Row, row
from training.evaluation.tables.positions import token_ratios

PLACES = ("question", "first", "penultimate", "complete")
POINTS = 40
SHARES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


def rows(evidence: Evidence) -> list[Row]:
    out: list[Row] = []
    for place in PLACES:
        at = evidence.cases.where(place)
        for m in (*evidence.methods, evidence.oracle):
            if len(at) and np.isfinite(m.raw[at]).all():
                out += _risk(place, m, m.raw[at], evidence.cases.correct[at])
                out += _reliability(place, m, at, evidence.cases)
    for m in evidence.finece:
        out += _along(m, evidence.cases)
    return out


def _reliability(place: str, m: Measured, at: np.ndarray, cases: Cases) -> list[Row]:
    """For each bin that holds something its mean confidence and the share that was right; none without probabilities."""
    if not np.isfinite(m.probability[at]).all():
        return []
    values, correct = m.probability[at], cases.correct[at]
    bins = np.clip((values * BINS).astype(int), 0, BINS - 1)
    return [
        row("reliability", "all", place, m.name, int(inside.sum()), bin=b, confidence=float(values[inside].mean()))
        | {"accuracy": float(correct[inside].mean()), "recalibrated": not m.is_probability}
        for b in range(BINS)
        if (inside := bins == b).any()
    ]


def _risk(place: str, m: Measured, values: np.ndarray, correct: np.ndarray) -> list[Row]:
    coverage, risk = risk_coverage(values, correct)
    picked = np.unique(np.linspace(0, len(coverage) - 1, POINTS).astype(int))
    return [row("risk", "all", place, m.name, len(values), coverage=float(coverage[i]), risk=float(risk[i])) for i in picked]


def _along(m: Measured, cases: Cases) -> list[Row]:
    """The confidence last read by each share of the answer, for all answers alike: of those that ended right, and wrong."""
    ratios, correct = token_ratios(cases), cases.correct
    out = []
    for share in SHARES:
        last = np.array(list({s.answer: i for i, s in enumerate(cases.spots) if ratios[i] <= share}.values()))
        for ended, name in ((1.0, "right"), (0.0, "wrong")):
            at = last[correct[last] == ended]
            if len(at):
                low, middle, high = np.percentile(m.raw[at], [25, 50, 75])
                own = {"ended": name, "confidence": float(m.raw[at].mean()), "quarter": low, "median": middle}
                out.append(row("along", "all", f"{share:.1f}", m.name, len(at), **own, three_quarters=high))
    return out
