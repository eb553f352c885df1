"""Reading a report: the rows that a table or a picture wants."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Row = dict[str, Any]
Report = dict[str, Any]
OURS, PAPER, ORACLE = "FineCE", "FineCE (adapter)", "oracle"
MORE = "more"  # the main tables' rows on more answers
PLACES = {
    "question": ("question", "after the question"),
    "first": ("process", "after the first paragraph, p(1)"),
    "penultimate": ("process", "after the last paragraph but one, p(z-1)"),
    "average": ("process", "over all paragraphs but the last, p(1) to p(z-1)"),
    "complete": ("outcome", "after the complete answer"),
}


def rows(report: Report, table: str, **facts: Any) -> list[Row]:
    wanted = {"table": table} | facts
    return [r for r in report["rows"] if wanted.items() <= r.items()]


def names(rows: Iterable[Row], column: str) -> list[str]:
    """The different values of a column, in order of appearance."""
    return list(dict.fromkeys(r[column] for r in rows))


def whole(report: Report) -> str:
    """The kind that stands for all questions: ``all`` where there are several kinds, else the only one."""
    kinds = list(report["meta"]["questions"])
    return "all" if len(kinds) > 1 else kinds[0]


def ours(report: Report) -> str:
    """The name of the estimator's best form: combined, or the adapter where nothing was combined."""
    methods = report["meta"]["methods"]
    return OURS if OURS in methods else PAPER


def is_finece(name: str) -> bool:
    """In any form: the adapter alone, combined, or with drafts."""
    return name.startswith(OURS)


def calibration(row: Row) -> str:
    """The column of a method's ECE: of its value as it comes where that is meant as a probability, else recalibrated."""
    return "ece" if row["ece"] is not None else "ece_platt"
