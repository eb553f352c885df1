"""When to stop early, found by deciding recorded runs again. Pure.

Where runs were recorded without early stopping, ``graphs.what_if`` tells where another ``give_up`` and ``abstain`` would have
ended each and what that would have saved, so every pair of thresholds is tried without a model call.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from controller.tune import graded
from estimator.types import Question
from graphs.events import DecisionEvent, Event, Header, LookaheadEvent, OpinionsEvent, SegmentEvent
from graphs.policy import Policy
from graphs.thresholds import Decode, outcomes_at
from graphs.trace import Trace
from graphs.what_if import tokens_generated, what_if

LEVELS = (0.0, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.12, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5)  # all of them in ``tune.grid``


@dataclass(frozen=True, slots=True)
class Recorded:
    """A question's run under the strictest threshold, as far as ``what_if`` reads it, the tokens it generated, and whether the
    answer is right that it would have given out at each threshold (None where it would have given out none); no threshold
    that is not there is known."""

    trace: Trace
    tokens: int
    given: Mapping[float, bool | None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a policy comes to: of each question whether the answer given out is right (None where none is), and ``tokens``
    generated a question."""

    given: tuple[bool | None, ...]
    tokens: float

    @property
    def right(self) -> int:
        return self.given.count(True)

    @property
    def wrong(self) -> int:
        return self.given.count(False)

    @property
    def answered(self) -> int:
        return self.right + self.wrong

    def record(self) -> dict[str, float | int]:
        return {"right": self.right, "wrong": self.wrong, "tokens": self.tokens}


def to_the_end(policy: Policy) -> Policy:
    """The policy without early stopping. Where nothing is revised the thresholds of revising mean nothing and are 0."""
    changes: dict[str, float] = {"give_up": 0.0, "abstain": 0.0}
    return policy.model_copy(update=changes if policy.max_revisions else changes | {"revise": 0.0, "drop": 0.0})


def recorded(question: Question, events: Sequence[Event], thresholds: Sequence[float], decode: Decode) -> Recorded:
    """What is kept of a run: there may be many hundreds."""
    header, *rest = events
    assert isinstance(header, Header), "a run begins with its header"
    return kept(header, rest, graded(question, {t: outcomes_at(events, t, decode) for t in thresholds}))


def kept(header: Header, events: Sequence[Event], given: Mapping[float, bool | None]) -> Recorded:
    """A complete run without what is not read again."""
    slim = Trace.model_construct(header=header, events=[s for e in events if (s := _slim(e)) is not None], complete=True)
    return Recorded(slim, tokens_generated(events), given)


def _slim(event: Event) -> Event | None:
    match event:
        case DecisionEvent():
            return event
        case SegmentEvent():
            return event.model_copy(update={"text": "", "logprobs": [], "entropies": []})
        case LookaheadEvent():
            return event.model_copy(update={"branches": []})
        case OpinionsEvent():
            return event.model_copy(update={"others": []})
        case _:
            return None


def replayed(policy: Policy, runs: Sequence[Recorded]) -> Outcome:
    """What the policy would have come to: one that differs from that of the runs in ``accept``, ``give_up`` and ``abstain``
    alone, which end a run sooner and change nothing else in it."""
    given: list[bool | None] = []
    tokens = 0
    for run in runs:
        end = what_if(run.trace, policy)[-1]
        assert end.known, "runs to the end tell where they would have ended sooner"
        tokens += run.tokens - end.saved_tokens
        given.append(run.given[policy.accept] if end.outcome == "answered" else None)
    return Outcome(tuple(given), tokens / len(runs))


def stop_early(policy: Policy, runs: Sequence[Recorded], lose: float) -> tuple[Policy, Outcome]:
    """The policy with the thresholds that generate least among those that cost at most the share ``lose`` of the right answers
    it would have given out; of equal ones those that stop least. Its own where none generates less."""
    whole = replayed(policy, runs)
    tries = [(policy, whole), *((p, replayed(p, runs)) for p in _stopping_early(policy) if p.accept in runs[0].given)]
    allowed = [(p, o) for p, o in tries if whole.right - o.right <= lose * whole.right]
    return min(allowed, key=lambda t: (t[1].tokens, t[0].give_up + t[0].abstain))


def _stopping_early(policy: Policy) -> Iterator[Policy]:
    """``accept`` rises where a policy needs it to: what is stopped below a confidence is not given out below it either."""
    for give_up, abstain in product(LEVELS, LEVELS):
        accept = max(policy.accept, give_up, abstain)
        yield policy.model_copy(update={"give_up": give_up, "abstain": abstain, "accept": accept})
