"""Questions with reference answers, one JSON object a line: what a threshold is tuned on."""

from __future__ import annotations

import json
import math
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

from controller.questions import QuestionError, check_answer, check_question, lines_of
from controller.safe import one_line
from estimator.answers import normalise, to_number
from estimator.types import Grader, Question

FEWEST_QUESTIONS = 30
_GRADERS = (Grader.NUMBER, Grader.CHOICE, Grader.ALIAS)
# Stricter than estimator.answers.to_number, which finds a number in any text: "Henry 8" is a name and 1945-05-08 a date.
_PLAIN_NUMBER = re.compile(r"[-+\u2212]?\s?\$?\s?(?:(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|\.\d+)(?:\s*/\s*\d+)?\s?%?")
_LETTER = re.compile(r"[A-E]")
_CHOICE = re.compile(r"\(?[A-Za-z]\)?[.:]?")


def graded_questions_from_file(path: Path) -> list[Question]:
    """All questions of a file, in order, each with at least one reference. Raises ``QuestionError`` naming the line.

    Keys: ``question``; ``answer`` (text or number) or ``answers`` (a list of them); optionally ``grader`` (number,
    choice or alias), ``kind`` and ``id``. Without a grader: number if every reference is one, choice if every one is a
    letter A to E, alias otherwise. A question that comes twice is refused, for the rows must be independent.
    """
    questions: list[Question] = []
    seen: dict[str, str] = {}
    for where, line in lines_of(path):
        question = _question(_object(line, where), where)
        first = seen.setdefault(" ".join(question.text.split()).casefold(), where)
        if first != where:
            raise QuestionError(f"{where}: the same question as {first}; the questions must be independent of each other")
        questions.append(question)
    if len(questions) < FEWEST_QUESTIONS:
        raise QuestionError(
            f"{path} holds {len(questions)} questions, and at least {FEWEST_QUESTIONS} are needed: "
            "fewer say too little about the error to choose a threshold by"
        )
    return questions


def _object(line: str, where: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as e:  # no JSON, a number of thousands of digits, endless nesting
        raise QuestionError(f"{where}: not valid JSON ({one_line(str(e))})") from None
    if not isinstance(value, dict) or not isinstance(value.get("question"), str):
        raise QuestionError(f'{where}: expected {{"question": "...", "answer": "..."}}')
    return value


def _question(row: dict[str, Any], where: str) -> Question:
    text = check_question(row["question"], where)
    answers = _references(row, where)
    kind, name = row.get("kind"), row.get("id")
    if not isinstance(kind, str | None) or not isinstance(name, str | int | None):
        raise QuestionError(f"{where}: kind and id are texts")
    grader = _grader(row.get("grader"), answers, where)
    return Question(text, answers, grader, kind or "open", "" if name is None else str(name))


def _references(row: dict[str, Any], where: str) -> tuple[str, ...]:
    one, several = row.get("answer"), row.get("answers")
    if (one is None) == (several is None):
        raise QuestionError(f"{where}: give the right answer as answer or answers" + ("" if one is None else ", not both"))
    values = [one] if several is None else several
    if not isinstance(values, list) or not values:
        raise QuestionError(f"{where}: answers is a list of at least one right answer")
    return tuple(_reference(v, where) for v in values)


def _reference(value: Any, where: str) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return format(Decimal(repr(value)), "f")  # never 1e+20, whose last number is 20
    if not isinstance(value, str):
        raise QuestionError(f"{where}: an answer is a text or a number")
    return check_answer(value.strip(), f"{where}: the answer")


def _grader(named: Any, answers: tuple[str, ...], where: str) -> Grader:
    if named is None:
        grader = _fitting(answers)
    elif named in _GRADERS:
        grader = Grader(named)
    else:
        raise QuestionError(f"{where}: unknown grader {one_line(str(named), 40)!r} (known: {', '.join(_GRADERS)})")
    for answer in answers:
        if not _can_grade(grader, answer):
            raise QuestionError(f"{where}: the answer {one_line(answer, 40)!r} cannot be graded as {grader.value}")
    return grader


def _fitting(answers: tuple[str, ...]) -> Grader:
    if all(_PLAIN_NUMBER.fullmatch(a) and to_number(a) is not None for a in answers):
        return Grader.NUMBER
    return Grader.CHOICE if all(map(_LETTER.fullmatch, answers)) else Grader.ALIAS


def _can_grade(grader: Grader, answer: str) -> bool:
    """Whether a right answer could ever be told from a wrong one by this reference."""
    if grader is Grader.NUMBER:
        return to_number(answer) is not None
    if grader is Grader.CHOICE:
        return _CHOICE.fullmatch(answer) is not None
    return bool(normalise(answer, grader))
