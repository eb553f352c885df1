"""Scripted questions, scorers and random worlds that several test files share."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from hypothesis import strategies as st

from estimator.calibration import OPINION_INPUTS, Logistic
from estimator.engines.scripted import ScriptedEngine, last_mentioned
from estimator.scorers.scripted import ScriptedScorer
from estimator.types import Question
from graphs.events import Event, Header, ResultEvent
from graphs.policy import Policy
from graphs.reasoning import solve
from graphs.trace import Trace

Kind = TypeVar("Kind")
QUESTION = "What is 2 + 3?"
GOOD = ["Add the numbers.", "That is right: 5.", "#### 5"]
BAD = ["Add the numbers.", "That is wrong: 6.", "#### 6"]
VALUES = {"Add": 0.6, "right": 0.9, "wrong": 0.1}
# Second opinions count as much as one's own: one that agrees raises the confidence, a rival lowers it.
EVEN = Logistic(inputs=list(OPINION_INPUTS), centre=[0.0] * 5, scale=[1.0] * 5, weights=[1.0, 1.0, 1.0, -1.0, -1.0], bias=0.0)
OPINIONS = dict.fromkeys(range(1, 4), EVEN)


def scorer_by_text(engine: ScriptedEngine, values: dict[str, float]) -> ScriptedScorer:
    read = last_mentioned(values)
    return ScriptedScorer(lambda answer: read(engine.decode(answer.token_ids)), opinions=OPINIONS)


def adding_one(questions: Sequence[Question], wrong: Collection[int]) -> dict[str, list[list[str]]]:
    """Three answers to each "What is i + 1?": the first is wrong where i is in ``wrong``, the second right, the third wrong."""
    return {
        q.text: [
            [f"Let me add one to {i}.", f"#### {-1 if i in wrong else i + 1}"],
            [f"Let me add one to {i}.", "Hm.", f"#### {i + 1}"],
            ["Another way.", f"#### {i + 2}"],
        ]
        for i, q in enumerate(questions)
    }


def by_chance(salt: int, text: str) -> float:
    """A confidence, in [0, 1], that is the same whenever it is asked for."""
    return hashlib.sha256(f"{salt}{text}".encode()).digest()[0] / 255


def scene(*answers: list[str], values: dict[str, float] | None = None, **engine: object):
    """An engine that gives these answers to QUESTION in turn, and a scorer by the text's last mentioned fragment."""
    made = ScriptedEngine({QUESTION: answers}, **engine)  # type: ignore[arg-type]
    return made, scorer_by_text(made, VALUES if values is None else values)


@dataclass(frozen=True)
class World:
    """A random script, random but fixed confidences, and a random policy."""

    answers: list[list[str]]
    salt: int
    policy: Policy

    def parts(self) -> tuple[ScriptedEngine, ScriptedScorer]:
        engine = ScriptedEngine({QUESTION: self.answers})
        return engine, ScriptedScorer(lambda a: self.confidence(engine.decode(a.token_ids)), opinions=OPINIONS)

    def confidence(self, text: str) -> float:
        return by_chance(self.salt, text)


@st.composite
def policies(draw: st.DrawFn, look_ahead: bool = True) -> Policy:
    accept = draw(st.floats(0, 1))
    give_up, abstain, revise = (min(draw(st.floats(0, 1)), accept) for _ in range(3))
    width = draw(st.integers(0, 3)) if look_ahead else 0
    return Policy(
        accept=accept,
        revise=revise,
        abstain=abstain,
        give_up=give_up / 4,  # else most runs end at the question
        drop=draw(st.floats(0, 1)),
        max_revisions=draw(st.integers(0, 4)),
        budget=draw(st.integers(1, 600) | st.integers(600, 3000)),
        width=width,
        depth=draw(st.integers(1, 2)) if width else 0,
        alpha=draw(st.floats(0, 1)),
        position=draw(st.sampled_from(["paragraph", "paragraph", "periodic:7"])),
        opinions=draw(st.sampled_from([0, 1, 2, 3])),
        hopeless=draw(st.sampled_from([0.0, 0.0, 0.3])),
        sure=draw(st.sampled_from([1.0, 1.0, 0.7])),
    )


@st.composite
def worlds(draw: st.DrawFn, look_ahead: bool = True) -> World:
    paragraph = st.sampled_from(["So a.", "Then b is c.", "Hence\nd.", "x" * 300])
    last = st.sampled_from(["#### 5", "#### 6", "no answer at all"])
    answers = [[*draw(st.lists(paragraph, max_size=4)), draw(last)] for _ in range(draw(st.integers(1, 4)))]
    return World(answers, draw(st.integers(0, 999)), draw(policies(look_ahead)))


def as_trace(events: list[Event]) -> Trace:
    header = events[0]
    assert isinstance(header, Header)
    return Trace(header=header, events=events[1:], complete=True)


Parts = tuple[ScriptedEngine, ScriptedScorer]


def run(parts: Parts, policy: Policy, **options: Any) -> tuple[ResultEvent, list[Event]]:
    """The result of QUESTION, and all events of the run."""
    events: list[Event] = []
    engine, scorer = parts
    return solve(QUESTION, engine, scorer, policy, emit=events.append, **options), events


def of(kind: type[Kind], events: list[Event]) -> list[Kind]:
    return [e for e in events if isinstance(e, kind)]


def texts(result: ResultEvent) -> list[str]:
    return [p.text.strip() for p in result.paragraphs]
