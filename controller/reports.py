"""What ``--json`` prints: people script against these shapes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from graphs.events import Header, ResultEvent

_RESULT_FIELDS = ("outcome", "answer", "confidence", "reason", "paragraphs", "tokens", "seconds")
_HEADER_FIELDS = ("model", "estimator", "engine", "policy", "seed")


def solve_report(header: Header, result: ResultEvent, trace: Path | None) -> dict[str, Any]:
    """The object of ``solve --json``; it names the trace where one was written."""
    ended, begun = result.model_dump(), header.model_dump()
    return {
        "question": header.question,
        **{k: ended[k] for k in _RESULT_FIELDS},
        **{k: begun[k] for k in _HEADER_FIELDS},
        "trace": None if trace is None else str(trace),
    }


def confidence_report(score: Any) -> dict[str, float]:
    """A confidence with its interval."""
    return {"confidence": score.value, "low": score.low, "high": score.high}
