"""The state of the machine: plain JSON types only, so that any LangGraph checkpointer can keep it.

``State`` is what the nodes pass on; the functions below convert to and from the frozen records and read a state.
"""

from __future__ import annotations

from itertools import chain
from typing import Any, TypedDict

from estimator.bci import Branch
from estimator.types import Answer, Confidence, Segment, StopReason
from graphs.policy import Standing


class SegmentState(TypedDict):
    token_ids: list[int]
    logprobs: list[float]
    entropies: list[float]
    stop: str


class ScoreState(TypedDict):
    value: float
    low: float
    high: float
    parts: dict[str, float]


class StepState(TypedDict):
    """One calibration position: the segment that leads to it (the question has none), its text, its own score, the
    score adjusted by a look-ahead, and the last decision taken there. What is not known yet is None."""

    segment: SegmentState | None
    text: str
    score: ScoreState | None
    adjusted: float | None
    decision: str | None


class BranchState(TypedDict):
    """The best branch of the last look-ahead: a scored segment that is ready to be taken over, and then what was seen behind
    it, until the next look-ahead."""

    segment: SegmentState
    score: ScoreState
    children: list[BranchState]


class RejectedState(TypedDict):
    """What a revision cut off (the steps behind the first ``cut`` segments, and its best look-ahead branch), until the
    comparison with the new branch decides which of the two stays."""

    cut: int
    steps: list[StepState]
    branch: BranchState | None


class DecisionState(TypedDict):
    action: str
    reason: str
    cut: int | None
    budget_spent: bool


class Ask(TypedDict):
    """What a run starts from."""

    question: str


class State(TypedDict):
    """A run goes in as ``question`` alone and comes out with ``result`` (a ``ResultEvent`` as JSON).

    ``steps[0]`` is the question and ``steps[i]`` the i-th segment. ``tokens`` and ``seconds`` count as in ``ResultEvent``;
    ``elapsed`` are the seconds of all steps up to here. ``decision`` and ``result`` are None where there is none yet.
    """

    question: str
    prompt_ids: list[int]
    steps: list[StepState]
    branch: BranchState | None
    rejected: RejectedState | None
    revisions: int
    consulted: bool
    tokens: dict[str, int]
    seconds: dict[str, float]
    elapsed: float
    decision: DecisionState | None
    result: dict[str, Any] | None


Update = dict[str, Any]  # some keys of State; LangGraph drops others silently, which is why the tests check each node


def segment_state(segment: Segment) -> SegmentState:
    return SegmentState(
        token_ids=[int(i) for i in segment.token_ids],  # an engine may hand out numpy numbers, which JSON refuses
        logprobs=[float(x) for x in segment.logprobs],
        entropies=[float(x) for x in segment.entropies],
        stop=segment.stop.value,
    )


def segment_of(state: SegmentState) -> Segment:
    return Segment(tuple(state["token_ids"]), tuple(state["logprobs"]), tuple(state["entropies"]), StopReason(state["stop"]))


def score_state(confidence: Confidence) -> ScoreState:
    return ScoreState(
        value=float(confidence.value),
        low=float(confidence.low),
        high=float(confidence.high),
        parts={name: float(x) for name, x in confidence.parts.items()},
    )


def branch_state(branch: Branch) -> BranchState:
    children = [branch_state(c) for c in branch.children]
    return BranchState(segment=segment_state(branch.segment), score=score_state(branch.confidence), children=children)


def branch_of(state: BranchState) -> Branch:
    children = tuple(branch_of(c) for c in state.get("children", []))  # a checkpoint of an earlier version has none
    return Branch(segment_of(state["segment"]), Confidence(**state["score"]), children)


def answer_of(state: State) -> Answer:
    """The answer in progress."""
    segments = (segment_of(s["segment"]) for s in state["steps"] if s["segment"] is not None)
    return Answer(tuple(state["prompt_ids"]), tuple(segments))


def answer_ids(state: State) -> list[int]:
    """The token ids of what is written, without the prompt."""
    return list(chain.from_iterable(s["segment"]["token_ids"] for s in state["steps"] if s["segment"] is not None))


def in_force(step: StepState) -> float:
    """The confidence that decisions go by: adjusted where looked ahead, the step's own otherwise."""
    if step["adjusted"] is not None:
        return step["adjusted"]
    assert step["score"] is not None, "a step is scored before anything is decided from it"
    return step["score"]["value"]


def finished(state: State) -> bool:
    segment = state["steps"][-1]["segment"]
    return segment is not None and segment["stop"] == StopReason.END


def spent(state: State) -> int:
    """All tokens generated so far: written, revised and looked ahead."""
    return sum(state["tokens"][purpose] for purpose in ("answer", "revised", "lookahead"))


def last_index(state: State) -> int:
    """The index of the last segment; -1 stands for the question."""
    return len(state["steps"]) - 2


def with_last_step(state: State, **known: Any) -> list[StepState]:
    """The steps, with more known of the last one."""
    *before, last = state["steps"]
    return [*before, {**last, **known}]  # type: ignore[typeddict-item]


def counted(
    state: State,
    *,
    answer: int = 0,
    revised: int = 0,
    lookahead: int = 0,
    scoring: int = 0,
    generate: float = 0.0,
    score: float = 0.0,
) -> Update:
    """The state's counters with these tokens and seconds added."""
    tokens = {"answer": answer, "revised": revised, "lookahead": lookahead, "scoring": scoring}
    seconds = {"generate": generate, "score": score}
    return {
        "tokens": {name: state["tokens"][name] + n for name, n in tokens.items()},
        "seconds": {name: state["seconds"][name] + n for name, n in seconds.items()},
    }


def standing_of(state: State, *, stated: bool, full: bool) -> Standing:
    return Standing(
        scores=tuple(map(in_force, state["steps"])),
        finished=finished(state),
        spent=spent(state),
        revisions=state["revisions"],
        stated=stated,
        full=full,
        consulted=state.get("consulted", False),  # a checkpoint of an earlier version has none
    )
