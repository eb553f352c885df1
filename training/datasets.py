"""Questions in the layouts that data sets are published in, recognised by the fields of a row and by nothing else.

| data set | fields | kind | graded as |
|---|---|---|---|
| CommonsenseQA | ``answerKey``, ``question`` (or in it ``stem``), ``choices`` with labels | commonsense | choice |
| OpenBookQA | ``query``, ``choices``, ``gold`` (index) | openbook | choice |
| MMLU | ``question``, ``choices``, ``answer`` (index) | mmlu | choice |
| TriviaQA | ``context``, ``answer``, ``aliases`` | trivia | alias |
| MultiArith, singleop, GSM-Hard | ``input``, ``target`` (number) | word problem | number |
| AIME24 | ``problem``, ``answer`` | competition | number |
| GSM8K | ``question``, ``answer`` ending in ``#### gold`` | gsm8k | number |
| NQ-Open and plain JSONL | ``question``, ``answer`` or ``answers``; optionally ``grader`` | open | as the references look |

``kind`` and ``id`` in a row win over the table's.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from estimator.answers import normalise, to_number
from estimator.types import ANSWER_CUE, Grader, Question

Row = Mapping[str, Any]
LETTERS = "ABCDEFGHIJ"
_GRADERS = (Grader.NUMBER, Grader.CHOICE, Grader.ALIAS)
# Stricter than estimator.answers.to_number, which finds a number in any text: "Henry 8" is a name and 1945-05-08 a date.
_PLAIN_NUMBER = re.compile(r"[-+\u2212]?\s?\$?\s?(?:(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|\.\d+)(?:\s*/\s*\d+)?\s?%?")
_LETTER = re.compile(r"[A-E]")
_CHOICE = re.compile(r"\(?[A-Za-z]\)?[.:]?")
_TRIVIA_FORM = re.compile(r"\s*Question:\s*(.*?)\s*Answer:\s*", re.DOTALL)


class DatasetError(ValueError):
    """A row cannot be read as a question; the message says what is wrong or expected."""


class UngradableError(DatasetError):
    """The row is well formed, but no right answer could ever be told from a wrong one by its reference."""


def read_questions(path: Path) -> list[Question]:
    """All questions of a JSONL file that can be graded, in order, with ``FILE-NUMBER`` (from 0) for an id where a row has
    none. DatasetError, naming the row, where one cannot be read; OSError where the file cannot be."""
    found = []
    for number, (_, line) in enumerate(lines_of(path)):
        try:
            found.append(question_of(json.loads(line), f"{path.stem}-{number}"))
        except UngradableError:
            continue
        except ValueError as error:
            raise DatasetError(f"{path}, question {number + 1}: {error}") from None
    return found


def lines_of(path: Path) -> list[tuple[int, str]]:
    """The lines of a JSONL file that are not blank, each behind its number (from 1), without a byte order mark. Nothing but a
    newline ends a line: what else ``str.splitlines`` takes for an end (U+2028) may stand in a JSON string."""
    lines = path.read_text(encoding="utf-8-sig").split("\n")
    return [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]


def question_of(row: Any, name: str = "") -> Question:
    """The question in a row of any known layout, ``name`` its id where the row has none. Raises ``DatasetError``."""
    if not isinstance(row, dict):
        raise DatasetError('expected an object such as {"question": "...", "answer": "..."}')
    text, answers, grader, kind = next(read for fits, read in LAYOUTS if fits(row))(row)
    kind, own = row.get("kind") or kind, row.get("id")
    if not isinstance(kind, str) or not isinstance(own, str | int | None):
        raise DatasetError("kind and id are texts")
    useless = _useless(grader, answers)
    if useless and (grader is not Grader.ALIAS or len(useless) == len(answers)):
        raise UngradableError(f"the answer {useless[0][:40]!r} cannot be graded as {grader.value}")
    kept = tuple(a for a in answers if a not in useless)  # an alias that is a mere sign, among others, does no harm
    return Question(text, kept, grader, kind, name if own is None else str(own))


Parts = tuple[str, tuple[str, ...], Grader, str]


def _keyed_choice(row: Row) -> Parts:
    asked = row["question"] if isinstance(row["question"], dict) else row
    options, kind = asked.get("choices"), "commonsense" if "question_concept" in {**row, **asked} else "choice"
    if isinstance(options, dict):  # two columns, as a table has them
        options = [{"label": a, "text": b} for a, b in zip(options.get("label", ()), options.get("text", ()), strict=True)]
    if not isinstance(options, list) or not all(isinstance(o, dict) and {"label", "text"} <= o.keys() for o in options):
        raise DatasetError("choices is a list of objects with label and text")
    labels = [str(o["label"]) for o in options]
    if row["answerKey"] not in labels:
        raise DatasetError(f"answerKey {row['answerKey']!r} is none of the choices {', '.join(labels)}")
    return _choice(asked.get("stem", asked.get("question")), [o["text"] for o in options], labels.index(row["answerKey"]), kind)


def _choice(stem: Any, options: list[Any], gold: Any, kind: str) -> Parts:
    if not isinstance(stem, str) or not all(isinstance(o, str) for o in options) or not 2 <= len(options) <= len(LETTERS):
        raise DatasetError(f"a choice has a text and 2 to {len(LETTERS)} options, all texts")
    if type(gold) is not int or not 0 <= gold < len(options):
        raise DatasetError(f"the right choice is an index from 0 to {len(options) - 1}, not {gold!r}")
    text = "\n".join([stem, *(f"{letter}. {option}" for letter, option in zip(LETTERS, options, strict=False))])
    meanings = [normalise(option, Grader.CHOICE) for option in options]
    # What the grader cannot tell from another option (1 from -1, BB from Bb) is no reference: the letter alone counts.
    taken = {"", *LETTERS[: len(options)], *meanings[:gold], *meanings[gold + 1 :]}
    word = () if meanings[gold] in taken else (options[gold],)
    return text, (LETTERS[gold], *word), Grader.CHOICE, kind


def _trivia(row: Row) -> Parts:
    form = _TRIVIA_FORM.fullmatch(_text(row, "context"))
    answers = _answers([row["answer"], *row["aliases"]])
    return form[1] if form else row["context"], tuple(dict.fromkeys(answers)), Grader.ALIAS, "trivia"


def _numeric(asked: str, gold: str, kind: str) -> Callable[[Row], Parts]:
    return lambda row: (_text(row, asked), (_reference(row[gold]),), Grader.NUMBER, kind)


def _gsm8k(row: Row) -> Parts:
    return _text(row, "question"), (row["answer"].rpartition(ANSWER_CUE)[2].strip(),), Grader.NUMBER, "gsm8k"


def _plain(row: Row) -> Parts:
    text, one, several = _text(row, "question"), row.get("answer"), row.get("answers")
    if (one is None) == (several is None):
        raise DatasetError("give the right answer as answer or answers" + ("" if one is None else ", not both"))
    values = several if one is None else one if isinstance(one, list) else [one]
    answers = _answers(values)
    named = row.get("grader")
    if named is not None and named not in _GRADERS:
        raise DatasetError(f"unknown grader {str(named)[:40]!r} (known: {', '.join(_GRADERS)})")
    return text, answers, _fitting(answers) if named is None else Grader(named), "open"


# The first that fits counts; the last fits all.
LAYOUTS: tuple[tuple[Callable[[Row], bool], Callable[[Row], Parts]], ...] = (
    (lambda r: {"question", "answerKey"} <= r.keys(), _keyed_choice),
    (lambda r: {"query", "choices", "gold"} <= r.keys(), lambda r: _choice(r["query"], r["choices"], r["gold"], "openbook")),
    (
        lambda r: {"question", "choices", "answer"} <= r.keys(),
        lambda r: _choice(r["question"], r["choices"], r["answer"], "mmlu"),
    ),
    (lambda r: {"context", "answer", "aliases"} <= r.keys(), _trivia),
    (lambda r: {"input", "target"} <= r.keys(), _numeric("input", "target", "word problem")),
    (lambda r: {"problem", "answer"} <= r.keys(), _numeric("problem", "answer", "competition")),
    (lambda r: ANSWER_CUE in str(r.get("answer")) and isinstance(r["answer"], str) and "question" in r, _gsm8k),
    (lambda r: True, _plain),
)


def _text(row: Row, field: str) -> str:
    if not isinstance(row.get(field), str):
        raise DatasetError(f'expected {{"{field}": "...", ...}} with a text (known layouts: training/datasets.py)')
    return row[field]


def _answers(values: Any) -> tuple[str, ...]:
    if not isinstance(values, list) or not values:
        raise DatasetError("answers is a list of at least one right answer")
    return tuple(map(_reference, values))


def _reference(value: Any) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        plain = format(Decimal(repr(value)), "f")  # never 1e+20, whose last number is 20
        return plain.removesuffix(".0")
    if not isinstance(value, str):
        raise DatasetError("an answer is a text or a number")
    if not value.strip():
        raise DatasetError("an answer is empty")
    return value.strip()


def _fitting(answers: tuple[str, ...]) -> Grader:
    if all(_PLAIN_NUMBER.fullmatch(a) and to_number(a) is not None for a in answers):
        return Grader.NUMBER
    return Grader.CHOICE if all(map(_LETTER.fullmatch, answers)) else Grader.ALIAS


def _useless(grader: Grader, answers: tuple[str, ...]) -> list[str]:
    """The references by which a right answer could never be told from a wrong one. Beside a letter a choice may have a word."""
    if grader is Grader.NUMBER:
        return [a for a in answers if to_number(a) is None]
    if grader is Grader.CHOICE and not any(map(_CHOICE.fullmatch, answers)):
        return list(answers)
    return [a for a in answers if not normalise(a, grader)]
