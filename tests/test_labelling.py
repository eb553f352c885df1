"""Algorithm 1 and one-sample labels, on a tiny model whose success is decided by a rule."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from estimator.engines.base import Sampling
from estimator.engines.local import LocalEngine
from estimator.positions import PositionKind, parse_position
from estimator.types import Answer, Grader, Question, Segment, StopReason
from training import labelling
from training.embeddings import embedder
from training.labelling import (
    complete,
    complete_labels,
    ends,
    monte_carlo_labels,
    off_policy_labels,
    one_sample_labels,
    sample_answers,
)
from training.labels import Labelled, data_hash, read_labels, write_labels
from training.medoids import medoid_rows

SAMPLING = Sampling(max_tokens=60)


@pytest.fixture()
def engine(tiny: Any) -> LocalEngine:
    model, tokenizer = tiny
    return LocalEngine(model, tokenizer, name="tiny")


@pytest.fixture()
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Question]:
    """Questions of which an answer is right when its text has an even length: often enough, and a matter of chance."""
    monkeypatch.setattr(labelling, "is_correct", lambda question, text: len(text) % 2 == 0)
    return [Question(f"How many are {n} and {n}?", (str(2 * n),), Grader.NUMBER, "arithmetic", f"q{n}") for n in range(6)]


def test_every_prefix_of_a_sampled_answer_carries_its_outcome(engine: LocalEngine, asked: list[Question]) -> None:
    sampled = [s for group in sample_answers(engine, asked, 3, 0, SAMPLING) for s in group]
    for s, row in zip(sampled, one_sample_labels(sampled), strict=True):
        assert [n for n, _, _ in row.points] == ends(s.answer)
        assert {(c, k) for _, c, k in row.points} == {(int(s.correct), 1)}
        assert row.points[-1][0] == len(row.token_ids)


def test_a_partial_answer_begun_otherwise_is_labelled_by_what_the_model_makes_of_it(
    engine: LocalEngine, asked: list[Question]
) -> None:
    hot = replace(SAMPLING, temperature=1.7)
    begun = {s.answer.token_ids for group in sample_answers(engine, asked, 60, 3, hot) for s in group}
    rows = off_policy_labels(engine, asked, 60, 3, hot, SAMPLING)
    assert len(rows) > len(asked)
    for row in rows:
        first, outcome, _ = row.points[0]
        assert row.num_prompt_tokens < first  # what the model makes of the bare question is another matter
        assert any(b[:first] == row.token_ids[:first] for b in begun)
        assert {c for _, c, _ in row.points} == {outcome} <= {0, int(len(row.text) % 2 == 0)}  # one that does not end is wrong
        assert row.points[-1][0] == len(row.token_ids)
    assert any(row.token_ids not in begun for row in rows) and any(row.token_ids in begun for row in rows)


def test_the_pipeline_counts_samples_and_keeps_to_its_budget(engine: LocalEngine, asked: list[Question]) -> None:
    k, clusters, truncations = 5, 2, 3
    made = monte_carlo_labels(engine, asked, k=k, clusters=clusters, truncations=truncations, seed=0, sampling=SAMPLING)
    assert made.drawn <= k * (1 + clusters * truncations) * len(asked)
    assert made.drawn == len(made.answers)
    for row in made.labels:
        prompt = engine.prompt_ids(next(q.text for q in asked if q.id == row.question_id))
        lengths = [n for n, _, _ in row.points]
        assert row.token_ids[: row.num_prompt_tokens] == prompt and lengths[0] >= len(prompt)
        assert lengths == sorted(set(lengths)) and lengths[-1] <= len(row.token_ids)
        assert all(0 <= c <= n == k for _, c, n in row.points)


def test_a_label_is_the_count_among_its_own_completions(engine: LocalEngine, asked: list[Question]) -> None:
    """Counters of one text never leak into the next: each point is counted again on completions drawn for that text alone."""
    k, seed = 6, 1
    made = monte_carlo_labels(engine, asked, k=k, clusters=2, truncations=2, seed=seed, sampling=SAMPLING)
    assert made.labels and len({(r.token_ids[:n]) for r in made.labels for n, _, _ in r.points}) == sum(
        len(r.points) for r in made.labels
    )
    questions, counted = {q.id: q for q in asked}, []
    for row in made.labels:
        prompt = row.num_prompt_tokens
        first = 0 if row.points[0][0] == prompt else 1  # the question's own point stands in one of its chains alone
        for round_number, (length, correct, _) in enumerate(row.points, start=first):
            ids = row.token_ids[prompt:length]
            kept = (Segment(ids, (0.0,) * len(ids), (0.0,) * len(ids), StopReason.POSITION),) if ids else ()
            partial = Answer(row.token_ids[:prompt], kept)
            [group] = complete(engine, [(questions[row.question_id], partial)], k, seed + round_number, SAMPLING)
            counted.append(correct)
            assert correct == sum(s.correct for s in group)
    assert any(counted)


def test_the_same_seed_gives_the_same_labels(engine: LocalEngine, asked: list[Question], tmp_path: Any) -> None:
    runs = [
        monte_carlo_labels(engine, asked, k=3, clusters=2, truncations=2, seed=4, sampling=SAMPLING).labels for _ in range(2)
    ]
    assert data_hash(runs[0]) == data_hash(runs[1])
    write_labels(tmp_path / "labels.parquet", runs[0])
    assert read_labels(tmp_path / "labels.parquet") == runs[0]


def test_the_hash_is_of_ids_sources_tokens_and_counts_alone() -> None:
    """The value that earlier versions gave, which shipped cards record; texts and splits beside them change nothing."""
    row = Labelled("q1", "fact", "sampled", (5, 6, 7), ((2, 1, 1), (3, 1, 1)))
    assert data_hash([row]) == "c96077ab2007ce62"
    assert data_hash([replace(row, text="t", question="q", split="held_out", num_prompt_tokens=2)]) == data_hash([row])
    assert data_hash([replace(row, points=((2, 0, 1), (3, 1, 1)))]) != data_hash([row])


@pytest.mark.parametrize("clusters", [1, 2, 3])
def test_a_medoid_is_the_member_with_the_least_total_distance_to_its_group(clusters: int) -> None:
    rng = np.random.default_rng(clusters)
    centres = 4 * np.eye(3, 8)[:clusters]
    vectors = np.concatenate([c + rng.normal(0, 0.3, (9, 8)) for c in centres])
    weights = rng.integers(1, 4, len(vectors)).astype(float)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    wanted = set()
    for begin in range(0, len(vectors), 9):
        group = slice(begin, begin + 9)
        cosine = 1 - unit[group] @ unit[group].T
        wanted.add(begin + int((cosine @ weights[group]).argmin()))
    assert set(medoid_rows(vectors, weights, clusters)) == wanted


@pytest.mark.parametrize("position", ["periodic:5", "entropy:1.0"])
def test_partial_answers_end_at_the_chosen_positions(engine: LocalEngine, asked: list[Question], position: str) -> None:
    rule = parse_position(position)
    made = monte_carlo_labels(
        engine, asked, k=3, clusters=2, truncations=2, seed=0, sampling=SAMPLING, position=rule, embed=embedder(engine)
    )
    lengths = [n - r.num_prompt_tokens for r in made.labels for n, _, _ in r.points]
    assert max(lengths) > 0
    if rule.kind is PositionKind.PERIODIC:
        assert all(n % 5 == 0 for n in lengths)


class Sparing:
    """The engine as a server is: no entropies where nobody asks for them."""

    def __init__(self, engine: LocalEngine) -> None:
        self._engine = engine

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def sample(self, requests: Any, sampling: Sampling) -> Any:
        done = self._engine.sample(requests, sampling)
        return done if sampling.needs_entropies else [[replace(s, entropies=()) for s in group] for group in done]


def test_answers_are_cut_by_entropy_where_it_has_to_be_asked_for(engine: LocalEngine, asked: list[Question]) -> None:
    sparing: Any = Sparing(engine)
    rule = parse_position("entropy:1.0")
    cut, expected = (sample_answers(e, asked, 2, 0, SAMPLING, rule) for e in (sparing, engine))
    assert cut == expected and any(len(s.answer.segments) > 1 for group in cut for s in group)


def test_complete_answers_are_bounded_and_balanced(engine: LocalEngine, asked: list[Question]) -> None:
    sampled = [s for group in sample_answers(engine, asked, 12, 0, SAMPLING) for s in group]
    rows = complete_labels(sampled, 4, 0)
    assert rows == complete_labels(sampled, 4, 0)
    counts = Counter((r.question_id, r.points[0][1]) for r in rows)
    assert max(counts.values()) <= 2 and len(rows) == len({r.token_ids for r in rows})
    assert all(r.points[0][0] == len(r.token_ids) for r in rows)
