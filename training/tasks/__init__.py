"""The tasks that the embedded model learns: arithmetic word problems, closed-book facts, multiple choice."""

from __future__ import annotations

import random
from collections.abc import Sequence

from estimator.types import Demonstration
from training.tasks import arithmetic, choice, facts

KINDS = ("arithmetic", "fact", "choice")


def draw(rng: random.Random, shares: Sequence[float], conclusion: str = "word") -> Demonstration:
    """One training demonstration; ``shares`` are the weights of the ``KINDS``, ``conclusion`` the form of a choice's last
    sentence."""
    kind = rng.choices(KINDS, weights=shares)[0]
    if kind == "arithmetic":
        return arithmetic.generate(rng)
    return facts.generate(rng) if kind == "fact" else choice.generate(rng, conclusion=conclusion)
