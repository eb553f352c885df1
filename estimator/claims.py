"""Stated confidences are not read: what a question or a model says about how sure one may be is no evidence of it.

A statement such as ``Conf: 1.0``, ``Confidence (0-100): 90%`` or ``I am 99% sure`` is left out of what the estimator reads, so
that no number written there can move a score. The text itself, and what the base model reads, stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from estimator.pieces import Pieces
from estimator.types import Answer, Segment

_NUMBER = r"[-+]?[.,]?\d+(?:[.,]\d+)*"
CLAIM = re.compile(
    r"\b(?:conf(?:idence)?|certainty)\b(?:[ \t]+(?:level|score|value|is|of|at|about|around|roughly))*"
    rf"(?:[ \t]*\([^()\n]{{0,20}}\))?(?:[ \t*]*[:=]\s{{0,3}})?[ \t*~]*{_NUMBER}(?:[ \t]*%)?"
    r"|(?<![\d.,])\d{1,9}(?:[.,]\d{1,9})?[ \t]*(?:%|percent)[ \t]*(?:conf(?:ident|idence)|certain(?:ty)?|sure)\b",
    re.IGNORECASE,
)


def without_claims(answer: Answer, pieces: Pieces) -> Answer:
    """The answer without the tokens of stated confidences, in its prompt and in its segments; a segment of which nothing is
    left is dropped. The same object comes back where nothing is stated."""
    if not CLAIM.search(pieces.text(answer.token_ids)):
        return answer
    kept = _kept(pieces(answer.token_ids))
    prompt = _where(answer.prompt_ids, kept)
    segments, begin = [], len(answer.prompt_ids)
    for segment in answer.segments:
        end = begin + len(segment.token_ids)
        segments.append(_cut(segment, kept[begin:end]))
        begin = end
    return Answer(prompt, tuple(s for s in segments if s.token_ids))


def _kept(pieces: Sequence[str]) -> list[bool]:
    """Per token whether it lies outside every statement; one that a statement only touches is part of it."""
    text = "".join(pieces)
    inside = bytearray(len(text))
    for match in CLAIM.finditer(text):
        inside[match.start() : match.end()] = b"\1" * (match.end() - match.start())
    kept, begin = [], 0
    for piece in pieces:
        kept.append(not any(inside[begin : begin + len(piece)]))
        begin += len(piece)
    return kept


def _cut(segment: Segment, kept: Sequence[bool]) -> Segment:
    return replace(
        segment,
        token_ids=_where(segment.token_ids, kept),
        logprobs=_where(segment.logprobs, kept),
        entropies=_where(segment.entropies, kept),
    )


def _where(values: Sequence, kept: Sequence[bool]) -> tuple:
    return tuple(v for v, k in zip(values, kept, strict=False) if k)
