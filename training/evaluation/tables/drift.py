"""Drift: along a sampled answer the true chance of success is a martingale, so the mean change of a calibrated confidence is
0. No label is needed to see whether it is."""

from __future__ import annotations

import numpy as np

from training.evaluation.cases import Cases
from training.evaluation.evidence import Evidence
from training.evaluation.intervals import mean_figure
from training.evaluation.methods import Measured
from training.evaluation.rows import Row, row


def rows(evidence: Evidence) -> list[Row]:
    out = []
    for m in evidence.methods:
        if not (m.is_probability and np.isfinite(m.raw).all()):
            continue  # it has to be a probability at every place
        for kind in evidence.kinds:
            out += change_rows(kind, m, evidence.cases, evidence.plan.draws)
    return out


def change_rows(kind: str, m: Measured, cases: Cases, draws: int) -> list[Row]:
    starts, ends = cases.where("question", kind), cases.where("complete", kind)
    after = np.array([i for i, s in enumerate(cases.spots) if s.written and kind in ("all", s.case.question.kind)], int)
    changes = {"a paragraph": (m.raw[after] - m.raw[after - 1], after), "whole answer": (m.raw[ends] - m.raw[starts], ends)}
    out = []
    for position, (values, at) in changes.items():
        if not len(at):  # all answers of this kind ran out of tokens, or have one paragraph
            continue
        figure = mean_figure(values, cases.questions[at], draws)
        own = {"drift": figure.value, "drift_low": figure.low, "drift_high": figure.high}
        own["mean_change_size"] = float(np.abs(values).mean())
        out.append(row("drift", kind, position, m.name, len(at), **own))
    return out
