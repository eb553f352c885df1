"""Final answers: find them in a text, normalise them, compare them. The only copy of this logic in the house."""

from __future__ import annotations

import re
import unicodedata
from fractions import Fraction

from estimator.types import ANSWER_CUE, Grader, Question

_BOXED = re.compile(r"\\boxed\s*\{((?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*)\}")
_LINE = re.compile(r"^\s*A(?:nswer)?\s*:[ \t]*(\S.*)$", re.MULTILINE)
_PHRASE = re.compile(r"(?:final answer|the answer|answer)\s*(?:is|:|=)\s*:?\s*(.+)", re.IGNORECASE)
# A minus right behind a digit makes a range or a difference (3-5, 10 - 4), not a negative number.
_NUMBER = re.compile(
    r"(?:(?<!\d)(?<!\d\s)(?P<sign>[-+\u2212])\s?)?(?:(?P<whole>\d+)\s+(?=\d+\s*/\s*\d))?"
    r"(?P<value>(?:(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d{1,3}\b)?)(?:\s*/\s*(?P<under>\d+(?:\.\d+)?))?"
)
_LATEX_FRACTION = re.compile(r"\\[dt]?frac\s*(?:\{([^{}]*)\}\s*\{([^{}]*)\}|(\d)\s*(\d))")
_LATEX_STYLE = re.compile(r"\\(?:text|textbf|mathrm|mathbf|operatorname)\s*\{([^{}]*)\}")
_CURRENCY_AND_SPACES = re.compile(r"[$\u20ac\u00a3\u00a5]|\\[,;:! ]")
_CHOICE = re.compile(r"(?:(?:option|choice|answer)\s+)?[(\[]?([A-Za-z])(?:\s?[)\].:]+(?:\s|$)|$)", re.IGNORECASE)
_CHOICE_BEHIND = re.compile(r"(?:\boption\s+\(?|\s\()([A-Z])\)?$")
_WORD = re.compile(r"\w+(?:[.,:]\d+)*|[^\w\s]")
_ARTICLES = frozenset({"a", "an", "the"})
_HEDGES = frozenset({"not", "no", "or", "nor", "neither", "either"})


def final_answer(text: str) -> str | None:
    """The answer that a text ends with, as written (stripped), or None when it gives none.

    In order: the last ``#### answer`` line, the last ``\\boxed{...}``, the last line ``A: answer``, the last "the answer is
    ..." sentence.
    """
    found = _stated(text)
    return None if found is None else _clean(found[1])


def answer_begin(text: str) -> int | None:
    """Where in the text the final answer begins (a character's number), or None where it gives none."""
    found, answer = _stated(text), final_answer(text)
    if found is None or answer is None:
        return None
    begin, raw = found
    return begin + max(raw.find(answer), len(raw) - len(raw.lstrip()))


def _stated(text: str) -> tuple[int, str] | None:
    """The place and the raw text of the final answer."""
    cue = text.rfind(ANSWER_CUE)
    if cue >= 0:
        rest = text[cue + len(ANSWER_CUE) :].lstrip()
        return len(text) - len(rest), rest.rstrip().split("\n")[0]
    for pattern in (_BOXED, _LINE):
        if found := list(pattern.finditer(text)):
            return found[-1].start(1), found[-1].group(1)
    if found := list(_PHRASE.finditer(text)):
        sentence = re.split(r"(?<=[^\d\s])\.(?:\s|$)|(?<=\d)\.(?:\s|$)|\n", found[-1].group(1))[0]
        return found[-1].start(1), sentence
    return None


def is_correct(question: Question, text: str) -> bool:
    """Whether the text's final answer matches one of the question's references (False when it gives none)."""
    answer = final_answer(text)
    if answer is None:
        return False
    if any(same_answer(answer, gold, question.grader) for gold in question.answers):
        return True
    return question.grader is Grader.ALIAS and any(names(answer, alias) for alias in question.answers)


def same_answer(a: str, b: str, grader: Grader) -> bool:
    """Whether two final answers mean the same under a grader."""
    return bool(a.strip()) and normalise(a, grader) == normalise(b, grader)


def names(answer: str, alias: str) -> bool:
    """Whether an answer in a few words gives an alias: as whole words ("gin" is not in "original"), not as part of a longer
    name ("Mexico" is not in "New Mexico", nor "Henry" in "Henry 8"), and without a hedge ("Paris or London")."""
    words, wanted = _WORD.findall(_fold(answer)), _WORD.findall(_fold(alias))
    flat, flat_wanted = [w.casefold() for w in words], [w.casefold() for w in wanted]
    if not flat_wanted or _HEDGES & (set(flat) - set(flat_wanted)):
        return False
    ends = ((i, i + len(wanted)) for i in range(len(words) - len(wanted) + 1))
    return any(
        flat[begin:end] == flat_wanted
        and not _longer(wanted[0], words[:begin][-2:][::-1])
        and not _longer(wanted[-1], words[end:][:2])
        for begin, end in ends
    )


def normalise(answer: str, grader: Grader) -> str:
    """The form in which answers are compared: a reduced fraction for numbers, a capital letter for choices, words without
    case, accents, articles and punctuation otherwise."""
    if grader is Grader.NUMBER:
        value = to_number(answer)
        return _words(answer) if value is None else str(value)
    if grader is Grader.CHOICE:
        plain = _LATEX_STYLE.sub(r"\1", answer).strip("*$ \t")
        found = _CHOICE.match(plain) or _CHOICE_BEHIND.search(plain)
        return found.group(1).upper() if found else _words(answer)
    return _words(answer)


def to_number(text: str) -> Fraction | None:
    """The last number of a text, or None if there is none. Signs, commas, decimals, exponents, fractions, mixed numbers and
    LaTeX fractions are read; units, currency and the percent sign are passed over (50% is 50)."""
    plain = _CURRENCY_AND_SPACES.sub("", text.replace("{,}", ","))
    plain = _LATEX_FRACTION.sub(lambda m: f" {m[1] or m[3]}/{m[2] or m[4]}", plain)
    found = list(_NUMBER.finditer(plain))
    if not found:
        return None
    last = found[-1]
    try:
        size = Fraction(last["whole"] or 0) + Fraction(last["value"].replace(",", "")) / Fraction(last["under"] or 1)
    except ZeroDivisionError:
        return None
    return size if last["sign"] in (None, "+") else -size


def _longer(edge: str, beside: list[str]) -> bool:
    """Whether the words next to a name's ``edge`` (nearest first) belong to it: a capital or a figure, also behind a hyphen;
    a capital says nothing about a figure (December 1972)."""
    nearest = "".join(beside[1:2] if beside[:1] == ["-"] else beside[:1])
    capital = nearest[:1].isupper() and nearest.casefold() not in _ARTICLES
    return nearest[:1].isdigit() or (capital and not edge[0].isdigit())


def _clean(answer: str) -> str | None:
    stripped = answer.strip().rstrip(".").strip()
    return stripped or None


def _fold(text: str) -> str:
    """Without accents and LaTeX styles; as it is where nothing would be left (other scripts)."""
    plain = _LATEX_STYLE.sub(r"\1", text)
    return unicodedata.normalize("NFKD", plain).encode("ascii", "ignore").decode() or plain


def _words(text: str) -> str:
    kept = re.sub(r"[^\w\s]", " ", _fold(text).casefold())
    return " ".join(w for w in kept.split() if w not in _ARTICLES)
