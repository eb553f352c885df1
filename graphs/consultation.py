"""Fresh answers to a question, heard beside the one that is in doubt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from estimator.engines.base import Engine
from estimator.opinions import Opinion, read, stated, weigh
from estimator.scorers.base import Scorer
from estimator.types import Answer, Confidence
from graphs.events import OtherAnswer, Score
from graphs.state import StepState, score_state, segment_state

EQUAL = 1e-4  # confidences no further apart are the same: two readings of one text differ by as much


@dataclass(frozen=True, slots=True)
class Heard:
    """A fresh answer with its text, its final answer and its confidence; the last two are None where it states none."""

    answer: Answer
    text: str
    said: str | None
    confidence: Confidence | None

    @property
    def opinion(self) -> Opinion:
        return Opinion.of(self.said, self.confidence, ended=self.answer.finished)

    @property
    def num_tokens(self) -> int:
        return len(self.answer.token_ids) - len(self.answer.prompt_ids)

    def record(self, *, agrees: bool, weighed: float) -> OtherAnswer:
        score = None if self.confidence is None else Score(**score_state(self.confidence))
        return OtherAnswer(
            text=self.text,
            answer=self.said,
            agrees=agrees,
            finished=self.answer.finished,
            tokens=self.num_tokens,
            score=score,
            weighed=weighed,
        )


def hear(answers: Sequence[Answer], engine: Engine, scorer: Scorer) -> list[Heard]:
    """Read the answers, and score those that came to their end and state something."""
    texts = [engine.decode(a.token_ids[len(a.prompt_ids) :]) for a in answers]
    said = list(map(stated, answers, texts))
    return [Heard(*told) for told in zip(answers, texts, said, read(answers, said, scorer), strict=True)]


@dataclass(frozen=True, slots=True)
class Consultation:
    """The answer in doubt and the fresh ones, each with its confidence held against all the others (``weighed``, the answer
    in doubt first)."""

    own: Opinion
    others: tuple[Heard, ...]
    weighed: tuple[float, ...]

    @property
    def kept(self) -> int:
        """The surest: 0 for the answer in doubt, which also stays among equals, else the number of the other from 1."""
        best = max(self.weighed)
        return next(i for i, value in enumerate(self.weighed) if value >= best - EQUAL)

    @property
    def taken(self) -> Heard | None:
        """The other answer that takes the place of the one in doubt, if any does."""
        return self.others[self.kept - 1] if self.kept else None

    @property
    def num_tokens(self) -> int:
        return sum(o.num_tokens for o in self.others)

    def records(self) -> list[OtherAnswer]:
        pairs = zip(self.others, self.weighed[1:], strict=True)
        return [o.record(agrees=o.opinion.agrees_with(self.own), weighed=w) for o, w in pairs]


def held_against(said: str, confidence: float, others: Sequence[Heard], scorer: Scorer) -> Consultation:
    """The answer that says ``said`` with ``confidence``, held against the others."""
    own = Opinion.of(said, confidence)
    return Consultation(own, tuple(others), tuple(weigh([own, *(o.opinion for o in others)], scorer.opinions)))


def steps_of(heard: Heard, engine: Engine, scorer: Scorer) -> list[StepState]:
    """A fresh answer as steps behind the question, scored at each of its calibration positions."""
    answer = heard.answer
    assert heard.confidence is not None, "only an answer that states something takes another's place"
    partial = [answer.upto(i) for i in range(1, len(answer.segments))]
    before = scorer.score(partial) if partial else []
    return [
        StepState(
            segment=segment_state(segment),
            text=engine.decode(segment.token_ids),
            score=score_state(confidence),
            adjusted=None,
            decision="continue",
        )
        for segment, confidence in zip(answer.segments, [*before, heard.confidence], strict=True)
    ]
