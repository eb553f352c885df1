"""Questions run once each under the strictest acceptance threshold, and what every looser one would have made of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from controller.assemble import Run
from controller.batch import question_bar
from controller.questions import QuestionError
from controller.runs import run_one
from controller.safe import one_line
from controller.tune import Tuning, count_all, fixed_sequence, grid
from estimator.types import Question
from graphs.events import Event
from graphs.thresholds import Ending, outcomes_at

STRICTEST = 1.0


def tune(run: Run, questions: Sequence[Question], max_error: float, risk: float) -> Tuning:
    """Run all questions and test the thresholds of the start policy's grid. Raises what the engine raises: a question
    left out because it failed would bend the sample. QuestionError before any work where one does not fit the context."""
    _check_fit(run, questions)
    thresholds = grid(run.policy.revise)
    strict = replace(run, policy=run.policy.model_copy(update={"accept": STRICTEST}))
    endings = []
    with question_bar(len(questions)) as advance:
        for question in questions:
            endings.append(_endings(strict, question, thresholds))
            advance()
    counts = count_all(thresholds, questions, endings)
    return fixed_sequence(counts, len(questions), max_error, risk)


def _check_fit(run: Run, questions: Sequence[Question]) -> None:
    engine = run.loaded.engine
    too_long = [(i, q) for i, q in enumerate(questions, start=1) if len(engine.prompt_ids(q.text)) >= engine.max_context]
    if too_long:
        number, first = too_long[0]
        more = f", and so are {len(too_long) - 1} more" if len(too_long) > 1 else ""
        raise QuestionError(
            f"question {number} of {len(questions)} ({one_line(first.id, 40)!r}) is too long for the context of "
            f"{engine.max_context} tokens{more}: shorten what is too long, or leave it out"
        )


def _endings(strict: Run, question: Question, thresholds: Sequence[float]) -> list[Ending]:
    """One run; its events (every token's numbers) are dropped as soon as they have been read."""
    events: list[Event] = []
    run_one(strict, question.text, show=events.append)
    return [outcomes_at(events, t, strict.loaded.engine.decode) for t in thresholds]
