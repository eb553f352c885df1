"""Which start policy a threshold is tuned for: whether to revise or to ask for fresh answers, and when to stop early. Pure
functions over recorded runs, of questions that the threshold is not tuned on.

Stopping early is chosen by replay. Where a run was recorded without it, ``graphs.what_if`` tells where another ``give_up`` and
``abstain`` would have ended it and what that would have saved, so every pair of thresholds is tried without a model call.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

from controller.certificate import questions_hash
from controller.tune import Count, count_all, gives_right, grid
from estimator.types import Question
from graphs.events import Event, Header, SegmentEvent
from graphs.policy import Policy
from graphs.thresholds import Decode, Ending, outcomes_at
from graphs.trace import Trace
from graphs.what_if import tokens_generated, what_if

LOSE = 0.02
MOST_TOKENS = 2.5  # times what the cheapest way writes; a way that writes more is not chosen
STOPS = (0.0, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.12, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5)
AS_GIVEN = "as given"
_ON: dict[str, float | int] = {"revise": 0.0, "drop": 0.0, "max_revisions": 0, "opinions": 0}
WAYS: dict[str, dict[str, float | int]] = {
    "go on": _ON,
    "revise at the end": _ON | {"max_revisions": 2},
    "revise weak steps": _ON | {"revise": 0.15, "max_revisions": 2},
    "revise falls": _ON | {"drop": 0.4, "max_revisions": 2},
    "revise often": _ON | {"revise": 0.15, "drop": 0.4, "max_revisions": 4},
    "ask once": _ON | {"opinions": 1},
    "ask twice": _ON | {"opinions": 2},
    "ask 3 times": _ON | {"opinions": 3},
    "ask 4 times": _ON | {"opinions": 4},
}


@dataclass(frozen=True, slots=True)
class Recorded:
    """A question's run under the strictest threshold, and its end under each threshold of its policy's grid."""

    trace: Trace
    endings: tuple[Ending, ...]

    @property
    def tokens(self) -> int:
        return tokens_generated(self.trace.events)


@dataclass(frozen=True, slots=True)
class Way:
    """A start policy that was tried: at the loosest threshold that keeps the error (None where there is none), ``answered``
    questions and how many of them ``wrong``; ``tokens`` a question."""

    name: str
    threshold: float | None
    answered: int
    wrong: int
    tokens: float


@dataclass(frozen=True, slots=True)
class Stopping:
    """What early stopping makes of the chosen way at its threshold: answers given out that are ``right`` and ``wrong``, and
    ``tokens`` a question. Both thresholds 0: without it."""

    give_up: float
    abstain: float
    right: int
    wrong: int
    tokens: float


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen (``policy``), from what, and on which questions; ``stopping`` is None where no threshold keeps the error,
    so that there is nothing to hold early stopping against."""

    policy: Policy
    questions_hash: str
    n: int
    max_error: float
    lose: float
    chosen: str
    ways: tuple[Way, ...]
    without: Stopping | None
    stopping: Stopping | None

    def record(self) -> dict[str, Any]:
        """For the certificate; the policy stands there already."""
        values = asdict(self)
        del values["policy"]
        return values


def open_ended(policy: Policy) -> Policy:
    """The policy without early stopping: what is recorded under it tells what any early stopping would have done. Where
    nothing is revised the thresholds of revising mean nothing and are 0."""
    changes: dict[str, float] = {"give_up": 0.0, "abstain": 0.0}
    return policy.model_copy(update=changes if policy.max_revisions else changes | {"revise": 0.0, "drop": 0.0})


def candidates(start: Policy, opinions: Sequence[int], *, ways: bool) -> dict[str, Policy]:
    """The start policies to try, by name: the given one and, with ``ways``, all of ``WAYS`` that differ from it and ask for no
    other number of fresh answers than the estimator can weigh (``opinions``)."""
    tried = {AS_GIVEN: open_ended(start)}
    for name, changes in WAYS.items() if ways else ():
        policy = Policy.model_validate(open_ended(start).model_dump() | changes)
        if policy not in tried.values() and policy.opinions in (0, *opinions):
            tried[name] = policy
    return tried


def recorded(events: Sequence[Event], thresholds: Sequence[float], decode: Decode) -> Recorded:
    """A run as it is kept here, without the numbers of its tokens."""
    header, *rest = events
    assert isinstance(header, Header), "a run begins with its header"
    slim = [e.model_copy(update={"logprobs": [], "entropies": []}) if isinstance(e, SegmentEvent) else e for e in rest]
    trace = Trace.model_construct(header=header, events=slim, complete=True)
    return Recorded(trace, tuple(outcomes_at(events, t, decode) for t in thresholds))


def choose(
    tried: Mapping[str, Policy],
    runs: Mapping[str, Sequence[Recorded]],
    questions: Sequence[Question],
    max_error: float,
    lose: float = LOSE,
) -> Choice:
    """The way to answer, and when to stop early on it. ``runs`` holds, for each policy tried, the run of each question."""
    ways = {name: _way(name, policy, runs[name], questions, max_error) for name, policy in tried.items()}
    name = _cheapest_of_the_best(ways, runs, tried)
    policy, way = tried[name], ways[name]
    without = stopping = None
    if way.threshold is not None:
        right = _given(policy, runs[name], questions, way.threshold)
        others = [_stopped(policy, way.threshold, *pair) for pair in _pairs()]
        tries = [s for s in (_stopping(p, runs[name], right) for p in others if p.revise <= p.accept) if s is not None]
        without = tries[0]
        stopping = _least_tokens(tries, without, lose)
        policy = _stopped(policy, way.threshold, stopping.give_up, stopping.abstain)
    told = (questions_hash(questions), len(questions), max_error, lose)
    return Choice(policy, *told, name, tuple(ways.values()), without, stopping)


def _way(name: str, policy: Policy, runs: Sequence[Recorded], questions: Sequence[Question], max_error: float) -> Way:
    counts = count_all(grid(policy.revise), questions, [r.endings for r in runs])
    kept = [c for c in counts if c.error is not None and c.error <= max_error]
    best = max(kept, key=lambda c: c.accepted, default=Count(math.nan, 0, 0))
    threshold = best.threshold if kept else None
    return Way(name, threshold, best.accepted, best.wrong, sum(r.tokens for r in runs) / len(runs))


def _cheapest_of_the_best(ways: Mapping[str, Way], runs: Mapping[str, Sequence[Recorded]], tried: Mapping[str, Policy]) -> str:
    """Of the ways that do not write too much, the cheapest that answers as many questions as the best, up to one standard
    error of their difference (the questions are the same, so those that only one of two answers make it)."""
    least = min(w.tokens for w in ways.values())
    affordable = [w for w in ways.values() if w.tokens <= MOST_TOKENS * least]
    best = max(affordable, key=lambda w: (w.answered, -w.tokens))
    answers = {w.name: _answers(tried[w.name], w, runs[w.name]) for w in affordable}
    as_good = [w for w in affordable if best.answered - w.answered <= math.sqrt(len(answers[w.name] ^ answers[best.name]))]
    return min(as_good, key=lambda w: w.tokens).name


def _answers(policy: Policy, way: Way, runs: Sequence[Recorded]) -> set[int]:
    """The numbers of the questions that are answered at the way's threshold."""
    if way.threshold is None:
        return set()
    column = grid(policy.revise).index(way.threshold)
    return {i for i, r in enumerate(runs) if r.endings[column].answered}


def _given(policy: Policy, runs: Sequence[Recorded], questions: Sequence[Question], threshold: float) -> list[bool]:
    """Of each question whether the answer at a threshold is right."""
    column = grid(policy.revise).index(threshold)
    return [gives_right(q, r.endings[column]) for q, r in zip(questions, runs, strict=True)]


def _pairs() -> list[tuple[float, float]]:
    """give_up and abstain, the first without early stopping."""
    return [(give_up, abstain) for give_up, abstain in product(STOPS, STOPS) if give_up <= abstain]


def _stopped(policy: Policy, accept: float, give_up: float, abstain: float) -> Policy:
    """A policy needs abstain <= revise; where nothing is revised that threshold means nothing."""
    changes = {"accept": accept, "give_up": give_up, "abstain": abstain, "revise": max(policy.revise, abstain)}
    return policy.model_copy(update=changes)


def _stopping(policy: Policy, runs: Sequence[Recorded], right: Sequence[bool]) -> Stopping | None:
    """What the policy would have come to; None where the records cannot tell."""
    tokens, counts = 0, [0, 0]
    for run, is_right in zip(runs, right, strict=True):
        end = what_if(run.trace, policy)[-1]
        if not end.known:
            return None
        tokens += run.tokens - end.saved_tokens
        if end.outcome == "answered":
            counts[is_right] += 1
    return Stopping(policy.give_up, policy.abstain, counts[True], counts[False], tokens / len(runs))


def _least_tokens(tries: Sequence[Stopping], without: Stopping, lose: float) -> Stopping:
    """The one that saves most among those that lose at most the share ``lose`` of the right answers; of equal ones the one that
    stops least."""
    allowed = [s for s in tries if without.right - s.right <= lose * without.right]
    return min(allowed, key=lambda s: (s.tokens, s.give_up + s.abstain))
