"""How much is measured."""

from __future__ import annotations

from dataclasses import dataclass

from estimator.engines.base import Sampling

OPINIONS = (1, 2, 4)  # fresh answers that a complete one is held against


@dataclass(frozen=True, slots=True)
class Plan:
    """``seeds``: each draws its own test questions and answers. ``per_kind``, ``learn``, ``platt``: questions of each kind to
    test on (for each seed), for methods that learn, and for recalibration. ``samples``: fresh samples for methods that
    sample; ``oracle``: for the oracle. ``draws``: of the bootstrap. ``grid`` and ``grid_fit``: answers of each kind to look
    ahead from, for the test and for alpha. ``more`` and ``more_platt``: further questions of each kind, for the methods that
    cost no token beyond the answer's own (0 for none). ``open_ended``: questions of each sort without an answer.
    ``study``: questions of each kind that the training studies learn from, 0 for no studies. ``format_steps``: training steps
    that the embedded model gets to learn the format of stated confidences. ``checked``: leave out questions whose text occurs
    in the embedded base's training (making that text again takes a minute or two). ``max_tokens`` and ``temperature``: of every
    answer and completion, unless a table says otherwise."""

    seeds: tuple[int, ...] = (77, 78, 79)
    per_kind: int = 60
    learn: int = 400
    platt: int = 60
    samples: int = 30
    oracle: int = 64
    draws: int = 400
    grid: int = 80
    grid_fit: int = 40
    more: int = 720
    more_platt: int = 240
    open_ended: int = 100
    study: int = 400
    format_steps: int = 80
    checked: bool = True
    max_tokens: int = 200
    temperature: float = 1.0

    def sampling(self, temperature: float | None = None) -> Sampling:
        """How answers and completions are drawn, to their end."""
        return Sampling(temperature=self.temperature if temperature is None else temperature, max_tokens=self.max_tokens)


QUICK = Plan(
    per_kind=8,
    learn=30,
    platt=10,
    samples=8,
    oracle=16,
    draws=100,
    grid=6,
    grid_fit=4,
    more=24,
    more_platt=10,
    open_ended=10,
    study=0,
    format_steps=40,
    checked=False,
)
