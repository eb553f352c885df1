"""What every baseline is: a number for each prefix of a sampled answer, and what the number cost.

A method is one file with one small class. It is told in its constructor what it works with (an engine; a ``SamplePool`` if
it samples), learns from the fitting split in ``fit``, and never sees how the cases that it scores ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from estimator.engines.base import Engine
from estimator.signals import state_of
from estimator.types import Answer, Question


class BaselineError(RuntimeError):
    """A method was asked for what it cannot give; the message names the method and the reason."""


@dataclass(frozen=True, slots=True)
class Case:
    """A prefix of a sampled answer (``answer``; the bare prompt, some paragraphs, or all of it) and how that sampled
    answer ended (``correct``)."""

    question: Question
    answer: Answer
    correct: bool


@dataclass(frozen=True, slots=True)
class Scores:
    """One finite number a case, higher is surer, and the tokens each cost beyond writing the answer itself (prefilled and
    generated, counted and not estimated). ``drawn`` are those of them that went into fresh samples; None where, if any were
    drawn, all did. ``seconds`` is the time a case of what was computed for another method and used here again."""

    values: NDArray[np.float64]  # (cases,)
    tokens: NDArray[np.float64]  # (cases,)
    drawn: NDArray[np.float64] | None = None  # (cases,)
    seconds: float = 0.0


class Baseline(Protocol):
    """``name`` as the tables print it; ``source`` is author and year, and which variant; ``states`` (of
    ``estimator.signals.STATES``) are those it is defined in; ``is_probability`` says whether its raw value is meant as one."""

    @property
    def name(self) -> str: ...

    @property
    def source(self) -> str: ...

    @property
    def states(self) -> frozenset[str]: ...

    @property
    def is_probability(self) -> bool: ...

    def fit(self, cases: Sequence[Case]) -> None:
        """Learn from the fitting split; most methods have nothing to learn."""
        ...

    def score(self, cases: Sequence[Case]) -> Scores:
        """Raises ``BaselineError`` for a case in a state the method is not defined in, or before a ``fit`` it needs."""
        ...


def check_states(method: Baseline, cases: Sequence[Case]) -> None:
    """BaselineError where a case is in a state that the method is not defined in."""
    if outside := {state_of(c.answer) for c in cases} - method.states:
        raise BaselineError(f"{method.name} is not defined for a {min(outside)}: score {' and '.join(sorted(method.states))}")


def first_cases(method: Baseline, cases: Sequence[Case]) -> list[Case]:
    """The bare questions among the fitting cases, one a sampled answer, in an order that does not depend on that given."""
    bare = [c for c in cases if not c.answer.segments]
    if not bare:
        raise BaselineError(f"{method.name} learns from bare questions, and the fitting split holds none")
    return sorted(bare, key=lambda c: (c.answer.prompt_ids, c.correct))


def written(engine: Engine, answer: Answer) -> str:
    """The text of what has been written after the prompt."""
    return engine.decode(answer.token_ids[len(answer.prompt_ids) :])
