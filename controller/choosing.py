"""Which start policy a threshold is tuned for: whether to revise or to ask for fresh answers, and when to stop early. Pure
functions over recorded runs, of questions that the threshold is not tuned on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import ValidationError

from controller.certificate import questions_hash
from controller.errors import Failure
from controller.stopping import Outcome, Recorded, replayed, stop_early, to_the_end
from controller.tune import count_all, grid
from estimator.types import Question
from graphs.policy import Policy

LOSE = 0.02
MOST_TOKENS = 2.5
AS_GIVEN = "as given"
_ON: dict[str, float | int] = {"revise": 0.0, "drop": 0.0, "max_revisions": 0, "opinions": 0}
WAYS: dict[str, dict[str, float | int]] = {
    "go on": _ON,
    "revise at end": _ON | {"max_revisions": 2},
    "revise weak": _ON | {"revise": 0.15, "max_revisions": 2},
    "revise falls": _ON | {"drop": 0.4, "max_revisions": 2},
    "revise often": _ON | {"revise": 0.15, "drop": 0.4, "max_revisions": 4},
    "ask once": _ON | {"opinions": 1},
    "ask twice": _ON | {"opinions": 2},
    "ask 3 times": _ON | {"opinions": 3},
    "ask 4 times": _ON | {"opinions": 4},
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a start policy is chosen for: ``max_error`` among the answers given out, the share of the right ones that stopping
    early may ``lose``, and the ``most_tokens`` that a question may take, as a multiple of what it takes in the cheapest of the
    ways that are tried, everything being written to its end."""

    max_error: float
    lose: float = LOSE
    most_tokens: float = MOST_TOKENS


@dataclass(frozen=True, slots=True)
class Way:
    """A way to answer: the ``policy`` with ``accept`` at the threshold that answers most while the error is kept (of equal ones
    the strictest) and with the early stopping that suits it; what it comes to (``stopping``), and what it would without
    early stopping (``whole``). ``too_wrong``: no threshold keeps the error, and the policy is the strictest."""

    name: str
    policy: Policy
    whole: Outcome
    stopping: Outcome
    too_wrong: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """The way that was ``chosen`` among ``ways``, and on which questions."""

    chosen: Way
    ways: tuple[Way, ...]
    wanted: Wanted
    questions_hash: str
    n: int

    def too_dear(self, way: Way) -> bool:
        return way.stopping.tokens > _most_tokens(self.ways, self.wanted)

    def record(self) -> dict[str, Any]:
        """For the certificate."""
        return {
            "questions_hash": self.questions_hash,
            "n": self.n,
            **asdict(self.wanted),
            "chosen": self.chosen.name,
            "ways": [
                {
                    "name": w.name,
                    "policy": w.policy.model_dump(),
                    "whole": w.whole.record(),
                    "stopping": w.stopping.record(),
                    "too_wrong": w.too_wrong,
                }
                for w in self.ways
            ],
        }


def candidates(start: Policy, strictest: float, opinions: Sequence[int], *, ways: bool) -> dict[str, Policy]:
    """The policies to try, by name, with the ``strictest`` threshold and without early stopping: the given one and, with
    ``ways``, all of ``WAYS`` that differ from it, are policies with its other values, and ask for no other number of fresh
    answers than the estimator can weigh."""
    base = to_the_end(start).model_copy(update={"accept": strictest})
    tried = {AS_GIVEN: base}
    for name, changes in WAYS.items() if ways else ():
        try:
            policy = Policy.model_validate(base.model_dump() | changes)
        except ValidationError:  # opinions at temperature 0, say
            continue
        if policy not in tried.values() and policy.opinions in (0, *opinions):
            tried[name] = policy
    return tried


def way_of(name: str, policy: Policy, runs: Sequence[Recorded], wanted: Wanted) -> Way:
    """What becomes of a policy that was tried, from its runs at its own threshold, the strictest, and at those of ``tune.grid``
    up to it."""
    counts = count_all(grid(policy.lowest_accept, policy.accept), [r.given for r in runs])
    kept = [c for c in counts if c.error is not None and c.error <= wanted.max_error]
    if not kept:
        nothing = replayed(policy, runs)
        return Way(name, policy, nothing, nothing, too_wrong=True)
    accepting = policy.model_copy(update={"accept": max(kept, key=lambda c: c.accepted).threshold})
    stopped, stopping = stop_early(accepting, runs, wanted.lose)
    return Way(name, stopped, replayed(accepting, runs), stopping)


def choose(ways: Sequence[Way], questions: Sequence[Question], wanted: Wanted) -> Choice:
    """The way to answer. Raises ``Failure`` where none keeps the error at any threshold."""
    possible = [w for w in ways if not w.too_wrong]
    if not possible:
        raise Failure(
            f"on the {len(questions)} questions to choose on no threshold keeps the error at {wanted.max_error:g}: allow a "
            "larger --max-error, or improve the model or the estimator; the questions to tune on were not looked at"
        )
    chosen = _cheapest_of_the_best(possible, _most_tokens(ways, wanted))
    return Choice(chosen, tuple(ways), wanted, questions_hash(questions), len(questions))


def _most_tokens(ways: Sequence[Way], wanted: Wanted) -> float:
    return wanted.most_tokens * min(w.whole.tokens for w in ways)


def _cheapest_of_the_best(ways: Sequence[Way], most_tokens: float) -> Way:
    """Of the ways that take at most so many tokens (where all take more, of the cheapest) the cheapest that answers as many
    questions as the best, up to one standard error of their difference: the questions are the same, so that those which
    only one of two answers make it."""
    least = min(w.stopping.tokens for w in ways)
    affordable = [w for w in ways if w.stopping.tokens <= max(most_tokens, least)]
    best = max(affordable, key=lambda w: (w.stopping.answered, -w.stopping.tokens))
    return min((w for w in affordable if _as_good(w.stopping, best.stopping)), key=lambda w: w.stopping.tokens)


def _as_good(one: Outcome, best: Outcome) -> bool:
    apart = sum((a is None) != (b is None) for a, b in zip(one.given, best.given, strict=True))
    return best.answered - one.answered <= math.sqrt(apart)
