"""Labels from the model itself: one-sample labels, and the paper's progressive pipeline (Algorithm 1).

All questions go through each round together, so that the engine always has a full batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.cluster import KMeans

from estimator.answers import is_correct
from estimator.engines.base import SampleRequest, Sampling
from estimator.engines.local import LocalEngine
from estimator.positions import Position, cut
from estimator.types import Answer, Question, Segment
from training.labels import Labelled, Point

DEFAULT_SAMPLING = Sampling(temperature=1.0, max_tokens=200)


@dataclass(frozen=True, slots=True)
class Sampled:
    """A complete sampled answer, cut at its calibration positions, and whether it was right."""

    question: Question
    answer: Answer
    correct: bool


def sample_answers(
    engine: LocalEngine,
    questions: Sequence[Question],
    k: int,
    seed: int,
    sampling: Sampling = DEFAULT_SAMPLING,
    position: Position | None = None,
) -> list[list[Sampled]]:
    """Per question k complete answers from scratch."""
    starts = [Answer(engine.prompt_ids(q.text)) for q in questions]
    return complete(engine, list(zip(questions, starts, strict=True)), k, seed, sampling, position)


def complete(
    engine: LocalEngine,
    partials: Sequence[tuple[Question, Answer]],
    k: int,
    seed: int,
    sampling: Sampling = DEFAULT_SAMPLING,
    position: Position | None = None,
) -> list[list[Sampled]]:
    """Per partial answer k completions, each with the partial answer's segments before its own."""
    requests = [SampleRequest(a.token_ids, n=k, seed=seed) for _, a in partials]
    out = []
    for (question, partial), segments in zip(partials, engine.sample(requests, sampling), strict=True):
        out.append([_sampled(engine, question, partial, s, position or Position()) for s in segments])
    return out


def _sampled(engine: LocalEngine, question: Question, partial: Answer, written: Segment, position: Position) -> Sampled:
    answer = Answer(partial.prompt_ids, (*partial.segments, *cut(written, position, engine.table)))
    text = engine.decode(answer.token_ids[len(answer.prompt_ids) :])
    return Sampled(question, answer, written.finished and is_correct(question, text))


def ends(answer: Answer) -> list[int]:
    """Lengths in tokens of the prefixes that end at a calibration position, the bare prompt first."""
    lengths = [len(answer.prompt_ids)]
    for segment in answer.segments:
        lengths.append(lengths[-1] + len(segment.token_ids))
    return lengths


def one_sample_labels(sampled: Sequence[Sampled]) -> list[Labelled]:
    """Every sampled answer labels all its prefixes, itself included, with its own outcome: unbiased, and free."""
    return [
        Labelled(
            s.question.id,
            s.question.kind,
            "sampled",
            s.answer.token_ids,
            tuple((n, int(s.correct), 1) for n in ends(s.answer)),
        )
        for s in sampled
    ]


@dataclass(slots=True)
class Chain:
    """One line of partial answers: what has been kept so far, and the points collected along it."""

    question: Question
    partial: Answer
    points: list[Point]


@dataclass(frozen=True, slots=True)
class MonteCarlo:
    """The pipeline's labels, every answer that was sampled on the way, and the count of samples drawn."""

    labels: list[Labelled]
    answers: list[Sampled]
    drawn: int


def monte_carlo_labels(
    engine: LocalEngine,
    questions: Sequence[Question],
    *,
    k: int,
    clusters: int,
    truncations: int,
    seed: int,
    sampling: Sampling = DEFAULT_SAMPLING,
) -> MonteCarlo:
    """Algorithm 1 for all questions at once: ``k`` samples a text, ``clusters`` chains a question (clustered once, after
    the first truncation), ``truncations`` partial answers a chain. Costs at most ``k (1 + clusters * truncations)``
    samples a question; chains that end early cost less."""
    first = sample_answers(engine, questions, k, seed, sampling)
    answers, drawn = [s for group in first for s in group], k * len(questions)
    chains: list[Chain] = []
    for question, group in zip(questions, first, strict=True):
        point = (len(group[0].answer.prompt_ids), sum(s.correct for s in group), k)
        partials = [s.answer.upto(1) for s in group if len(s.answer.segments) > 1]
        medoids = _medoids(engine, partials, clusters)
        chains += [Chain(question, medoid, [point]) for medoid in medoids] or [
            Chain(question, Answer(group[0].answer.prompt_ids), [point])
        ]
    labels = []
    for truncation in range(1, truncations + 1):
        going = [c for c in chains if c.partial.segments]
        if not going:
            break
        done = complete(engine, [(c.question, c.partial) for c in going], k, seed + truncation, sampling)
        drawn += k * len(going)
        for chain, group in zip(going, done, strict=True):
            answers += group
            chain.points.append((len(chain.partial.token_ids), sum(s.correct for s in group), k))
            longer = [s.answer.upto(truncation + 1) for s in group if len(s.answer.segments) > truncation + 1]
            if not longer or truncation == truncations:
                labels.append(_label(chain))
                chains.remove(chain)
            else:
                chain.partial = _medoids(engine, longer, 1)[0]
    labels += [_label(c) for c in chains]
    return MonteCarlo(labels, answers, drawn)


def _label(chain: Chain) -> Labelled:
    return Labelled(chain.question.id, chain.question.kind, "monte_carlo", chain.partial.token_ids, tuple(chain.points))


def _medoids(engine: LocalEngine, partials: Sequence[Answer], clusters: int) -> list[Answer]:
    """The members nearest to the centres of ``clusters`` groups of like meaning (fewer where texts coincide)."""
    distinct = list({p.token_ids: p for p in partials}.values())
    if len(distinct) <= clusters:
        return distinct
    weights = np.array([sum(p.token_ids == d.token_ids for p in partials) for d in distinct], float)
    texts = [(d.prompt_ids, d.token_ids[len(d.prompt_ids) :]) for d in distinct]
    vectors = engine.embed(texts).numpy().astype(float)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    fitted = KMeans(clusters, random_state=0).fit(vectors, sample_weight=weights)
    near = fitted.transform(vectors)
    members = [np.flatnonzero(fitted.labels_ == c) for c in range(clusters)]
    return [distinct[m[near[m, c].argmin()]] for c, m in enumerate(members) if len(m)]
