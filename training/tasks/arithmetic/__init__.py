"""Seeded English word problems in arithmetic with step-by-step solutions; ``generate`` draws one."""

from __future__ import annotations

import random

from estimator.types import ANSWER_CUE, Demonstration, Grader, Question
from training.tasks.arithmetic.chains import tell_chain
from training.tasks.arithmetic.engine import Pattern, parse_patterns
from training.tasks.arithmetic.more_steps import MORE
from training.tasks.arithmetic.one_step import (
    ADDITION,
    DIVISION,
    MULTIPLICATION,
    SUBTRACTION,
)
from training.tasks.arithmetic.styling import restyle
from training.tasks.arithmetic.templates import Scene
from training.tasks.arithmetic.two_steps import TWO

MOST_STEPS = 6
_STEP_SHARES = ((1, 0.32), (2, 0.59), (3, 0.75), (4, 0.86), (5, 0.94), (6, 1.0))
_CHAIN_SHARES = {1: 0.06, 2: 0.22, 3: 0.35, 4: 0.4, 5: 0.5, 6: 0.5}

PATTERNS: tuple[Pattern, ...] = tuple(
    pattern for table in (ADDITION, SUBTRACTION, MULTIPLICATION, DIVISION, TWO, MORE) for pattern in parse_patterns(table)
)


def _weighted(steps: int) -> list[Pattern]:
    """The patterns of this many steps, each repeated by its number of phrasings so that phrasings are drawn evenly."""
    return [pattern for pattern in PATTERNS if pattern.steps == steps for _ in range(min(len(pattern.phrasings), 5))]


_BY_STEPS = {steps: _weighted(steps) for steps in range(1, MOST_STEPS + 1)}


def _draw_steps(rng: random.Random) -> int:
    roll = rng.random()
    return next(steps for steps, share in _STEP_SHARES if roll < share)


def _tell(rng: random.Random, steps: int) -> tuple[Scene, list[str], list[str]]:
    pool = _BY_STEPS[steps]
    if not pool or rng.random() < _CHAIN_SHARES[steps]:
        return tell_chain(rng, steps)
    return pool[int(rng.random() * len(pool))].tell(rng)


def generate(rng: random.Random, *, steps: int | None = None) -> Demonstration:
    """Draw a word problem with its worked solution; ``steps`` (1 to 6) is drawn when not given."""
    if steps is None:
        steps = _draw_steps(rng)
    if not 1 <= steps <= MOST_STEPS:
        raise ValueError(f"steps must be 1 to {MOST_STEPS}, not {steps}")
    scene, sentences, solution = _tell(rng, steps)
    result = str(scene.result)
    question = Question(
        text=restyle(scene, sentences),
        answers=(result,),
        grader=Grader.NUMBER,
        kind="arithmetic",
        steps=steps,
    )
    return Demonstration(question, (*solution, f"{ANSWER_CUE} {result}"))
