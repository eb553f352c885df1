"""What fresh samples take: the time of a pool that several methods share."""

from __future__ import annotations

import time
from collections.abc import Sequence

from estimator.baselines.pool import Draws, SamplePool
from estimator.types import Answer


class ClockedPool(SamplePool):
    """A pool that knows how long its samples took, so that the methods which find them drawn are charged like the one that
    came first. ``asked`` counts requests; ``seconds`` and ``tokens`` are of what was really drawn."""

    asked: int = 0
    seconds: float = 0.0
    tokens: int = 0

    def draw(self, answers: Sequence[Answer]) -> list[Draws]:
        self.asked += 1
        known = set(self._drawn)
        started = time.perf_counter()
        draws = super().draw(answers)
        self.seconds += time.perf_counter() - started
        self.tokens += sum({d.prefix: d.tokens for d in draws if d.prefix not in known}.values())
        return draws

    @property
    def seconds_a_token(self) -> float:
        return self.seconds / self.tokens if self.tokens else 0.0
