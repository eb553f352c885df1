"""The labels of some questions, all of them in the same batches: what a labelling run does again and again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields, replace

from estimator.engines.base import COLDEST, Engine, Sampling
from estimator.positions import parse_position
from estimator.types import Question
from training.embeddings import Embed
from training.labelling import Rounds, complete_labels, monte_carlo_from, one_sample_labels, sample_answers
from training.labels import HELD_OUT, TRAIN, Labelled

HOTTEST = 10


@dataclass(frozen=True)
class LabelSettings:
    """What labels are made: Algorithm 1 with ``k`` samples a text (0: without it), ``clusters`` m and ``truncations`` T;
    ``one_sample`` answers a question that label all of their prefixes (taken from the k where they suffice); ``answers``
    complete answers a question, an even number: at most half of them right, half wrong. ``held_out`` is the share of the
    questions set apart, ``embed`` the sentence-transformers model that compares partial answers (None: the model's own
    states), ``chunk`` the questions that share batches. ValueError where something is out of range."""

    k: int = 30
    clusters: int = 2
    truncations: int = 3
    one_sample: int = 0
    answers: int = 4
    temperature: float = 1.0
    max_tokens: int = 256
    position: str = "paragraph"
    seed: int = 0
    held_out: float = 0.1
    embed: str | None = None
    chunk: int = 64

    def __post_init__(self) -> None:
        least = {"k": 0, "clusters": 1, "truncations": 0, "one_sample": 0, "answers": 0, "max_tokens": 1, "seed": 0, "chunk": 1}
        for name, low in least.items():
            if getattr(self, name) < low:
                raise ValueError(f"{name} is at least {low}, not {getattr(self, name)}")
        if not COLDEST <= self.temperature <= HOTTEST:
            raise ValueError(
                f"temperature lies between {COLDEST} and {HOTTEST} (greedy answers are all alike), not {self.temperature:g}"
            )
        if not 0 <= self.held_out < 1:
            raise ValueError(f"held_out is a share from 0 to below 1, not {self.held_out:g}")
        if self.k + self.one_sample == 0:
            raise ValueError("with k = 0 and one_sample = 0 there is nothing to label")
        if self.answers % 2:
            raise ValueError(f"answers is an even number, half of them right and half wrong at most, not {self.answers}")
        parse_position(self.position)

    @property
    def sampling(self) -> Sampling:
        clustered = self.k > 0 and self.embed is None
        return Sampling(self.temperature, self.max_tokens, pool=parse_position(self.position) if clustered else None)

    @property
    def samples_a_question(self) -> int:
        """The most samples that a question can cost: k(1 + mT), and the one-sample answers beyond k."""
        return self.k * (1 + self.clusters * self.truncations) + max(self.one_sample - self.k, 0)


@dataclass(frozen=True)
class Counts:
    """What a chunk cost and met: samples ``drawn``, ``tokens`` generated, samples that were ``right``, and samples that ran
    out of tokens (``unfinished``, counted as wrong)."""

    drawn: int = 0
    tokens: int = 0
    right: int = 0
    unfinished: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Counts)))

    def as_dict(self) -> dict[str, int]:
        return asdict(self)


def label_chunk(
    engine: Engine,
    questions: Sequence[Question],
    settings: LabelSettings,
    embed: Embed | None,
    notify: Callable[[int], None] = lambda drawn: None,
) -> tuple[list[Labelled], Counts]:
    """All labels of ``questions``; ``notify`` is told of every round's number of samples. ``embed`` is needed with k > 0."""
    before, position = engine.usage.generated, parse_position(settings.position)
    first_drawn = max(settings.k, settings.one_sample)
    first = sample_answers(engine, questions, first_drawn, settings.seed, settings.sampling, position)
    notify(first_drawn * len(questions))
    rows: list[Labelled] = []
    sampled = [s for group in first for s in group[settings.k :]]
    if settings.k and embed is not None:
        rounds = Rounds(
            engine, settings.clusters, settings.truncations, settings.seed, settings.sampling, position, embed, notify
        )
        made = monte_carlo_from([group[: settings.k] for group in first], rounds)
        rows, sampled = made.labels, made.answers + sampled
    rows += one_sample_labels([s for group in first for s in group[: settings.one_sample]])
    rows += complete_labels(sampled, settings.answers, settings.seed)
    counts = Counts(
        len(sampled),
        engine.usage.generated - before,
        sum(s.correct for s in sampled),
        sum(not s.answer.finished for s in sampled),
    )
    return [replace(row, split=split_of(row.question, settings.held_out)) for row in rows], counts


def split_of(question: str, held_out: float) -> str:
    """The split of a question, by a hash of its text alone: it stays where it is whatever is sampled beside it."""
    text = " ".join(question.split()).casefold()
    point = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") / 2**64
    return HELD_OUT if point < held_out else TRAIN
