"""The records of one run: a header, what happened, and how it ended. They hold facts; views and what-ifs are
derived."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

SCHEMA_VERSION = 2  # 2: second opinions
Outcome = Literal["answered", "abstained", "budget_spent"]
Purpose = Literal["answer", "revision", "opinion"]
Act = Literal["continue", "revise", "abstain", "finish"]  # of a paragraph that the result shows


class Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Score(Record):
    """A confidence with its 80 % interval and the readings it was combined from."""

    value: float = Field(ge=0, le=1)
    low: float = Field(ge=0, le=1)
    high: float = Field(ge=0, le=1)
    parts: dict[str, float] = {}


class Header(Record):
    event: Literal["header"] = "header"
    schema_version: int = SCHEMA_VERSION
    question: str
    model: str
    estimator: str
    engine: str
    hashes: dict[str, str]  # base, adapter, prompt, policy
    policy: dict[str, float | int | str]
    seed: int
    versions: dict[str, str]


class QuestionEvent(Record):
    """The question was read and scored: ``s = x``."""

    event: Literal["question"] = "question"
    prompt_tokens: int
    score: Score
    scored_tokens: int
    seconds: float


class SegmentEvent(Record):
    """A segment was written after ``index`` kept segments. ``attempt`` is the number of the revision that wrote it, 0
    if none did."""

    event: Literal["segment"] = "segment"
    index: int
    attempt: int
    purpose: Purpose
    text: str
    token_ids: list[int]
    logprobs: list[float]
    entropies: list[float]
    stop: Literal["position", "end", "length"]
    reused: bool = False  # it was a look-ahead branch or a second opinion: its tokens are counted there
    seconds: float


class ScoreEvent(Record):
    """The segment at ``index`` was scored (no tokens and no time if it was a look-ahead branch or of a second opinion, scored
    there)."""

    event: Literal["score"] = "score"
    index: int
    score: Score
    scored_tokens: int
    seconds: float


class Branch(Record):
    """A look-ahead branch: its own text and tokens, its score, and the score with what lies behind it folded in."""

    text: str
    tokens: int
    finished: bool
    score: Score
    adjusted: float
    children: list[Branch] = []


class LookaheadEvent(Record):
    """Branches were sampled behind the segment at ``index`` (-1: behind the question) and folded back into
    ``adjusted``."""

    event: Literal["lookahead"] = "lookahead"
    index: int
    branches: list[Branch]
    adjusted: float
    tokens: int
    scored_tokens: int
    seconds: float


class OtherAnswer(Record):
    """A fresh answer to the question: its text, its final answer and its score (both None where it was cut off or states
    none), whether it agrees with the answer in doubt, and its confidence held against all the others. One that was cut off
    for want of tokens (``finished`` is False) counts for nothing."""

    text: str
    answer: str | None
    agrees: bool
    finished: bool
    tokens: int
    score: Score | None
    weighed: float


class OpinionsEvent(Record):
    """The complete answer that ends with the segment at ``index`` was held against others. ``weighed`` is its own confidence
    after that. ``kept`` is 0 where it stays, or else the number (from 1) of the other that takes its place: its segments
    and scores follow."""

    event: Literal["opinions"] = "opinions"
    index: int
    others: list[OtherAnswer]
    weighed: float
    kept: int
    tokens: int
    scored_tokens: int
    seconds: float


class DecisionEvent(Record):
    """What was decided after the segment at ``index`` (-1: the question), and from what (see
    ``graphs.policy.Standing``)."""

    event: Literal["decision"] = "decision"
    index: int
    action: Act | Literal["consult"]
    reason: str
    cut: int | None = None
    scores: list[float]
    finished: bool
    stated: bool = True
    full: bool = False
    consulted: bool = False
    spent: int
    revisions: int


class RevisionEvent(Record):
    """The old and the new branch from the same cut were compared by their scores after the first segment behind it;
    the texts of the one that was rejected stay here."""

    event: Literal["revision"] = "revision"
    cut: int
    kept: Literal["old", "new"]
    rejected: list[str]
    rejected_score: float
    kept_score: float


class ParagraphResult(Record):
    text: str
    confidence: float
    adjusted: float | None
    decision: Act
    tokens: int


class ResultEvent(Record):
    """How it ended, with everything that ``solve --json`` prints besides the header's fields.

    ``tokens`` counts by what they were generated for: ``answer``, ``revised`` (resampled), ``lookahead`` (branches and
    second opinions; one that was kept counts here only); ``scoring`` counts tokens that the adapter read. ``seconds`` are of
    the machine's steps: what passes between two of them, where a host lets a run rest, is not among them. The texts of the
    paragraphs, joined without anything between, are the answer.
    """

    event: Literal["result"] = "result"
    outcome: Outcome
    answer: str | None
    confidence: float | None
    reason: str
    paragraphs: list[ParagraphResult]
    tokens: dict[str, int]  # answer, revised, lookahead, scoring
    seconds: dict[str, float]  # generate, score, total


class InterruptedEvent(Record):
    event: Literal["interrupted"] = "interrupted"
    reason: str


Event = Annotated[
    Header
    | QuestionEvent
    | SegmentEvent
    | ScoreEvent
    | LookaheadEvent
    | OpinionsEvent
    | DecisionEvent
    | RevisionEvent
    | ResultEvent
    | InterruptedEvent,
    Field(discriminator="event"),
]
Emit = Callable[[Event], None]
