"""Labels from the model itself: one-sample labels, and the paper's progressive pipeline (Algorithm 1).

All questions go through each round together, so that the engine always has a full batch, and samples that share a prefix are
one request, so that the engine computes it once.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from estimator.answers import is_correct
from estimator.engines.base import Engine, SampleRequest, Sampling
from estimator.positions import Position, cut
from estimator.types import Answer, Question, Segment, StopReason, Tokens
from training.embeddings import Embed, embedder
from training.labels import COMPLETE, MONTE_CARLO, SAMPLED, Labelled, Point
from training.medoids import medoids

DEFAULT_SAMPLING = Sampling(temperature=1.0, max_tokens=200)


@dataclass(frozen=True, slots=True)
class Sampled:
    """A complete sampled answer, cut at its calibration positions, whether it was right, and its text."""

    question: Question
    answer: Answer
    correct: bool
    text: str = ""


Groups = list[list[Sampled]]


def sample_answers(
    engine: Engine,
    questions: Sequence[Question],
    k: int,
    seed: int,
    sampling: Sampling = DEFAULT_SAMPLING,
    position: Position | None = None,
) -> Groups:
    """Per question k complete answers from scratch."""
    starts = [Answer(engine.prompt_ids(q.text)) for q in questions]
    return complete(engine, list(zip(questions, starts, strict=True)), k, seed, sampling, position)


def complete(
    engine: Engine,
    partials: Sequence[tuple[Question, Answer]],
    k: int,
    seed: int,
    sampling: Sampling = DEFAULT_SAMPLING,
    position: Position | None = None,
) -> Groups:
    """Per partial answer k completions, each with the partial answer's segments before its own, cut at ``position``."""
    position = position or Position()
    requests = [SampleRequest(a.token_ids, n=k, seed=seed) for _, a in partials]
    sampling = replace(sampling, entropies=sampling.entropies or position.by_entropy)
    out = []
    for (question, partial), segments in zip(partials, engine.sample(requests, sampling), strict=True):
        out.append([_sampled(engine, question, partial, s, position) for s in segments])
    return out


def _sampled(engine: Engine, question: Question, partial: Answer, written: Segment, position: Position) -> Sampled:
    answer = Answer(partial.prompt_ids, (*partial.segments, *cut(written, position, engine.table)))
    text = engine.decode(answer.token_ids[len(answer.prompt_ids) :])
    return Sampled(question, answer, written.finished and is_correct(question, text), text)


def ends(answer: Answer) -> list[int]:
    """Lengths in tokens of the prefixes that end at a calibration position, the bare prompt first."""
    lengths = [len(answer.prompt_ids)]
    for segment in answer.segments:
        lengths.append(lengths[-1] + len(segment.token_ids))
    return lengths


def one_sample_labels(sampled: Sequence[Sampled]) -> list[Labelled]:
    """Every sampled answer labels all its prefixes, itself included, with its own outcome: unbiased, and free."""
    return [_labelled(s, SAMPLED, tuple((n, int(s.correct), 1) for n in ends(s.answer))) for s in sampled]


def off_policy_labels(
    engine: Engine, questions: Sequence[Question], k: int, seed: int, hot: Sampling, sampling: Sampling = DEFAULT_SAMPLING
) -> list[Labelled]:
    """One-sample labels of partial answers that the model would seldom write: an answer is sampled as ``hot`` says, cut after
    one of its paragraphs, and completed as usual (where the cut is its end, it is what it is); the outcome labels the cut and
    what follows. How likely the model is to finish a text correctly does not depend on who wrote it, so such labels are as
    valid as any, and they hold the mistakes that sampling makes too rarely to learn from."""
    rng = random.Random(seed)
    whole, cuts = [], []
    for s in (s for group in sample_answers(engine, questions, k, seed, hot) for s in group):
        kept = rng.randint(1, len(s.answer.segments))
        if s.answer.segments[kept - 1].stop is StopReason.POSITION:
            cuts.append((s.question, s.answer.upto(kept)))
        elif s.answer.finished:
            whole.append((kept, s))
    done = complete(engine, cuts, 1, seed, sampling)
    whole += [(len(cut.segments), group[0]) for (_, cut), group in zip(cuts, done, strict=True)]
    return [_labelled(s, SAMPLED, tuple((n, int(s.correct), 1) for n in ends(s.answer)[kept:])) for kept, s in whole]


def complete_labels(sampled: Sequence[Sampled], per_question: int, seed: int) -> list[Labelled]:
    """Complete answers, 1 or 0 (Algorithm 1's last step): of each question at most ``per_question`` different ones, half of
    them right and half wrong at most, drawn with ``seed``."""
    pools: dict[str, tuple[dict[Tokens, Sampled], dict[Tokens, Sampled]]] = {}
    for s in sampled:
        if s.answer.finished:
            wrong, right = pools.setdefault(s.question.id, ({}, {}))
            (right if s.correct else wrong).setdefault(s.answer.token_ids, s)
    chosen = []
    for name, pair in pools.items():
        rng = random.Random(f"{seed}/{name}")
        for pool in pair:
            chosen += rng.sample(list(pool.values()), min(per_question // 2, len(pool)))
    return [_labelled(s, COMPLETE, ((len(s.answer.token_ids), int(s.correct), 1),)) for s in chosen]


def _labelled(s: Sampled, source: str, points: tuple[Point, ...]) -> Labelled:
    return Labelled(
        s.question.id, s.question.kind, source, s.answer.token_ids, points, len(s.answer.prompt_ids), s.question.text, s.text
    )


@dataclass(frozen=True, slots=True)
class Chain:
    """One line of partial answers: what has been kept so far, the points collected along it, and whether it goes on."""

    question: Question
    partial: Answer
    points: tuple[Point, ...]
    going: bool = True


@dataclass(frozen=True, slots=True)
class MonteCarlo:
    """The pipeline's labels, every answer that was sampled on the way, and the count of samples drawn."""

    labels: list[Labelled]
    answers: list[Sampled]
    drawn: int


def monte_carlo_labels(
    engine: Engine,
    questions: Sequence[Question],
    *,
    k: int,
    clusters: int,
    truncations: int,
    seed: int,
    sampling: Sampling = DEFAULT_SAMPLING,
    position: Position | None = None,
    embed: Embed | None = None,
) -> MonteCarlo:
    """Algorithm 1 for all questions at once: ``k`` samples a text, ``clusters`` chains a question (clustered once, after
    the first truncation), ``truncations`` partial answers a chain. Costs at most ``k (1 + clusters * truncations)``
    samples a question; chains that end early cost less."""
    if embed is None:
        embed, sampling = embedder(engine), replace(sampling, pool=position or Position())
    first = sample_answers(engine, questions, k, seed, sampling, position)
    rounds = Rounds(engine, clusters, truncations, seed, sampling, position, embed)
    return monte_carlo_from(first, rounds)


@dataclass(frozen=True, slots=True)
class Rounds:
    """How Algorithm 1 goes on from the first samples; ``notify`` is told of each round's number of samples."""

    engine: Engine
    clusters: int
    truncations: int
    seed: int
    sampling: Sampling
    position: Position | None
    embed: Embed
    notify: Callable[[int], None] = lambda drawn: None


def monte_carlo_from(first: Groups, rounds: Rounds) -> MonteCarlo:
    """``monte_carlo_labels``, given the first samples of every question (equally many of each)."""
    k = max(map(len, first), default=0)
    answers = [s for group in first for s in group]
    chains = list(_first_chains(first, rounds))
    for truncation in range(1, rounds.truncations + 1):
        going = [c for c in chains if c.going]
        if not going:
            break
        asked = [(c.question, c.partial) for c in going]
        groups = complete(rounds.engine, asked, k, rounds.seed + truncation, rounds.sampling, rounds.position)
        answers += [s for group in groups for s in group]
        grown = iter(_grown(going, groups, truncation < rounds.truncations, rounds.embed))
        chains = [next(grown) if c.going else c for c in chains]
        rounds.notify(k * len(going))
    return MonteCarlo([_chain_label(rounds.engine, c) for c in chains], answers, len(answers))


def _first_chains(first: Groups, rounds: Rounds) -> Iterator[Chain]:
    """The chains of every question; its own point stands in the first of them alone."""
    partials = [[s.answer.upto(1) for s in group if len(s.answer.segments) > 1] for group in first]
    for group, found in zip(first, medoids(partials, rounds.clusters, rounds.embed), strict=True):
        start = Answer(group[0].answer.prompt_ids)
        point = (len(start.prompt_ids), sum(s.correct for s in group), len(group))
        chains = [Chain(group[0].question, medoid, ()) for medoid in found]
        first_chain = chains[0] if chains else Chain(group[0].question, start, (), going=False)
        yield replace(first_chain, points=(point,))
        yield from chains[1:]


def _grown(chains: Sequence[Chain], groups: Groups, on: bool, embed: Embed) -> list[Chain]:
    """The chains with the point of their last round, and their next partial answer where one is wanted and there is one."""
    longer = [
        [s.answer.upto(n) for s in group if len(s.answer.segments) > n] if on else []
        for group, n in zip(groups, (len(c.partial.segments) + 1 for c in chains), strict=True)
    ]
    out = []
    for chain, group, found in zip(chains, groups, medoids(longer, 1, embed), strict=True):
        point = (len(chain.partial.token_ids), sum(s.correct for s in group), len(group))
        grown = replace(chain, points=(*chain.points, point), going=bool(found))
        out.append(replace(grown, partial=found[0]) if found else grown)
    return out


def _chain_label(engine: Engine, chain: Chain) -> Labelled:
    question, prompt = chain.question, len(chain.partial.prompt_ids)
    tokens, text = chain.partial.token_ids, engine.decode(chain.partial.token_ids[prompt:])
    return Labelled(question.id, question.kind, MONTE_CARLO, tokens, chain.points, prompt, question.text, text)
