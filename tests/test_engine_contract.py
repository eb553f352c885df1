"""What every engine must hold to: the same cases against the local, the served and the scripted one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from estimator.engines.base import ContextTooLong, Engine, SampleRequest, Sampling
from estimator.engines.scripted import ScriptedEngine
from estimator.loading import local_engine, read_card
from estimator.positions import Position, cut, parse_position
from estimator.types import StopReason, Tokens

QUESTION = "Tom has 3 pens and buys 4 more. How many pens does he have?"
POSITIONS = ["paragraph", "periodic:4", "entropy:0.3"]
SCRIPT = {QUESTION: [["He has 3.", "3 + 4 = 7 pens.", "#### 7"], ["Take 3.", "3 + 4 = 8 pens.", "#### 8"]]}


@dataclass(frozen=True)
class Case:
    """An engine; ``draws`` says that it samples at random, which a script does not."""

    engine: Engine
    max_context: int
    draws: bool = True


@pytest.fixture(scope="module", params=["local", "vllm", "scripted"])
def case(request: pytest.FixtureRequest) -> Case:
    if request.param == "scripted":
        return Case(ScriptedEngine(SCRIPT, {"7": 0.9}, max_context=4096, entropy=lambda t: len(t) % 7 / 10), 4096, draws=False)
    if request.param == "vllm":
        return Case(request.getfixturevalue("served").engine, 1024)
    from estimator.loading import embedded_dir

    adapter = embedded_dir() / "adapter"
    return Case(local_engine(embedded_dir() / "base", adapter, read_card(adapter), name="embedded"), 1024)


@pytest.fixture(scope="module")
def prompt(case: Case) -> Tokens:
    return case.engine.prompt_ids(QUESTION)


def sample(case: Case, prompt: Tokens, n: int = 1, seed: int = 1, first_index: int = 0, **how: Any) -> list[Any]:
    how = {"max_tokens": 40, "entropies": True, **how}
    [segments] = case.engine.sample([SampleRequest(prompt, n, seed, first_index)], Sampling(**how))
    return segments


def test_text_and_ids_convert_without_loss(case: Case) -> None:
    for text in ("3 + 4 = 7", "a\n\nb", "#### 7"):
        assert case.engine.decode(case.engine.text_ids(text)) == text
    assert case.engine.decode((*case.engine.text_ids("7"), case.engine.end_id)) == "7"


def test_a_segment_says_all_of_its_tokens(case: Case, prompt: Tokens) -> None:
    for segment in sample(case, prompt, n=3):
        assert 1 <= len(segment.token_ids) == len(segment.logprobs) == len(segment.entropies) <= 40
        assert all(np.isfinite(segment.logprobs)) and max(segment.logprobs) <= 0 and min(segment.entropies) >= 0
        assert (segment.stop is StopReason.END) == (segment.token_ids[-1] == case.engine.end_id)


def test_entropies_change_nothing_else_and_may_be_missing_where_nobody_asks(case: Case, prompt: Tokens) -> None:
    for asked, plain in zip(sample(case, prompt, n=3), sample(case, prompt, n=3, entropies=False), strict=True):
        assert plain.token_ids == asked.token_ids and plain.stop == asked.stop
        np.testing.assert_allclose(plain.logprobs, asked.logprobs, atol=1e-5)
        assert plain.entropies in ((), asked.entropies)


def test_results_come_in_the_order_of_the_requests(case: Case, prompt: Tokens) -> None:
    requests = [SampleRequest(prompt, n=n, seed=2) for n in (2, 1, 3)]
    results = case.engine.sample(requests, Sampling(max_tokens=12))
    assert [len(r) for r in results] == [2, 1, 3]
    assert results[0][0].token_ids == results[1][0].token_ids == results[2][0].token_ids


def test_a_sample_is_a_function_of_seed_prefix_and_index(case: Case, prompt: Tokens) -> None:
    together = [s.token_ids for s in sample(case, prompt, n=4, seed=3)]
    assert [s.token_ids for s in sample(case, prompt, n=4, seed=3)] == together
    assert [s.token_ids for s in sample(case, prompt, n=2, seed=3, first_index=2)] == together[2:]
    if case.draws:
        assert len(set(together)) > 1
        assert [s.token_ids for s in sample(case, prompt, n=4, seed=4)] != together


def test_greedy_samples_are_all_the_same(case: Case, prompt: Tokens) -> None:
    if case.draws:
        segments = sample(case, prompt, n=3, temperature=0.0)
        assert len(segments) == 3 and len({s.token_ids for s in segments}) == 1


@pytest.mark.parametrize("position", POSITIONS)
def test_a_segment_ends_at_the_position_and_not_before(case: Case, prompt: Tokens, position: str) -> None:
    where = parse_position(position)
    [segment] = sample(case, prompt, position=where, temperature=0.0)
    assert len(cut(segment, where, case.engine.table)) == 1
    [whole] = sample(case, prompt, temperature=0.0)
    assert segment.token_ids == cut(whole, where, case.engine.table)[0].token_ids


def test_annotation_is_what_generation_said(case: Case, prompt: Tokens) -> None:
    [segment] = sample(case, prompt, max_tokens=20)
    logprobs, entropies = case.engine.annotate(prompt, segment.token_ids)
    np.testing.assert_allclose(logprobs, segment.logprobs, atol=1e-3)
    np.testing.assert_allclose(entropies, segment.entropies, atol=1e-3)


def test_levels_are_distributions_that_depend_on_the_text_alone(case: Case, prompt: Tokens) -> None:
    longer = (*prompt, *case.engine.text_ids("3 + 4 = 7 pens.\n\n"))
    first = case.engine.levels([prompt, longer, prompt])
    assert all(abs(sum(row) - 1) < 1e-5 and min(row) >= 0 for row in first)
    assert first[0] == pytest.approx(first[2], abs=1e-4) and first[0] != pytest.approx(first[1], abs=1e-3)
    assert case.engine.levels([longer])[0] == pytest.approx(first[1], abs=1e-4)
    assert case.engine.levels([]) == []


def test_scores_leave_no_trace_in_the_text(case: Case, prompt: Tokens) -> None:
    before = sample(case, prompt, temperature=0.0)[0].token_ids
    case.engine.levels([prompt])
    assert sample(case, prompt, temperature=0.0)[0].token_ids == before


def test_usage_counts_what_was_asked_for(case: Case, prompt: Tokens) -> None:
    before = case.engine.usage
    segments = sample(case, prompt, n=2, position=Position())
    case.engine.levels([(*prompt, *segments[0].token_ids)])
    after = case.engine.usage
    assert after.generated - before.generated == sum(len(s.token_ids) for s in segments)
    assert 0 < after.scored - before.scored <= len(prompt) + len(segments[0].token_ids)
    assert 0 <= after.prefilled - before.prefilled <= len(prompt)


def test_what_does_not_fit_the_context_is_refused(case: Case) -> None:
    long = case.engine.text_ids("7 ") * case.max_context
    for call in (lambda: case.engine.levels([long]), lambda: sample(case, long)):
        with pytest.raises(ContextTooLong, match=str(case.max_context)):
            call()
