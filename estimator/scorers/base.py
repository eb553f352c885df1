"""The scorer: an answer in progress in, a confidence out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from estimator.types import Answer, Confidence


class Scorer(Protocol):
    """``score`` gives one confidence an answer, in order. It raises ``EngineError`` where it cannot; it never invents one."""

    @property
    def name(self) -> str: ...

    def score(self, answers: Sequence[Answer]) -> list[Confidence]: ...
