"""What ``--json`` prints and the agents' tools return: people script against these shapes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from typing_extensions import TypedDict

from graphs.events import Act, Header, Outcome, ResultEvent


class ParagraphReport(TypedDict):
    """A paragraph of what was written. ``adjusted`` has what a look-ahead saw, or fresh answers said, folded
    in."""

    text: str
    confidence: float
    adjusted: float | None
    decision: Act
    tokens: int


class SolveReport(TypedDict):
    """``answer`` is null unless the outcome is ``answered``; ``confidence`` is the chance that what was written is right, given
    out or not."""

    question: str
    outcome: Outcome
    answer: str | None
    confidence: float | None
    reason: str
    paragraphs: list[ParagraphReport]
    tokens: dict[str, int]
    seconds: dict[str, float]
    model: str
    estimator: str
    engine: str
    policy: dict[str, float | int | str]
    seed: int
    trace: str | None


class ConfidenceReport(TypedDict):
    """A confidence with its 80 % interval."""

    confidence: float
    low: float
    high: float


class ScoredParagraph(ConfidenceReport):
    """The confidence after a paragraph."""

    text: str


class ScoreReport(TypedDict):
    """``confidence`` is that after the last paragraph, ``question_confidence`` that before the first; ``partial`` says that the
    answer was read as one that is not finished."""

    question: str
    paragraphs: list[ScoredParagraph]
    question_confidence: ConfidenceReport
    confidence: float
    partial: bool
    model: str
    estimator: str
    engine: str


def solve_report(header: Header, result: ResultEvent, trace: Path | None) -> SolveReport:
    """The object of ``solve --json``; it names the trace where one was written."""
    return {
        "question": header.question,
        "outcome": result.outcome,
        "answer": result.answer,
        "confidence": result.confidence,
        "reason": result.reason,
        "paragraphs": [
            {"text": p.text, "confidence": p.confidence, "adjusted": p.adjusted, "decision": p.decision, "tokens": p.tokens}
            for p in result.paragraphs
        ],
        "tokens": result.tokens,
        "seconds": result.seconds,
        "model": header.model,
        "estimator": header.estimator,
        "engine": header.engine,
        "policy": header.policy,
        "seed": header.seed,
        "trace": None if trace is None else str(trace),
    }


def confidence_report(score: Any) -> ConfidenceReport:
    """A confidence with its interval."""
    return {"confidence": score.value, "low": score.low, "high": score.high}
