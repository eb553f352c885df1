"""The central records of one answer: a question, its paragraphs, what was sampled, and what a score says.

Every record is frozen and holds facts; anything that can be derived is a property. Token ids are the truth and text is a
view of them. The flow of one answer is ``Question -> Paragraph -> Confidence -> Decision``; the last is in ``graphs.policy``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from itertools import chain

PARAGRAPH_BREAK = "\n\n"
ANSWER_CUE = "####"


class Grader(StrEnum):
    """How an answer is compared with the references (see ``estimator.answers``)."""

    NUMBER = "number"
    CHOICE = "choice"
    ALIAS = "alias"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Question:
    """A question and, where known, what counts as a correct answer.

    ``answers`` are the accepted references (empty when none is known); ``kind`` names the family it comes from
    (``arithmetic``, ``fact``, ``choice``, or a data set); ``steps`` counts the steps of the reference solution, if any.
    """

    text: str
    answers: tuple[str, ...] = ()
    grader: Grader = Grader.NONE
    kind: str = "open"
    id: str = ""
    steps: int | None = None


@dataclass(frozen=True, slots=True)
class Demonstration:
    """A question with a worked answer to learn from; the last paragraph is ``#### answer``."""

    question: Question
    paragraphs: tuple[str, ...]

    @property
    def answer_text(self) -> str:
        return PARAGRAPH_BREAK.join(self.paragraphs)


Tokens = tuple[int, ...]


class StopReason(StrEnum):
    """Why a segment ended: at a calibration position, with the end of the answer, or because its tokens ran out."""

    POSITION = "position"
    END = "end"
    LENGTH = "length"


@dataclass(frozen=True, slots=True)
class Segment:
    """Tokens written in one go, from one calibration position to the next (with the default position, a paragraph).

    ``logprobs`` (nats) are of the tokens that were drawn and ``entropies`` (nats) of the distributions they were drawn
    from, both of the model's own distribution at temperature 1, whatever temperature was sampled at. ``entropies`` is empty
    where an engine was not asked for them and would have had to pay (``Sampling.entropies``).
    """

    token_ids: Tokens
    logprobs: tuple[float, ...]
    entropies: tuple[float, ...]
    stop: StopReason

    @property
    def finished(self) -> bool:
        return self.stop is StopReason.END


@dataclass(frozen=True, slots=True)
class Answer:
    """A prompt and what has been written after it: the paper's ``s``. No segment yet is ``s = x``."""

    prompt_ids: Tokens
    segments: tuple[Segment, ...] = ()

    @property
    def token_ids(self) -> Tokens:
        return (*self.prompt_ids, *chain.from_iterable(s.token_ids for s in self.segments))

    @property
    def finished(self) -> bool:
        return bool(self.segments) and self.segments[-1].finished

    def then(self, segment: Segment) -> Answer:
        return Answer(self.prompt_ids, (*self.segments, segment))

    def upto(self, num_segments: int) -> Answer:
        return Answer(self.prompt_ids, self.segments[:num_segments])


@dataclass(frozen=True, slots=True)
class Confidence:
    """The estimated chance that the model finishes this text with the correct answer (paper, equation 1).

    ``value`` and the 80 % interval ``low``..``high`` lie in [0, 1]; ``parts`` holds the readings it was combined from, by
    name (for the shipped score ``adapter`` and ``signals``).
    """

    value: float
    low: float
    high: float
    parts: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0.0 <= self.low <= self.value <= self.high <= 1.0:
            raise ValueError(f"not a confidence with its interval: {self.low} <= {self.value} <= {self.high}")
