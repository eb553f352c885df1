"""An answer from elsewhere, cut into the segments that the engine itself would have written."""

from __future__ import annotations

from estimator.engines.base import Engine
from estimator.types import PARAGRAPH_BREAK, Segment, StopReason, Tokens


def segments_of(engine: Engine, prompt_ids: Tokens, answer_text: str, finished: bool) -> tuple[Segment, ...]:
    """The paragraphs of ``answer_text`` as annotated segments, by one pass of the model over the whole answer.

    A segment ends with the token that completes a blank line, as when the engine stops there itself. ``finished`` adds
    the end token to the last one; an answer that breaks off is handed over with False.
    """
    text = answer_text.strip("\n")
    if not text.strip():
        raise ValueError("the answer is empty")
    token_ids = engine.text_ids(text if finished else text + PARAGRAPH_BREAK)
    if finished:
        token_ids = (*token_ids, engine.end_id)
    logprobs, entropies = engine.annotate(prompt_ids, token_ids)
    bounds = _paragraph_bounds(engine, token_ids)
    last = StopReason.END if finished else StopReason.POSITION
    return tuple(
        Segment(token_ids[a:b], logprobs[a:b], entropies[a:b], last if b == len(token_ids) else StopReason.POSITION)
        for a, b in zip((0, *bounds), bounds, strict=False)
    )


def _paragraph_bounds(engine: Engine, token_ids: Tokens) -> tuple[int, ...]:
    """Where each segment ends. Further newlines behind a blank line belong to the paragraph before them."""
    bounds: list[int] = []
    tail, written = "", False
    for i, token in enumerate(token_ids):
        piece = engine.decode((token,))
        if bounds and bounds[-1] == i and piece and not piece.strip("\n"):
            bounds[-1] = i + 1
            continue
        tail, written = (tail + piece)[-len(piece) - 1 :], written or bool(piece.strip())
        if PARAGRAPH_BREAK in tail and written:
            bounds.append(i + 1)
            tail, written = "", False
    if not bounds or bounds[-1] != len(token_ids):
        bounds.append(len(token_ids))
    return tuple(bounds)
