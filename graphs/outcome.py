"""How a run ends: from the last state to the result, and from a look-ahead to its record. Pure functions."""

from __future__ import annotations

from estimator import bci
from estimator.engines.base import Engine
from graphs.events import Branch, Outcome, ParagraphResult, ResultEvent, Score
from graphs.policy import Action
from graphs.state import State, StepState, finished, in_force, score_state


def conclude(state: State, answer: str | None) -> ResultEvent:
    """The result of a run whose last decision was to finish (with ``answer``) or to abstain."""
    decision = state["decision"]
    assert decision is not None, "a run ends by decision"
    outcome: Outcome = "answered"
    if decision["action"] == Action.ABSTAIN:
        outcome = "budget_spent" if decision["budget_spent"] else "abstained"
    shown = best_prefix(state["steps"]) if outcome == "abstained" and not finished(state) else state["steps"]
    return ResultEvent(
        outcome=outcome,
        answer=answer,
        confidence=in_force(state["steps"][-1]),
        reason=decision["reason"],
        paragraphs=[_paragraph(s) for s in shown[1:]],
        tokens=dict(state["tokens"]),
        seconds={**state["seconds"], "total": state.get("elapsed", 0.0)},
    )


def best_prefix(steps: list[StepState]) -> list[StepState]:
    """The question and the segments up to the best-scored one (of equal ones the last): what is worth showing of a
    partial answer that is not trusted."""
    best = max(range(1, len(steps)), key=lambda i: (in_force(steps[i]), i), default=0)
    return steps[: best + 1]


def branch_record(branch: bci.Branch, engine: Engine, alpha: float) -> Branch:
    return Branch(
        text=engine.decode(branch.segment.token_ids),
        tokens=len(branch.segment.token_ids),
        finished=branch.segment.finished,
        score=Score(**score_state(branch.confidence)),
        adjusted=branch.adjusted(alpha),
        children=[branch_record(c, engine, alpha) for c in branch.children],
    )


def _paragraph(step: StepState) -> ParagraphResult:
    assert step["segment"] is not None and step["score"] is not None, "only written and scored steps are paragraphs"
    return ParagraphResult.model_validate(
        {
            "text": step["text"],
            "confidence": step["score"]["value"],
            "adjusted": step["adjusted"],
            "decision": step["decision"],
            "tokens": len(step["segment"]["token_ids"]),
        }
    )
