"""The cases: every prefix of every sampled answer, and the named places among them that the tables ask for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from estimator.baselines.base import Case
from estimator.engines.base import Engine, Sampling
from estimator.signals import state_of
from estimator.types import Answer, Question
from training.evaluation.store import Store
from training.labelling import Sampled, sample_answers

PLACES = ("question", "first", "penultimate", "average", "complete")
Indices = NDArray[np.int64]
_ANSWERS = TypeAdapter(list[Sampled])


@dataclass(frozen=True, slots=True)
class Spot:
    """A case with its place: ``written`` of the answer's ``total`` paragraphs; ``answer`` numbers the sampled answer,
    ``seed`` the run it is from."""

    case: Case
    seed: int
    answer: int
    written: int
    total: int

    @property
    def state(self) -> str:
        return state_of(self.case.answer)

    def at(self, place: str) -> bool:
        """``first`` and ``penultimate`` are p(1) and p(z-1) of the paper's Table 1; ``average`` is all of p(1) to p(z-1)."""
        return {
            "question": self.written == 0,
            "first": self.written == 1 < self.total,
            "penultimate": self.written == self.total - 1 > 0,
            "average": 0 < self.written < self.total,
            "complete": self.written == self.total,
        }[place]


@dataclass(frozen=True)
class Cases:
    """Spots in a fixed order: answers one after the other, each from the bare question to the complete answer."""

    spots: tuple[Spot, ...]
    unfinished: int = 0  # answers left out because their tokens ran out

    @property
    def cases(self) -> list[Case]:
        return [s.case for s in self.spots]

    @property
    def correct(self) -> NDArray[np.float64]:
        return np.array([s.case.correct for s in self.spots], float)

    @property
    def questions(self) -> Indices:
        """A number for each question, by its text: what the bootstrap draws."""
        return np.unique([s.case.question.text for s in self.spots], return_inverse=True)[1]

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(s.case.question.kind for s in self.spots))

    def where(self, place: str, kind: str = "all") -> Indices:
        return np.array([i for i, s in enumerate(self.spots) if s.at(place) and kind in ("all", s.case.question.kind)], int)


def place_of(answer: Answer) -> dict[str, Answer]:
    """The named places of a complete answer; with one paragraph before the last, first and penultimate coincide."""
    z = len(answer.segments)
    return {"question": answer.upto(0), "first": answer.upto(1), "penultimate": answer.upto(max(z - 1, 1)), "complete": answer}


def spread(sampled: Sequence[Sampled], seeds: Sequence[int]) -> Cases:
    """Cases of sampled answers, each with its run's seed; an answer whose tokens ran out is counted and left out."""
    whole = [(s, seed) for s, seed in zip(sampled, seeds, strict=True) if s.answer.finished]
    spots = [
        Spot(Case(s.question, s.answer.upto(i), s.correct), seed, number, i, len(s.answer.segments))
        for number, (s, seed) in enumerate(whole)
        for i in range(len(s.answer.segments) + 1)
    ]
    return Cases(tuple(spots), len(sampled) - len(whole))


def gather(
    engine: Engine, store: Store, name: str, runs: Sequence[tuple[int, Sequence[Question]]], sampling: Sampling
) -> Cases:
    """One sampled answer to every question of every (seed, questions)."""
    sampled, seeds = [], []
    for seed, asked in runs:
        stage = f"answers {name}, seed {seed}, temperature {sampling.temperature:g}"
        made = store.keep(stage, partial(_sample, engine, asked, seed, sampling))
        sampled += _ANSWERS.validate_python(made)
        seeds += [seed] * len(asked)
    return spread(sampled, seeds)


def _sample(engine: Engine, asked: Sequence[Question], seed: int, sampling: Sampling) -> list:
    groups = sample_answers(engine, asked, 1, seed, sampling)
    return _ANSWERS.dump_python([group[0] for group in groups], mode="json")
