"""Calibration positions: where in an answer a confidence is read (paper, section 4.3).

A position is a rule over the tokens as they come. All engines share these rules; the vocabulary table is computed once
for a tokenizer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain, pairwise

from estimator.types import PARAGRAPH_BREAK, Answer, Segment, StopReason


class PositionKind(StrEnum):
    """``paragraph``: at a blank line; ``periodic``: every n tokens; ``entropy``: after a token drawn from a distribution
    whose entropy exceeds a threshold."""

    PARAGRAPH = "paragraph"
    PERIODIC = "periodic"
    ENTROPY = "entropy"


@dataclass(frozen=True, slots=True)
class Position:
    """A calibration rule. ``every`` (tokens) belongs to ``periodic``; ``threshold`` (nats) and ``gap`` (least tokens
    between two positions) to ``entropy``."""

    kind: PositionKind = PositionKind.PARAGRAPH
    every: int = 30
    threshold: float = 1.5
    gap: int = 8

    def __post_init__(self) -> None:
        if self.every < 1 or self.gap < 1 or not self.threshold >= 0:
            raise ValueError(f"position out of range: {self}")

    @property
    def by_entropy(self) -> bool:
        """Whether it takes the tokens' entropies to find it."""
        return self.kind is PositionKind.ENTROPY

    def __str__(self) -> str:
        detail = {"paragraph": "", "periodic": f":{self.every}", "entropy": f":{self.threshold:g}"}
        return self.kind.value + detail[self.kind.value]


def parse_position(text: str) -> Position:
    """``paragraph``, ``periodic``, ``periodic:30``, ``entropy`` or ``entropy:1.5``; ValueError otherwise."""
    kind, _, value = text.strip().partition(":")
    try:
        if kind == "paragraph" and not value:
            return Position()
        if kind == "periodic":
            return Position(PositionKind.PERIODIC, every=int(value)) if value else Position(PositionKind.PERIODIC)
        if kind == "entropy":
            return Position(PositionKind.ENTROPY, threshold=float(value)) if value else Position(PositionKind.ENTROPY)
    except ValueError:
        pass
    raise ValueError(f"unknown position {text!r}: use paragraph, periodic:TOKENS or entropy:NATS")


@dataclass(frozen=True, slots=True)
class BreakTable:
    """What each vocabulary entry does to a paragraph: ``breaks`` holds a blank line in itself, ``opens`` ends with one
    newline, ``closes`` starts with one (an ``opens`` token followed by a ``closes`` token is a blank line too)."""

    breaks: tuple[bool, ...]
    opens: tuple[bool, ...]
    closes: tuple[bool, ...]


def break_table(pieces: list[str]) -> BreakTable:
    """The table for a vocabulary whose entry i reads ``pieces[i]`` as text."""
    return BreakTable(
        breaks=tuple(PARAGRAPH_BREAK in p for p in pieces),
        opens=tuple(p.endswith("\n") and PARAGRAPH_BREAK not in p for p in pieces),
        closes=tuple(p.startswith("\n") and PARAGRAPH_BREAK not in p for p in pieces),
    )


def places(position: Position, table: BreakTable, tokens: Sequence[int], entropies: Sequence[float]) -> Iterator[int]:
    """How many of ``tokens`` come before each position, in order. ``entropies`` (nats) are of the distributions that the tokens
    were drawn from; without them no position that goes by them is found."""
    if position.kind is PositionKind.PERIODIC:
        yield from range(position.every, len(tokens) + 1, position.every)
    elif position.kind is PositionKind.ENTROPY:
        begin = 0
        for end, entropy in enumerate(entropies, start=1):
            if entropy > position.threshold and end - begin >= position.gap:
                yield end
                begin = end
    else:
        opened = False  # by the token before, where it is behind the last position
        for end, token in enumerate(tokens, start=1):
            found = table.breaks[token] or (opened and table.closes[token])
            if found:
                yield end
            opened = not found and table.opens[token]


def cut(segment: Segment, position: Position, table: BreakTable) -> tuple[Segment, ...]:
    """A segment that was written in one go, as if it had been written from position to position. ValueError where the
    position goes by entropies and the segment has none."""
    if position.by_entropy and segment.token_ids and not segment.entropies:
        raise ValueError("the answer was sampled without entropies, so it cannot be cut by them: ask for them with Sampling")
    total = len(segment.token_ids)
    ends = [end for end in places(position, table, segment.token_ids, segment.entropies) if end < total]
    spans = [slice(begin, end) for begin, end in pairwise([0, *ends, total])] if total else []
    stops = [*[StopReason.POSITION] * len(ends), segment.stop]
    return tuple(
        Segment(segment.token_ids[s], segment.logprobs[s], segment.entropies[s], stop)
        for s, stop in zip(spans, stops, strict=False)
    )


def recut(answer: Answer, position: Position, table: BreakTable) -> Answer:
    """An answer as if it had been written from position to position."""
    if not answer.segments:
        return answer
    parts = answer.segments
    whole = Segment(
        tuple(chain.from_iterable(s.token_ids for s in parts)),
        tuple(chain.from_iterable(s.logprobs for s in parts)),
        tuple(chain.from_iterable(s.entropies for s in parts)) if all(s.entropies for s in parts if s.token_ids) else (),
        parts[-1].stop,
    )
    return Answer(answer.prompt_ids, cut(whole, position, table))
