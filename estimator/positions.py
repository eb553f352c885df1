"""Calibration positions: where in an answer a confidence is read (paper, section 4.3).

A position is a rule over the tokens as they come. All engines share these rules; the vocabulary table is computed once
for a tokenizer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

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


def reached(position: Position, table: BreakTable, tokens: Sequence[int], count: int, entropy: float) -> bool:
    """Whether a position is reached with the ``count``-th of ``tokens`` (all since the position before), which was drawn from
    a distribution of that ``entropy``."""
    if position.kind == PositionKind.PERIODIC:
        return count >= position.every
    if position.kind == PositionKind.ENTROPY:
        return entropy > position.threshold and count >= position.gap
    last = tokens[count - 1]
    return table.breaks[last] or (count > 1 and table.opens[tokens[count - 2]] and table.closes[last])


def or_unknown(entropies: tuple[float, ...], count: int) -> tuple[float, ...]:
    """The entropies of ``count`` tokens, no numbers where none were asked for."""
    return entropies or (math.nan,) * count


def cut(segment: Segment, position: Position, table: BreakTable) -> tuple[Segment, ...]:
    """A segment that was written in one go, as if it had been written from position to position. ValueError where the
    position goes by entropies and the segment has none."""
    if position.by_entropy and segment.token_ids and not segment.entropies:
        raise ValueError("the answer was sampled without entropies, so it cannot be cut by them: ask for them with Sampling")
    entropies = or_unknown(segment.entropies, len(segment.token_ids))
    parts, begin = [], 0
    for end in range(1, len(segment.token_ids) + 1):
        last = end == len(segment.token_ids)
        if last or reached(position, table, segment.token_ids[begin:end], end - begin, entropies[end - 1]):
            span = slice(begin, end)
            stop = segment.stop if last else StopReason.POSITION
            parts.append(Segment(segment.token_ids[span], segment.logprobs[span], segment.entropies[span], stop))
            begin = end
    return tuple(parts)


def recut(answer: Answer, position: Position, table: BreakTable) -> Answer:
    """An answer as if it had been written from position to position."""
    if not answer.segments:
        return answer
    parts = answer.segments
    whole = Segment(
        tuple(t for s in parts for t in s.token_ids),
        tuple(p for s in parts for p in s.logprobs),
        tuple(e for s in parts for e in s.entropies) if all(s.entropies for s in parts if s.token_ids) else (),
        parts[-1].stop,
    )
    return Answer(answer.prompt_ids, cut(whole, position, table))
