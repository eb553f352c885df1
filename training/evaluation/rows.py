"""A row of the report: the columns that every table shares, then a table's own."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estimator.metrics import brier
from training.evaluation.intervals import auroc_figure, ece_figure

COLUMNS = (
    "table",
    "kind",
    "position",
    "method",
    "n",
    "ece",
    "ece_low",
    "ece_high",
    "auroc",
    "auroc_low",
    "auroc_high",
    "brier",
    "tokens",
    "seconds",
)
Row = dict[str, Any]
Array = NDArray[np.float64]


def row(table: str, kind: str, position: str, method: str, n: int, **figures: Any) -> Row:
    """All shared columns in their order, null where not given, then the others; what is not a finite number is null."""
    named = {"table": table, "kind": kind, "position": position, "method": method, "n": n} | figures
    ordered = {c: named.get(c) for c in COLUMNS} | {k: v for k, v in named.items() if k not in COLUMNS}
    return {k: _plain(v) for k, v in ordered.items()}


def calibration(confidence: Array, outcome: Array, questions: NDArray[np.int64], draws: int) -> dict[str, float]:
    """ECE with interval and standard error, and Brier, of values meant as probabilities."""
    figure = ece_figure(confidence, outcome, questions, draws)
    return {
        "ece": figure.value,
        "ece_low": figure.low,
        "ece_high": figure.high,
        "ece_error": figure.error,
        "brier": brier(confidence, outcome),
    }


def ranking(values: Array, outcome: Array, questions: NDArray[np.int64], draws: int) -> dict[str, float]:
    """AUROC with interval and standard error, of values of any scale."""
    figure = auroc_figure(values, outcome, questions, draws)
    return {"auroc": figure.value, "auroc_low": figure.low, "auroc_high": figure.high, "auroc_error": figure.error}


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(v) for v in value]
    if isinstance(value, float | np.floating):
        return round(float(value), 6) if math.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value
