"""When to go on, revise, ask for second opinions, abstain or finish: a frozen policy and one pure function over what has
been measured.

Live runs, tuning and replay all call the same ``decide``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from estimator.engines.base import COLDEST
from estimator.opinions import HOPELESS, SURE, in_doubt
from estimator.positions import parse_position

BELOW_ACCEPT = ("give_up", "abstain", "revise")  # thresholds that none may be above it


class Action(StrEnum):
    CONTINUE = "continue"
    REVISE = "revise"
    CONSULT = "consult"
    ABSTAIN = "abstain"
    FINISH = "finish"


class Policy(BaseModel):
    """Thresholds and bounds of one run. Confidences are in [0, 1], budgets in tokens.

    ``accept``: a complete answer below it is not given out, but revised while revisions are left, and then held back.
    ``revise``: a partial answer below it is revised while revisions are left; ``drop``: so is one that lost at least this
    much against the position before (0 switches that off). ``abstain``: below it an answer, partial or complete, is beyond
    revising and asking, and the run ends. ``give_up``: below it on the question itself the run ends before anything is written.
    ``max_revisions`` bounds resampling, ``budget`` all tokens of an answer: written, revised, looked ahead and of second
    opinions. ``width``, ``depth`` and ``alpha`` are BCI's w, d and alpha (paper, equation 3); ``position`` is as in
    ``estimator.positions.parse_position``. ``opinions``: how many fresh answers a complete one is held against (0
    switches that off) where its confidence is neither below ``hopeless`` nor as high as ``sure``; once a run, and
    nothing is revised after it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    accept: float = Field(default=0.5, ge=0, le=1)
    revise: float = Field(default=0.2, ge=0, le=1)
    drop: float = Field(default=0.4, ge=0, le=1)
    abstain: float = Field(default=0.1, ge=0, le=1)
    give_up: float = Field(default=0.0, ge=0, le=1)
    max_revisions: int = Field(default=2, ge=0, le=64)
    budget: int = Field(default=1024, ge=1)
    temperature: float = Field(default=1.0, ge=0, le=5)
    width: int = Field(default=0, ge=0, le=64)
    depth: int = Field(default=0, ge=0, le=8)
    alpha: float = Field(default=0.5, ge=0, le=1)
    position: str = "paragraph"
    opinions: int = Field(default=0, ge=0, le=16)
    hopeless: float = Field(default=HOPELESS, ge=0, le=1)
    sure: float = Field(default=SURE, ge=0, le=1)

    @property
    def lowest_accept(self) -> float:
        """What ``accept`` can be at least, the other values being as they are."""
        return max(getattr(self, name) for name in BELOW_ACCEPT)

    @field_validator("position")
    @classmethod
    def _one_spelling(cls, value: str) -> str:
        """``periodic`` is ``periodic:30``: policies are compared by their values, and told apart by their hash."""
        return str(parse_position(value))

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for name in BELOW_ACCEPT:
            if (value := getattr(self, name)) > self.accept:
                raise ValueError(
                    f"thresholds out of order: {name} = {value} is above accept = {self.accept}; raise accept, or lower "
                    f"{name} in a policy file"
                )
        if 0 < self.temperature < COLDEST:
            raise ValueError(f"temperature {self.temperature:g} is too low to sample at: give 0 (greedy) or {COLDEST} at least")
        if (self.width == 0) != (self.depth == 0):
            raise ValueError("width and depth of the look-ahead are both 0 (off) or both at least 1")
        if self.opinions and self.hopeless >= self.sure:
            raise ValueError(f"hopeless = {self.hopeless} is not below sure = {self.sure}: no confidence would leave doubt")
        if self.opinions and not self.temperature:
            raise ValueError("opinions at temperature 0 would all be the same answer: give 0 opinions or a temperature")
        return self


@dataclass(frozen=True, slots=True)
class Standing:
    """What a decision is made from. ``scores`` are the confidences in force (adjusted where looked ahead),
    ``scores[0]`` of the question and ``scores[i]`` after the i-th segment; ``finished`` says that the answer is
    complete, ``stated`` that a final answer can be read from it, ``full`` that the model's context has no room for more;
    ``spent`` counts all tokens so far; ``consulted`` says that second opinions have been heard."""

    scores: tuple[float, ...]
    finished: bool
    spent: int
    revisions: int
    stated: bool = True
    full: bool = False
    consulted: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """An action and its reason in plain words. ``cut`` (revise only) is the number of segments that are kept;
    ``budget_spent`` tells an answer that ran out of tokens from one that is not trusted."""

    action: Action
    reason: str
    cut: int | None = None
    budget_spent: bool = False


def decide(standing: Standing, policy: Policy) -> Decision:
    """What to do next, given the confidences so far. Pure: the same standing and policy give the same decision.

    It always comes to an end: going on spends budget, revising spends revisions, and opinions are heard once.
    """
    if standing.finished:
        return _when_complete(standing, policy)
    if standing.spent >= policy.budget:
        return Decision(Action.ABSTAIN, f"the budget of {policy.budget} tokens is spent", budget_spent=True)
    if standing.full:
        return Decision(Action.ABSTAIN, "the model's context is full", budget_spent=True)
    if len(standing.scores) == 1:
        return _at_the_question(standing.scores[0], policy)
    return _on_the_way(standing, policy)


def _when_complete(standing: Standing, policy: Policy) -> Decision:
    now = standing.scores[-1]
    if not standing.stated:
        return Decision(Action.ABSTAIN, "the answer is complete but states no final answer")
    beyond = now < policy.abstain
    doubted = policy.opinions > 0 and not standing.consulted and in_doubt(now, policy.hopeless, policy.sure) and not beyond
    if doubted and standing.spent * (1 + policy.opinions) <= policy.budget:  # each may be as long as all that was written
        return Decision(Action.CONSULT, f"complete, and {now:.2f} leaves doubt")
    alone = ", in doubt, with no budget for fresh answers" if doubted else ""
    if now >= policy.accept:
        return Decision(Action.FINISH, f"complete, and {now:.2f} reaches the acceptance threshold {policy.accept:.2f}{alone}")
    why = "complete, but {} is below the acceptance threshold {}".format(*_apart(now, policy.accept)) + alone
    if standing.consulted:  # another revision would be compared with a confidence that these opinions had no part in
        return Decision(Action.ABSTAIN, f"{why}, fresh answers heard")
    if beyond and policy.max_revisions:
        return Decision(Action.ABSTAIN, "complete, but {} is below {}: beyond revising".format(*_apart(now, policy.abstain)))
    if standing.spent >= policy.budget:
        return Decision(Action.ABSTAIN, f"{why} and the budget leaves no revision")
    if standing.revisions >= policy.max_revisions:
        return Decision(Action.ABSTAIN, f"{why} and no revision is left" if policy.max_revisions else why)
    return _revise(standing, why)


def _at_the_question(now: float, policy: Policy) -> Decision:
    if now < policy.give_up:
        return Decision(Action.ABSTAIN, "the question itself scores {}, below {}".format(*_apart(now, policy.give_up)))
    return Decision(Action.CONTINUE, "nothing is written yet")


def _on_the_way(standing: Standing, policy: Policy) -> Decision:
    before, now = standing.scores[-2:]
    if now < policy.abstain:
        beyond = ": beyond revising" if policy.max_revisions else ""
        return Decision(Action.ABSTAIN, "{} is below {}".format(*_apart(now, policy.abstain)) + beyond)
    if standing.revisions >= policy.max_revisions:
        return Decision(Action.CONTINUE, f"{now:.2f}, with no revision left" if policy.max_revisions else f"{now:.2f} so far")
    if before - now >= policy.drop > 0:
        return _revise(standing, f"this step lost {before - now:.2f}")
    if now < policy.revise:
        return _revise(standing, "{} is below {}".format(*_apart(now, policy.revise)))
    return Decision(Action.CONTINUE, f"{now:.2f} is good enough to go on")


def _revise(standing: Standing, why: str) -> Decision:
    cut = worst_step(standing.scores)
    fault = "lost most" if standing.scores[cut] > standing.scores[cut + 1] else "gained least"
    return Decision(Action.REVISE, f"{why}; paragraph {cut + 1} {fault}, so it is written again", cut)


def _apart(now: float, threshold: float) -> tuple[str, str]:
    """A confidence and the threshold that it is below, with two digits or as many more as it takes to see that."""
    shown = ((f"{now:.{digits}f}", f"{threshold:.{digits}f}") for digits in range(2, 17))
    return next((pair for pair in shown if pair[0] != pair[1]), (str(now), str(threshold)))


def worst_step(scores: Sequence[float]) -> int:
    """Number of segments to keep: all before the one whose confidence fell most (or rose least) against the position
    before it; of equal ones the first. ``scores`` holds at least two."""
    losses = [before - after for before, after in pairwise(scores)]
    return max(range(len(losses)), key=lambda i: losses[i])
