"""Final answers: find them in a text, normalise them, compare them. The only copy of this logic in the house."""

from __future__ import annotations

import re
import unicodedata
from fractions import Fraction

from estimator.types import ANSWER_CUE, Grader, Question

_BOXED = re.compile(r"\\boxed\s*\{((?:[^{}]|\{[^{}]*\})*)\}")
_LINE = re.compile(r"^\s*A(?:nswer)?\s*:[ \t]*(\S.*)$", re.MULTILINE)
_PHRASE = re.compile(r"(?:final answer|the answer|answer)\s*(?:is|:|=)\s*:?\s*(.+)", re.IGNORECASE)
_NUMBER = re.compile(r"[-+\u2212]?\s?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+)?(?:\s*/\s*\d+)?")
_CHOICE = re.compile(r"\(?([A-Za-z])(?:[).:,]+(?:\s|$)|$)")


def final_answer(text: str) -> str | None:
    """The answer that a text ends with, as written (stripped), or None when it gives none.

    In order: the last ``#### answer`` line, the last ``\\boxed{...}``, the last line ``A: answer``, the last "the answer is
    ..." sentence.
    """
    cue = text.rfind(ANSWER_CUE)
    if cue >= 0:
        return _clean(text[cue + len(ANSWER_CUE) :].strip().split("\n")[0])
    boxed = _BOXED.findall(text)
    if boxed:
        return _clean(boxed[-1])
    lines = _LINE.findall(text)
    if lines:
        return _clean(lines[-1])
    stated = _PHRASE.findall(text)
    if stated:
        return _clean(re.split(r"(?<=[^\d\s])\.(?:\s|$)|(?<=\d)\.(?:\s|$)|\n", stated[-1])[0])
    return None


def is_correct(question: Question, text: str) -> bool:
    """Whether the text's final answer matches one of the question's references (False when it gives none)."""
    answer = final_answer(text)
    return answer is not None and any(same_answer(answer, gold, question.grader) for gold in question.answers)


def same_answer(a: str, b: str, grader: Grader) -> bool:
    """Whether two final answers mean the same under a grader."""
    return bool(a.strip()) and normalise(a, grader) == normalise(b, grader)


def normalise(answer: str, grader: Grader) -> str:
    """The form in which answers are compared: a reduced fraction for numbers, a capital letter for choices, words without
    case, accents, articles and punctuation otherwise."""
    if grader is Grader.NUMBER:
        value = to_number(answer)
        return _words(answer) if value is None else str(value)
    if grader is Grader.CHOICE:
        found = _CHOICE.match(answer.strip())
        return found.group(1).upper() if found else _words(answer)
    return _words(answer)


def to_number(text: str) -> Fraction | None:
    """The last number of a text (commas, sign, decimals, fractions, percent, currency), or None if there is none."""
    candidates = [m.group(0) for m in _NUMBER.finditer(text.replace("$", "")) if any(c.isdigit() for c in m.group(0))]
    if not candidates:
        return None
    digits = re.sub(r"[,\s]", "", candidates[-1]).replace("\N{MINUS SIGN}", "-")
    numerator, _, denominator = digits.partition("/")
    try:
        return Fraction(numerator) / Fraction(denominator or 1)
    except (ValueError, ZeroDivisionError):
        return None


def _clean(answer: str) -> str | None:
    stripped = answer.strip().rstrip(".").strip()
    return stripped or None


def _words(text: str) -> str:
    flat = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode() or text
    kept = re.sub(r"[^\w\s]", " ", flat.casefold())
    return " ".join(w for w in kept.split() if w not in {"a", "an", "the"})
