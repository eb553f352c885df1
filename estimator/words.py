"""The words of an answer, each with how likely its tokens were."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate, chain, repeat
from typing import NamedTuple

_ITEM = re.compile(r"(?P<number>\d+(?:[.,]\d+)*)|(?P<word>[^\W\d_]+)|(?P<symbol>[^\w\s]+)")


class Kind(StrEnum):
    NUMBER = "number"
    WORD = "word"
    SYMBOL = "symbol"


_KINDS: dict[str | None, Kind] = {kind.value: kind for kind in Kind}  # by the name of the group


class Word(NamedTuple):
    """A number, a word or a run of symbols: its ``text``, the segment it begins in, and ``logprob`` (nats), the sum over the
    tokens that it has a part in. ``opens``: a word that its segment begins with, not behind a symbol (#### Paris)."""

    text: str
    kind: Kind
    segment: int
    logprob: float
    opens: bool


@dataclass(frozen=True, slots=True)
class Spans:
    """The text of some segments and where in it each token begins and ends, with the tokens' log-probabilities (nats)."""

    text: str
    begins: tuple[int, ...]
    ends: tuple[int, ...]
    logprobs: tuple[float, ...]
    segments: tuple[int, ...]

    def logprob(self, begin: int, end: int) -> float:
        """The sum over the tokens that have a part in ``text[begin:end]``."""
        return sum(p for b, e, p in zip(self.begins, self.ends, self.logprobs, strict=True) if b < end and e > begin)


def spans(pieces: Sequence[Sequence[str]], logprobs: Sequence[Sequence[float]]) -> Spans:
    """From the pieces of text and the log-probabilities of each segment's tokens."""
    flat = list(chain.from_iterable(pieces))
    edges = tuple(accumulate(map(len, flat), initial=0))
    belongs = chain.from_iterable(repeat(i, len(segment)) for i, segment in enumerate(pieces))
    return Spans("".join(flat), edges[:-1], edges[1:], tuple(chain.from_iterable(logprobs)), tuple(belongs))


def split(text: str) -> list[tuple[str, Kind]]:
    """The numbers, words and runs of symbols of a text, in order."""
    return [(m[0], _KINDS[m.lastgroup]) for m in _ITEM.finditer(text)]


def words_of(written: Spans) -> list[Word]:
    """The words of what was written, in order."""
    words: list[Word] = []
    begun = -1  # the segment that has begun
    for found in _ITEM.finditer(written.text):
        # From the first token that does not end before the word to the last one that begins before its end.
        first, behind = bisect_right(written.ends, found.start()), bisect_left(written.begins, found.end())
        kind, segment = _KINDS[found.lastgroup], written.segments[first]
        opens = kind is Kind.WORD and segment != begun
        begun = segment
        words.append(Word(found[0], kind, segment, sum(written.logprobs[first:behind]), opens))
    return words


def mentions(phrase: str, text: str) -> list[int]:
    """Where a phrase stands in a text as words of its own: not 4 in 14 or in 4.5, not A in And."""
    left = r"(?<![^\W_])(?<!\d[.,])" if phrase[0].isalnum() else ""
    right = r"(?![^\W_]|[.,]\d)" if phrase[-1].isalnum() else ""
    return [found.start() for found in re.finditer(left + re.escape(phrase) + right, text)]
