"""The words of an answer, each with how likely its tokens were."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

_ITEM = re.compile(r"(?P<number>\d+(?:[.,]\d+)*)|(?P<word>[^\W\d_]+)|(?P<symbol>[^\w\s]+)")


class Kind(StrEnum):
    NUMBER = "number"
    WORD = "word"
    SYMBOL = "symbol"


@dataclass(frozen=True, slots=True)
class Word:
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
    flat = [piece for segment in pieces for piece in segment]
    ends, at = [], 0
    for piece in flat:
        at += len(piece)
        ends.append(at)
    return Spans(
        "".join(flat),
        tuple([0, *ends][: len(ends)]),
        tuple(ends),
        tuple(p for segment in logprobs for p in segment),
        tuple(i for i, segment in enumerate(pieces) for _ in segment),
    )


def split(text: str) -> list[tuple[str, Kind]]:
    """The numbers, words and runs of symbols of a text, in order."""
    return [(m[0], Kind(str(m.lastgroup))) for m in _ITEM.finditer(text)]


def words_of(written: Spans) -> list[Word]:
    """The words of what was written, in order."""
    words: list[Word] = []
    first, begun = 0, -1  # the first token that does not end before the word; the segment that has begun
    for found in _ITEM.finditer(written.text):
        while written.ends[first] <= found.start():
            first += 1
        last, kind, segment = first, Kind(str(found.lastgroup)), written.segments[first]
        while last + 1 < len(written.begins) and written.begins[last + 1] < found.end():
            last += 1
        opens = kind is Kind.WORD and segment != begun
        begun = segment
        words.append(Word(found[0], kind, segment, sum(written.logprobs[first : last + 1]), opens))
    return words


def mentions(phrase: str, text: str) -> list[int]:
    """Where a phrase stands in a text as words of its own: not 4 in 14 or in 4.5, not A in And."""
    left = r"(?<![^\W_])(?<!\d[.,])" if phrase[0].isalnum() else ""
    right = r"(?![^\W_]|[.,]\d)" if phrase[-1].isalnum() else ""
    return [found.start() for found in re.finditer(left + re.escape(phrase) + right, text)]
