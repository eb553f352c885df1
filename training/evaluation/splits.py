"""Which questions: for methods that learn, for recalibration, and for the test; none on two sides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b

from estimator.types import Question
from training.evaluation.plan import Plan
from training.pretrain import Recipe, demonstrations
from training.questions import KINDS, questions

FILE_SHARES = (0.25, 0.40)  # of a file's questions up to here are for learning, from there up to here for recalibration
LEAST_QUESTIONS = 40


class TooFew(ValueError):
    """There are too few questions to split; the message says how many it takes."""


@dataclass(frozen=True, slots=True)
class Splits:
    """``tests`` has one list of questions a seed; ``study`` is for training estimators anew; ``more`` and ``more_platt`` are
    further questions to test and to recalibrate on, where what is measured costs little (``more`` may be empty)."""

    study: tuple[Question, ...]
    learn: tuple[Question, ...]
    platt: tuple[Question, ...]
    tests: tuple[tuple[Question, ...], ...]
    more: tuple[Question, ...] = ()
    more_platt: tuple[Question, ...] = ()

    @property
    def kinds(self) -> tuple[str, ...]:
        """In order of appearance in the test."""
        return tuple(dict.fromkeys(q.kind for test in self.tests for q in test))


def generated(plan: Plan) -> Splits:
    """Generated questions of the embedded model's kinds. Methods learn on the split that the shipped combination was fitted
    on, and are recalibrated on the policy's, which nothing that makes a score has seen."""
    first = plan.seeds[0]
    tests = tuple(_tests(plan, plan.per_kind, seed) for seed in plan.seeds)
    known = {q.text for test in tests for q in test}
    return Splits(
        study=_each_kind("train", plan.study, first) if plan.study else (),
        learn=_each_kind("fit", plan.learn, first),
        platt=_each_kind("policy", plan.platt, first),
        tests=tests,
        more=tuple(q for q in _tests(plan, plan.more, max(plan.seeds) + 1) if q.text not in known) if plan.more else (),
        more_platt=_each_kind("policy", plan.more_platt, first) if plan.more else (),
    )


def from_questions(asked: Sequence[Question], plan: Plan) -> Splits:
    """A user's own questions, split by a hash of their text; each seed samples its own answer to every test question.
    TooFew where there are not enough."""
    if len(asked) < LEAST_QUESTIONS:
        raise TooFew(f"{len(asked)} questions are too few to learn, recalibrate and test on: give {LEAST_QUESTIONS} or more")
    order = sorted({q.text: q for q in asked}.values(), key=lambda q: blake2b(q.text.encode()).digest())
    a, b = (int(share * len(order)) for share in FILE_SHARES)
    counted = list(zip(order[b:], _running_count([q.kind for q in order[b:]]), strict=True))
    most = len(plan.seeds) * plan.per_kind
    tests = tuple(q for q, n in counted if n <= most)
    more = tuple(q for q, n in counted if most < n <= most + plan.more)
    learn, platt = tuple(order[:a]), tuple(order[a:b])
    more = more if _as_many(more, tests) else ()  # a few more, or more of one kind, would say less than the test
    return Splits(learn if plan.study else (), learn, platt, (tests,) * len(plan.seeds), more, platt)


def _as_many(more: Sequence[Question], tests: Sequence[Question]) -> bool:
    """Whether there are as many of each kind."""
    counts, tested = Counter(q.kind for q in more), Counter(q.kind for q in tests)
    return all(counts[kind] >= n for kind, n in tested.items())


def unseen(kind: str, count: int, seed: int) -> list[Question]:
    """Test questions whose text does not occur in the embedded base's training."""
    return [q for q in questions(kind, "test", count + count // 5, seed) if q.text not in trained_texts()][:count]


@cache
def trained_texts() -> frozenset[str]:
    """Every question text of the embedded base's training."""
    return frozenset(d.question.text for phase in Recipe().phases for d in demonstrations(phase))


def _tests(plan: Plan, count: int, seed: int) -> tuple[Question, ...]:
    if not plan.checked:
        return _each_kind("test", count, seed)
    return tuple(q for kind in KINDS for q in unseen(kind, count, seed))


def _each_kind(split: str, count: int, seed: int) -> tuple[Question, ...]:
    return tuple(q for kind in KINDS for q in questions(kind, split, count, seed))


def _running_count(names: Sequence[str]) -> list[int]:
    """How often each name has occurred up to its place, itself included."""
    seen: Counter[str] = Counter()
    out = []
    for name in names:
        seen[name] += 1
        out.append(seen[name])
    return out
