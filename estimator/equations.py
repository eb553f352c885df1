"""Equations between numbers that a text states, and whether they hold: ``3 * $14 = $42``, ``10 / 4 = 2.5``.

A true equation taken for a false one costs an answer its confidence, so what is not understood is passed over: an equation next
to words or signs that may belong to it (``5 boxes x 4 + 2 = 22``, ``12 - 4 = 5 + x``), ranges, dates and conversions.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache

_SAME = {
    "*": re.compile(r"\\times(?![a-zA-Z])|\\cdot(?![a-zA-Z])|[\u00d7\u00b7\u22c5\u2219\u2217\u2715]"),
    "/": re.compile(r"\\div(?![a-zA-Z])|\u00f7"),
    "-": re.compile("[\u2212\u2013\u2014]"),
    "": re.compile(r"\\left(?=\()|\\right(?=\))|\\(?=[$%])|(?<=\d)[\u202f\u2009](?=\d{3})|(?<![\d)])\*\*|\*\*(?![\d(])"),
    ",": re.compile(r"\{,\}"),
    " ": re.compile(r"[\u00a0\u202f\u2009\t]|\\[,;:! ()\[\]]"),
}
_NUMBER = r"(?>(?:[$\u20ac\u00a3] ?)?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?: ?%)?)"
_OPERATOR = r"(?:[-+*/]|(?<=[\d )%])x(?=[ \d$(]))"
_SIDE = rf"[( ]*+{_NUMBER}(?: *\))*+(?: *+{_OPERATOR}[( ]*+{_NUMBER}(?: *\))*+)*+"
# Whole runs, so that none begins within what was not understood, and nothing is tried twice, however long it is.
_RUN = re.compile(rf"(?<![( ]){_SIDE}(?: *+= *+-?{_SIDE})*+")
_SUM = re.compile(rf"\d[%) ]*{_OPERATOR}")
_LONE = re.compile(rf" *-?[( ]*{_NUMBER}[) ]*")
_FIRST = re.compile(rf" *-?[( ]*{_NUMBER}")
_ADDED_SHARE = re.compile(r"(.*\d[^%]*?)([-+]) ?(\d+(?:\.\d+)?) ?%[) ]*")
# May well be no equation: a range or a date (9-5 = 8 hours), half of a mixed number (1 and 1/4 = 1.25).
_NO_SUM = re.compile(r"[( ]*\d+(?:-\d+|(?:/\d+)+) +")
_BULLET = re.compile(r"\s*(?:[-*+\u2022]|[(\[]?\w{1,3}[.)\]]|#+)?\s*")
# Before an equation: the end of something that it may be a part of.
_BEFORE = re.compile(
    r"[\w.,]$|[-+*/^_%!)}\]\\|\u00b0\u221a\u00b1]\s*$|\d\s+$|\s:\s*$|\d:$|(?:^|\W)(?![aAI]\s)\w\s+$|\\[a-zA-Z]+\s*$"
    r"|\b(?:times|plus|minus|by|over|of|modulo|mod|log|ln|sqrt|root)\s+$",
    re.IGNORECASE,
)
# Behind it: the beginning of something that belongs to its last number.
_BEHIND = re.compile(r"[\w^({\[!:]|[.,]\d| *(?:[-+*/x^!\\?_]|\d|\(mod\b|[a-zA-Z](?![a-zA-Z])|[a-zA-Z]+ *[-+*/] ?[\d$])")
_WORD = re.compile(r" *[a-zA-Z]{2}")
_CONVERSIONS = frozenset(map(Fraction, (7, 12, 24, 60, 100, 1000, 3600, 10**6, 10**9)))
_OPERATIONS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}
_MOST_CHARACTERS = 200  # of a side; what is longer is not looked at
_BESIDE = 40  # characters before it that are looked at


def false_equations(text: str, finished: bool = True) -> int:
    """How many of a text's equations do not hold. A result may be rounded or cut to the decimals it is written with, a percent
    sign may be meant in any of its senses, and the right side may go on with the next step (3 + 4 = 7 + 5 = 12). ``finished``
    False: a number at the very end of the text may not be whole yet."""
    return sum(not _holds(left, right, unit) for left, right, unit in _equations(_plain(text), finished))


def _plain(text: str) -> str:
    """With one way of writing each sign."""
    for plain, written in _SAME.items():
        text = written.sub(plain, text)
    return text


def _equations(text: str, finished: bool) -> Iterator[tuple[str, str, bool]]:
    """The sides of what is understood, and whether a word or a currency stands with the right one."""
    for run in _RUN.finditer(text):
        sides = run[0].split("=")
        if len(sides) == 1:
            continue
        start = run.start() + len(run[0]) - len(run[0].lstrip(" "))
        pairs = list(zip(sides, sides[1:], strict=False))
        if _goes_on_before(text[max(0, start - _BESIDE) : start], start <= _BESIDE):
            pairs[0] = ("", "")
        if _BEHIND.match(text, run.end()) or (run.end() == len(text) and not finished):
            pairs[-1] = ("", "")
        for i, (left, right) in enumerate(pairs):
            if _SUM.search(left) and not _NO_SUM.fullmatch(left):
                word = i == len(pairs) - 1 and _WORD.match(text, run.end()) is not None
                yield left, right, word or re.search("[$\u20ac\u00a3]", right) is not None


def _goes_on_before(before: str, whole: bool) -> bool:
    """``whole``: there is nothing before ``before``."""
    lines = before.rsplit("\n", 1)
    if _BULLET.fullmatch(lines[-1]) and (len(lines) > 1 or whole):
        return len(lines) > 1 and lines[0].rstrip().endswith(("-", "+", "*", "/", "="))
    return _BEFORE.search(lines[-1]) is not None


@lru_cache(4096)  # an answer is read again after every paragraph
def _holds(left: str, right: str, unit: bool) -> bool:
    """True also where either side has no value. ``unit``: the right side may be in another unit."""
    if max(len(left), len(right)) > _MOST_CHARACTERS:
        return True
    values = [v for v in (*_values(left), _with_share_added(left)) if v is not None]
    stated = [v for v in _values(right) if v is not None]
    if not values or not stated:
        return True
    first = _FIRST.match(right)
    going_on = [] if first is None or _LONE.fullmatch(right) else [v for v in _values(first[0]) if v is not None]
    return any(
        value in going_on
        or abs(value - other) <= _tolerance(value, other, right)
        or (unit and 0 not in (value, other) and max(value / other, other / value) in _CONVERSIONS)
        for value in values
        for other in stated
    )


def _tolerance(value: Fraction, other: Fraction, side: str) -> Fraction:
    """How far what is stated may be from the value: less than one in its last decimal, where the value has more of them; one in
    a hundred where the right side reckons on with rounded numbers; what a computer's fractions lose."""
    lost = abs(value) / 10**12
    if not _LONE.fullmatch(side):
        return max(lost, abs(value) / 100) if "." in side else lost
    if value.denominator == 1:
        return lost
    last = Fraction(1, 10 ** sum(map(str.isdigit, side.partition(".")[2])))
    written = _value(side.replace("%", ""))
    return max(lost, (last if written == other else last / 100) * Fraction(999, 1000))


def _values(side: str) -> list[Fraction | None]:
    """A side's value, its percent signs meant or not."""
    shares = re.sub(r"(\d+(?:\.\d+)?) ?%", r"(\1/100)", _bare(side))
    return [_value(shares), _value(_bare(side).replace("%", ""))] if "%" in side else [_value(side)]


def _with_share_added(side: str) -> Fraction | None:
    """``200 - 10%`` as ten percent of the 200."""
    found = _ADDED_SHARE.fullmatch(_bare(side))
    value = _value(found[1]) if found else None
    return None if found is None or value is None else value * (1 + Fraction(f"{found[2]}{found[3]}") / 100)


def _bare(side: str) -> str:
    return re.sub(r"[$\u20ac\u00a3,]", "", side)


def _value(side: str) -> Fraction | None:
    """The value of a side, None where it has none."""
    plain = _bare(side).replace("x", "*").strip()
    opened = plain.count("(") - plain.count(")")  # around the whole equation: (3 + 4 = 7)
    if opened > 0 and plain.startswith("(" * opened):
        plain = plain[opened:]
    elif opened < 0 and plain.endswith(")" * -opened):
        plain = plain[:opened]
    try:
        return _evaluated(ast.parse(plain.strip(), mode="eval").body)
    except (SyntaxError, ValueError, ZeroDivisionError):
        return None


def _evaluated(node: ast.expr) -> Fraction:
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATIONS:
        return _OPERATIONS[type(node.op)](_evaluated(node.left), _evaluated(node.right))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_evaluated(node.operand)
    if isinstance(node, ast.Constant):
        return Fraction(str(node.value))
    raise ValueError(f"{ast.unparse(node)} is no sum of numbers")
