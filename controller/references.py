"""Questions with reference answers from a file, in any layout that ``training.datasets`` knows, checked like all others."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from controller.questions import QuestionError, check_answer, check_question, lines_of
from controller.safe import one_line
from estimator.types import Question
from training.datasets import DatasetError, UngradableError, question_of

FEWEST_QUESTIONS = 30


class UngradableQuestion(QuestionError):
    """The question is well formed, and its reference useless."""


def graded_questions_from_file(path: Path) -> list[Question]:
    """What a threshold is tuned on, an estimator evaluated on (``evaluate --questions``) and a combination fitted on (``train
    --combine``): all questions of a file, in order, each with at least one reference. Raises ``QuestionError`` naming the line.
    A question that comes twice is refused, for the rows must be independent."""
    questions: list[Question] = []
    seen: dict[str, str] = {}
    for number, (where, line) in enumerate(lines_of(path)):
        question = _question(line, where, f"{path.stem}-{number}")
        first = seen.setdefault(same_text(question), where)
        if first != where:
            raise QuestionError(f"{where}: the same question as {first}; the questions must be independent of each other")
        questions.append(question)
    if len(questions) < FEWEST_QUESTIONS:
        raise QuestionError(
            f"{path} holds {len(questions)} questions, and at least {FEWEST_QUESTIONS} are needed: "
            "fewer say too little about how often answers are right"
        )
    return questions


def distinct_questions_from_file(path: Path) -> tuple[list[Question], int]:
    """What labels are made for: the different questions of a file, in order, and how many were left out because they came
    before or cannot be graded. Raises ``QuestionError`` naming the line, also where two questions share an id."""
    found: dict[str, Question] = {}
    ids: dict[str, str] = {}
    lines = lines_of(path)
    for number, (where, line) in enumerate(lines):
        try:
            question = _question(line, where, f"{path.stem}-{number}")
        except UngradableQuestion:
            continue
        if same_text(question) in found:
            continue
        first = ids.setdefault(question.id, where)
        if first != where:
            raise QuestionError(f"{where}: the same id {one_line(question.id, 40)!r} as {first}")
        found[same_text(question)] = question
    if not found:
        raise QuestionError(f"{path} holds no question that can be graded")
    return list(found.values()), len(lines) - len(found)


def check_apart(tuned_on: Sequence[Question], chosen_on: Sequence[Question], path: Path) -> None:
    """``QuestionError`` where a threshold is tuned on a question that its start policy is chosen on (those of ``path``)."""
    known = {same_text(q) for q in tuned_on}
    shared = [q for q in chosen_on if same_text(q) in known]
    if shared:
        more = f", and so are {len(shared) - 1} more" if len(shared) > 1 else ""
        raise QuestionError(
            f"{path}: {one_line(shared[0].text, 60)!r} is among the questions to tune on{more}; a start policy must not be "
            "chosen on them: leave it out of one of the two files"
        )


def check_fit(questions: Sequence[Question], prompt_ids: Callable[[str], Sequence[int]], most: int) -> None:
    """``QuestionError`` before any work where a question's prompt fills a context of ``most`` tokens."""
    too_long = [(i, q) for i, q in enumerate(questions, start=1) if len(prompt_ids(q.text)) >= most]
    if too_long:
        number, first = too_long[0]
        more = f", and so are {len(too_long) - 1} more" if len(too_long) > 1 else ""
        raise QuestionError(
            f"question {number} of {len(questions)} ({one_line(first.id, 40)!r}) is too long for the context of "
            f"{most} tokens{more}: shorten what is too long, or leave it out"
        )


def same_text(question: Question) -> str:
    """A question's text without case and spacing: what makes two questions the same."""
    return " ".join(question.text.split()).casefold()


def _question(line: str, where: str, name: str) -> Question:
    try:
        question = question_of(json.loads(line), name)
    except UngradableError as e:
        raise UngradableQuestion(f"{where}: {one_line(str(e))}") from None
    except DatasetError as e:
        raise QuestionError(f"{where}: {one_line(str(e))}") from None
    except (ValueError, RecursionError) as e:  # no JSON, a number of thousands of digits, endless nesting
        raise QuestionError(f"{where}: not valid JSON ({one_line(str(e))})") from None
    check_question(question.text, where)
    for answer in question.answers:
        check_answer(answer, f"{where}: the answer")
    return question
