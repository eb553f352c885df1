"""What a recorded run would have come to under a looser acceptance threshold, without calling a model.

``accept`` is read only where an answer is complete (``graphs.policy._when_complete``), and there it only decides whether
the run ends. So up to its own end a run under ``accept`` = t is the same, word for word, as one under a stricter
threshold: it ends at the first complete answer whose confidence in force reaches t, or where the strict run ends anyway.
One run under the strictest threshold therefore tells what all others would have done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from estimator.answers import final_answer
from graphs.events import DecisionEvent, Event, Header, Outcome, ResultEvent, RevisionEvent, SegmentEvent
from graphs.policy import BELOW_ACCEPT

Decode = Callable[[Sequence[int]], str]


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run would have ended: as in ``ResultEvent``; ``answer`` is None where none would have been given out."""

    outcome: Outcome
    answer: str | None
    confidence: float | None

    @property
    def answered(self) -> bool:
        return self.outcome == "answered"


def outcomes_at(events: Sequence[Event], threshold: float, decode: Decode | None = None) -> Ending:
    """The end of the recorded run if ``accept`` had been ``threshold``.

    ``events`` begin with the header. ``decode`` is the engine's, which reads the answer from its tokens as the graph
    does; without it the texts of the segments are joined, which some tokenizers spell slightly differently.

    Raises ``ValueError`` where the record cannot tell: a threshold stricter than that of the run, one below another of
    the policy's thresholds (no policy has that), or a run that was cut off before it would have ended.
    """
    _check_threshold(events, threshold)
    for event, path in _standing(events):
        if isinstance(event, DecisionEvent) and _would_accept(event, threshold):
            return Ending("answered", final_answer(_text(path, decode)), event.scores[-1])
        if isinstance(event, ResultEvent):
            return Ending(event.outcome, event.answer, event.confidence)
    raise ValueError("the run was cut off before its end")


def answer_at(events: Sequence[Event], number: int) -> str | None:
    """The final answer of the text that stood at the decision of that number (from 0), None where it states none."""
    paths = (path for event, path in _standing(events) if isinstance(event, DecisionEvent))
    return final_answer(_text(next(islice(paths, number, None)), None))


def _standing(events: Sequence[Event]) -> Iterator[tuple[Event, list[SegmentEvent]]]:
    """Each event, and the segments of the answer as it stands then."""
    path: list[SegmentEvent] = []
    cut_off: list[SegmentEvent] = []
    for event in events:
        if isinstance(event, SegmentEvent):
            path, cut_off = [*path[: event.index], event], path[event.index :]
        elif isinstance(event, RevisionEvent) and event.kept == "old":
            path = [*path[: event.cut], *cut_off]
        yield event, path


def _would_accept(event: DecisionEvent, threshold: float) -> bool:
    """Where second opinions are asked for nothing is accepted yet, whatever the threshold."""
    return event.finished and event.stated and event.action != "consult" and event.scores[-1] >= threshold


def _check_threshold(events: Sequence[Event], threshold: float) -> None:
    header = events[0] if events else None
    if not isinstance(header, Header):
        raise ValueError("a run begins with its header")
    lowest, accept = max(float(header.policy[name]) for name in BELOW_ACCEPT), float(header.policy["accept"])
    if not lowest <= threshold <= accept:
        raise ValueError(f"a run under accept = {accept} and {lowest} below it does not tell what {threshold} would have done")


def _text(path: Sequence[SegmentEvent], decode: Decode | None) -> str:
    if decode is None:
        return "".join(s.text for s in path)
    return decode([i for s in path for i in s.token_ids])
