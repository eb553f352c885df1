"""The two main tables: confidence while an answer is written (the paper's Table 1), and before and after it (Table 2)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from estimator.metrics import aurc, auroc, brier, ece, ece_equal_mass, excess_aurc, prr
from training.evaluation.cases import Cases, Indices
from training.evaluation.evidence import Evidence
from training.evaluation.intervals import ece_figure
from training.evaluation.methods import Measured
from training.evaluation.rows import Array, Row, calibration, ranking, row

SELECTION = {"aurc": aurc, "excess_aurc": excess_aurc, "prr": prr}  # of answering the surest alone
APART = 0.95  # questions for each answer from which answers count as independent
PLACES_OF = {"question": ("question",), "process": ("first", "penultimate", "average"), "outcome": ("complete",)}


def rows(evidence: Evidence) -> list[Row]:
    methods = (*evidence.methods, evidence.oracle)
    return list(table_rows(evidence.cases, methods, evidence.kinds, evidence.plan.draws, evidence.oracle.raw))


def table_rows(
    cases: Cases, methods: Sequence[Measured], kinds: Sequence[str], draws: int, oracle: Array | None = None, **own: Any
) -> Iterator[Row]:
    """A row for each table, kind, place and method that is defined there; ``own`` columns go into every one."""
    for table, places in PLACES_OF.items():
        for kind in kinds:
            for place in places:
                at = cases.where(place, kind)
                for m in methods:
                    if len(at) and np.isfinite(m.raw[at]).all():
                        yield row(table, kind, place, m.name, len(at), **figures(m, cases, at, draws, oracle), **own)


def figures(m: Measured, cases: Cases, at: Indices, draws: int, oracle: Array | None) -> dict[str, Any]:
    """``ece`` is against how the answers ended, ``ece_oracle`` against the oracle's shares, which are less noisy (of values
    that are no probabilities: after Platt scaling); ``ece_floor`` is what a perfectly calibrated method with these
    confidences would show at this n (None where many answers are to the same questions: what ends alike is noisier)."""
    outcome, questions = cases.correct[at], cases.questions[at]
    out: dict[str, Any] = {"samples": m.samples}
    if m.is_probability:
        out |= calibration(m.raw[at], outcome, questions, draws) | {"ece_equal_mass": ece_equal_mass(m.raw[at], outcome)}
        apart = len(set(questions)) >= APART * len(at)
        out["ece_floor"] = floor(m.raw[at]) if apart else None
    confidence = (m.raw if m.is_probability else m.platt)[at]
    if oracle is not None and oracle is not m.raw and np.isfinite((oracle[at], confidence)).all():
        out |= _against("oracle", confidence, oracle[at], questions, draws)
    for name, values in (("platt", m.platt[at]), ("platt_kind", m.platt_kind[at])):
        if np.isfinite(values).all():
            out |= _against(name, values, outcome, questions, draws)
            out[f"brier_{name}"] = brier(values, outcome)
    out |= ranking(m.raw[at], outcome, questions, draws)
    out |= {name: metric(m.raw[at], outcome) for name, metric in SELECTION.items()}
    out |= {"accuracy": float(outcome.mean()), "questions": len(set(questions))}
    out |= by_seed(m, cases, at)
    return out | {"tokens": float(m.tokens[at].mean()), "seconds": float(m.seconds[at].mean())}


def _against(name: str, confidence: Array, truth: Array, questions: Indices, draws: int) -> dict[str, float]:
    """A further ECE with its interval, as columns ``ece_{name}``."""
    figure = ece_figure(confidence, truth, questions, draws)
    return {f"ece_{name}": figure.value, f"ece_{name}_low": figure.low, f"ece_{name}_high": figure.high}


def by_seed(m: Measured, cases: Cases, at: Indices) -> dict[str, list[float]]:
    """The figures of each seed's answers on their own."""
    seeds = np.array([cases.spots[i].seed for i in at])
    each = [at[seeds == seed] for seed in dict.fromkeys(seeds)]
    out = {"auroc_seeds": [auroc(m.raw[a], cases.correct[a]) for a in each]}
    if m.is_probability:
        out["ece_seeds"] = [ece(m.raw[a], cases.correct[a]) for a in each]
    return out


def floor(confidence: Array, draws: int = 50) -> float:
    """Mean ECE of these confidences against outcomes drawn from them: the noise in an ECE of so few answers."""
    rng = np.random.default_rng(0)
    return float(np.mean([ece(confidence, rng.random(len(confidence)) < confidence) for _ in range(draws)]))
