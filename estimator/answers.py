"""Final answers: find them in a text, normalise them, compare them. The only copy of this logic in the house."""

from __future__ import annotations

import re
import unicodedata
from fractions import Fraction

from estimator.types import ANSWER_CUE, Grader, Question

_BOXED = re.compile(r"\\boxed\s*\{((?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*)\}")
_LINE = re.compile(r"^[^\S\n]*A(?:nswer)?[^\S\n]*:[ \t]*(\S.*)$", re.MULTILINE)
# Where a list of options has come to its second: a line "B: ...", or "A: text B: ...".
_OPTION_B = re.compile(
    r"^(?:[^\S\n]*A[^\S\n]*:[^\S\n]*(?!(?i:option\s+|choice\s+)?\(?B\b)\S.*?\sB|[^\S\n]*B)[^\S\n]*:", re.MULTILINE
)
_PHRASE = re.compile(r"(?:final answer|the answer|answer)\**\s*(?:is|:|=)\s*(?::\s*)?(?=(.+))", re.IGNORECASE)
# What stands around an answer where several forms are used at once: "#### The answer is \\boxed{5}", "**Answer:** 5".
_AGAIN = re.compile(r"[*\s]*(?:the\s+)?(?:final\s+|correct\s+)?answer\**\s*(?:is\b|:)[*\s]*(?=[^*\s])", re.IGNORECASE)
_PERIOD = re.compile(r"(?<=\S)\.(?:\s|$)")
_TITLE = re.compile(r"\b(?:St|Dr|Mr|Mrs|Ms|Mt)$")
# The W of George W. Bush and the second R of J. R. R. Tolkien.
_INITIAL = re.compile(r"(?:\b[A-Z]\.\s?|\b(?!(?:Option|Choice|Answer)\b)[A-Z]\w+\s)[A-Z]$")
_FIRST_INITIAL = re.compile(r"(?:^|\s)[A-Z]$")
# A minus right behind a digit makes a range or a difference (3-5, 10 - 4), not a negative number.
_NUMBER = re.compile(
    r"(?:(?<!\d)(?<!\d\s)(?P<sign>[-+\u2212])\s?)?(?:(?P<whole>\d+)\s+(?=\d+\s*/\s*\d))?"
    r"(?P<value>(?:(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|\.\d+)(?:[eE][-+]?(?P<power>\d+)\b)?)(?:\s*/\s*(?P<under>\d+(?:\.\d+)?))?"
)
# What is longer, or has a larger exponent, is no answer, and its exact value would cost time and memory without end.
_MOST_CHARACTERS, _MOST_POWER = 1000, 999
_REMARK = re.compile(r"\([^()]*\)\s*$")
_UNIT_BEFORE = re.compile(r"(?:[^\W\d_]|\^\s?\{?)$")  # of the figure in m^2 and m3
_DENIED = re.compile(r"\bnot\s*$")
_LATEX_FRACTION = re.compile(r"\\[dt]?frac\s*(?:\{([^{}]*)\}\s*\{([^{}]*)\}|(\d)\s*(\d))")
_LATEX_STYLE = re.compile(r"\\(?:text|textbf|mathrm|mathbf|operatorname)\s*\{([^{}]*)\}")
_CURRENCY_AND_SPACES = re.compile(r"[$\u20ac\u00a3\u00a5]|\\[,;:! ]")
_CHOICE = re.compile(
    r"""(?:(?i:option|choice|answer)\s+)?[(\[]?([A-Za-z])
    (?: $ | \s?[)\].:]+(?=[\s,]|$)                                           # B   (B)   b) closet   B: closet
      | (?<=[A-Z])(?=, | \s[-\u2013\u2014]\s\D | \s(?:because|since)\b) )    # B, closet   B - closet   B because ...
    (?! (?:, | \s[-\u2013\u2014]\s | \s(?:and|or|nor|&|/)\s)                 # and no other option next to it:
        \s*(?:(?:and|or|nor)\s+)?(?i:(?:option|choice)\s+)?                  # B, C   (A) or (B)   I, II, and III
        (?: [(\[][A-Ja-j][)\]] | (?:[A-Ja-j]|[IVX]+)(?=\s*(?:$|[,.;/&]|(?:and|or|nor)\b)) ) )""",
    re.VERBOSE,
)
_MARKED = re.compile(r"(?:\boption\s+\(?|(?:^|\s)\()([A-Z])\b\)?")
_NAMED = re.compile(r"^(?:option|choice)\s+", re.IGNORECASE)
_JOINED = re.compile(r"\b(?:not|and|or|nor)\s*$")
_WORD = re.compile(r"\w+(?:[.,:]\d+)*|[^\w\s]")
_NAME = re.compile(r"\b[^\W\d_a-z]\w*[a-z]")  # a word with a capital, but no unit (5 USD) and no variable (X = 5)
_ARTICLES = frozenset({"a", "an", "the"})
_HEDGES = frozenset({"not", "no", "or", "nor", "neither", "either"})
_DENIALS = frozenset({"but", "except", "than", "isn", "wasn"})  # of what comes behind them
_MOST_PARTS = 3  # of an answer with commas, as in "Springfield, Illinois, USA"; more are a list of guesses


def final_answer(text: str) -> str | None:
    """The answer that a text ends with, as written (stripped), or None when it gives none.

    In order: the last ``#### answer`` line (or a ``\\boxed{...}`` behind it, for then the line is a heading), the last
    ``\\boxed{...}``, the last line ``A: answer``, the last "the answer is ..." sentence. Before an option ``B: ...``, a line
    ``A: ...`` is an option too and no answer. Of several forms around one answer the innermost counts.
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
    boxed, cued = list(_BOXED.finditer(text)), _cued(text)
    if cued is not None and not (boxed and boxed[-1].start() >= cued[0] + len(cued[1])):
        return _innermost(*cued)
    for found in (boxed, _answer_lines(text)):
        if found:
            return _innermost(found[-1].start(1), found[-1].group(1))
    said: tuple[int, str] | None = None
    for found in _PHRASE.finditer(text):
        if said is None or found.start() >= said[0] + len(said[1]):  # not within the sentence before
            said = found.start(1), _sentence(found.group(1))
    return None if said is None else _innermost(*said)


def _cued(text: str) -> tuple[int, str] | None:
    """The line behind the last cue that has something behind it."""
    end = len(text.rstrip("# \t\n"))
    cue = text.rfind(ANSWER_CUE, 0, end)
    if cue < 0:
        return None
    rest = text[cue + len(ANSWER_CUE) : end].lstrip()
    return end - len(rest), rest.split("\n")[0]


def _innermost(begin: int, raw: str) -> tuple[int, str]:
    """What a raw answer holds, where it is itself in a form that answers come in."""
    if boxed := list(_BOXED.finditer(raw)):
        return begin + boxed[-1].start(1), boxed[-1].group(1)
    again = _AGAIN.match(raw)
    return (begin, raw) if again is None else (begin + again.end(), raw[again.end() :])


def _sentence(text: str) -> str:
    """Up to the first period that ends a sentence: not one behind a title or an initial."""
    for period in _PERIOD.finditer(text):
        end = period.start()
        before, after = text[max(0, end - 40) : end], text[period.end() : period.end() + 2]
        first = _FIRST_INITIAL.search(before) and re.match(r"[A-Z]\.", after)
        if not (first or _TITLE.search(before) or (_INITIAL.search(before) and after[:1].isupper())):
            return text[:end]
    return text


def _answer_lines(text: str) -> list[re.Match[str]]:
    """Not the first of a list of options, which begins like one."""
    options_end = max((m.end() for m in _OPTION_B.finditer(text)), default=0)
    return [m for m in _LINE.finditer(text) if m.start() >= options_end or m[0].lstrip().startswith("Answer")]


def is_correct(question: Question, text: str) -> bool:
    """Whether the text's final answer matches one of the question's references (False when it gives none)."""
    answer = final_answer(text)
    return answer is not None and is_right(question, answer)


def is_right(question: Question, answer: str) -> bool:
    """Whether a final answer matches one of the question's references."""
    if any(same_answer(answer, gold, question.grader) for gold in question.answers):
        return True
    if question.grader is Grader.ALIAS:
        return any(names(answer, alias) for alias in question.answers)
    return question.grader is Grader.CHOICE and _is_letter_with_text(answer, question.answers)


def same_answer(a: str, b: str, grader: Grader) -> bool:
    """Whether two final answers mean the same under a grader."""
    return bool(a.strip()) and normalise(a, grader) == normalise(b, grader)


def meaning(answer: str) -> str:
    """The form in which two answers to one question are compared where nobody said what sort of answer it takes: the letter
    of an option, the number where there is one alone or one behind the last ``=`` (units are passed over, but with a name
    beside it a number is a part of that), or else the words."""
    if (letter := _letter(answer)) is not None:
        return letter
    numbers = _numbers(answer.rpartition("=")[2])
    return normalise(answer, Grader.NUMBER if len(numbers) == 1 and not _NAME.search(answer) else Grader.ALIAS)


def names(answer: str, alias: str) -> bool:
    """Whether an answer in a few words gives an alias: as whole words ("gin" is not in "original"), not as part of a longer
    name ("Mexico" is not in "New Mexico", nor "Henry" in "Henry 8"), without a hedge ("Paris or London") or a denial ("anything
    but Paris"), and not in a list of guesses."""
    words, wanted = _WORD.findall(_fold(answer)), _WORD.findall(_fold(alias))
    flat, flat_wanted = [w.casefold() for w in words], [w.casefold() for w in wanted]
    listed = max(_MOST_PARTS, wanted.count(",") + 1) < words.count(",") + 1
    if not flat_wanted or listed or _HEDGES & (set(flat) - set(flat_wanted)):
        return False
    ends = ((i, i + len(wanted)) for i in range(len(words) - len(wanted) + 1))
    return any(
        flat[begin:end] == flat_wanted
        and not _DENIALS & set(flat[:begin])
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
        return _letter(answer) or _words(answer)
    return _words(answer)


def to_number(text: str) -> Fraction | None:
    """The last number of a text, or None if there is none. Signs, commas, decimals, exponents, fractions, mixed numbers and
    LaTeX fractions are read; units (``m^2`` too), currency, the percent sign (50% is 50) and a remark in parentheses at the end
    are passed over. A number that is denied ("not 5") or one of two ("4 or 5") is None, and so is one of more than 1,000
    characters or beyond 1e999."""
    found = _numbers(text)
    if not found:
        return None
    last = found[-1]
    before = last.string[: last.start()]
    if _DENIED.search(before) or (len(found) > 1 and re.fullmatch(r"\s*or\s*", last.string[found[-2].end() : last.start()])):
        return None
    if len(last[0]) > _MOST_CHARACTERS or int(last["power"] or 0) > _MOST_POWER:
        return None
    try:
        size = Fraction(last["whole"] or 0) + Fraction(last["value"].replace(",", "")) / Fraction(last["under"] or 1)
    except ZeroDivisionError:
        return None
    return size if last["sign"] in (None, "+") else -size


def _numbers(text: str) -> list[re.Match[str]]:
    """The numbers of a text, without those of its units and of a remark at its end."""
    plain = _plain_numbers(text)
    kept = _REMARK.sub("", plain)
    found = list(_NUMBER.finditer(kept)) or list(_NUMBER.finditer(plain))
    return [m for m in found if not _UNIT_BEFORE.search(m.string[max(0, m.start() - 4) : m.start()])] or found


def _plain_numbers(text: str) -> str:
    """Without currency and LaTeX around numbers."""
    plain = _CURRENCY_AND_SPACES.sub("", text.replace("{,}", ","))
    return _LATEX_FRACTION.sub(lambda m: f" {m[1] or m[3]}/{m[2] or m[4]}", plain)


def _letter(answer: str) -> str | None:
    """The letter of the one option that an answer names by it, before the option's text or behind it."""
    plain = _LATEX_STYLE.sub(r"\1", answer).replace("**", "").strip("*$ \t")
    if found := _CHOICE.match(plain):
        return found[1].upper()
    marked = list(_MARKED.finditer(plain))
    if len(marked) != 1 or marked[0].end() != len(plain) or _JOINED.search(plain[: marked[0].start()]):
        return None
    return marked[0][1]


def _is_letter_with_text(answer: str, references: tuple[str, ...]) -> bool:
    """Whether an answer is one reference's letter and behind it another's text (B closet), which no letter alone tells from a
    text that begins with an article (A closet)."""
    letter, _, rest = _NAMED.sub("", answer).partition(" ")
    texts = [a for a in references if _letter(a) is None]
    return letter.strip("*()[],.:") in references and any(same_answer(rest, a, Grader.ALIAS) for a in texts)


def _longer(edge: str, beside: list[str]) -> bool:
    """Whether the words next to a name's ``edge`` (nearest first) belong to it: a capital or a figure, also behind a hyphen;
    a capital says nothing about a figure (December 1972)."""
    nearest = "".join(beside[1:2] if beside[:1] == ["-"] else beside[:1])
    capital = nearest[:1].isupper() and nearest.casefold() not in _ARTICLES
    return nearest[:1].isdigit() or (capital and not edge[0].isdigit())


def _clean(answer: str) -> str | None:
    stripped = answer.strip(" \t\n*").rstrip(".").strip(" \t\n*")
    return stripped or None


def _fold(text: str) -> str:
    """Without accents and LaTeX styles; as it is where nothing would be left (other scripts)."""
    plain = _LATEX_STYLE.sub(r"\1", text)
    return unicodedata.normalize("NFKD", plain).encode("ascii", "ignore").decode() or plain


def _words(text: str) -> str:
    kept = re.sub(r"[^\w\s]", " ", _fold(text).casefold())
    return " ".join(w for w in kept.split() if w not in _ARTICLES)
