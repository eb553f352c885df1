"""The tasks that the embedded model learns: arithmetic word problems, closed-book facts, multiple choice."""

from __future__ import annotations

import random

from estimator.types import Demonstration
from training.tasks import arithmetic, choice, facts

# Word problems need most of the training; facts are short and repeat.
SHARES = {"arithmetic": 0.62, "fact": 0.18, "choice": 0.20}


def draw(rng: random.Random) -> Demonstration:
    """One training demonstration of the mixture."""
    kind = rng.choices(tuple(SHARES), weights=tuple(SHARES.values()))[0]
    if kind == "arithmetic":
        return arithmetic.generate(rng)
    return facts.generate(rng) if kind == "fact" else choice.generate(rng)
