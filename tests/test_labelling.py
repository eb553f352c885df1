"""Algorithm 1 and one-sample labels, on a tiny model whose success is decided by a rule."""

from __future__ import annotations

from typing import Any

import pytest

from estimator.engines.base import Sampling
from estimator.engines.local import LocalEngine
from estimator.types import Grader, Question
from training import labelling
from training.labelling import ends, monte_carlo_labels, one_sample_labels, sample_answers
from training.labels import data_hash, read_labels, write_labels

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


def test_the_pipeline_counts_samples_and_keeps_to_its_budget(engine: LocalEngine, asked: list[Question]) -> None:
    k, clusters, truncations = 5, 2, 3
    made = monte_carlo_labels(engine, asked, k=k, clusters=clusters, truncations=truncations, seed=0, sampling=SAMPLING)
    assert made.drawn <= k * (1 + clusters * truncations) * len(asked)
    assert made.drawn == len(made.answers)
    for row in made.labels:
        prompt = engine.prompt_ids(next(q.text for q in asked if q.id == row.question_id))
        lengths = [n for n, _, _ in row.points]
        assert row.token_ids[: len(prompt)] == prompt and lengths[0] == len(prompt)
        assert lengths == sorted(set(lengths)) and lengths[-1] <= len(row.token_ids)
        assert all(0 <= c <= n == k for _, c, n in row.points)


def test_a_label_is_the_count_among_its_own_completions(engine: LocalEngine, asked: list[Question]) -> None:
    """Counters of one text never leak into the next: each point equals a count over answers that begin with that text."""
    made = monte_carlo_labels(engine, asked, k=4, clusters=2, truncations=2, seed=1, sampling=SAMPLING)
    for row in made.labels:
        for length, correct, k in row.points:
            matching = [a.correct for a in made.answers if a.answer.token_ids[:length] == row.token_ids[:length]]
            assert len(matching) >= k and sum(matching) >= correct


def test_the_same_seed_gives_the_same_labels(engine: LocalEngine, asked: list[Question], tmp_path: Any) -> None:
    runs = [
        monte_carlo_labels(engine, asked, k=3, clusters=2, truncations=2, seed=4, sampling=SAMPLING).labels for _ in range(2)
    ]
    assert data_hash(runs[0]) == data_hash(runs[1])
    write_labels(tmp_path / "labels.gz", runs[0])
    assert read_labels(tmp_path / "labels.gz") == runs[0]
