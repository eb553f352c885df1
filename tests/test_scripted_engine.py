"""The scripted engine holds to what it was told, and to the engine's protocol."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator.engines.base import (
    ContextTooLong,
    Engine,
    EngineError,
    EngineUnreachable,
    SampleRequest,
    Sampling,
)
from estimator.engines.scripted import ScriptedEngine
from estimator.positions import Position, parse_position
from estimator.scorers.scripted import ScriptedScorer
from estimator.types import PARAGRAPH_BREAK, Answer, StopReason
from tests.scenarios import BAD, GOOD, QUESTION, scene

PARAGRAPHS = Sampling(position=Position())
answers = st.lists(st.lists(st.sampled_from(["a", "bb", "c\nd", "é漢"]), min_size=1, max_size=4), min_size=1, max_size=4)


def engine_of(script: list[list[str]]) -> Engine:
    return ScriptedEngine({QUESTION: script})


@given(answers, st.integers(0, 9), st.sampled_from(["paragraph", "periodic:3", "entropy:0.1"]), st.integers(1, 9))
def test_segments_add_up_to_a_scripted_answer(script: list[list[str]], index: int, position: str, max_tokens: int):
    engine = engine_of(script)
    answer = Answer(engine.prompt_ids(QUESTION))
    sampling = Sampling(max_tokens=max_tokens, position=parse_position(position))
    while not answer.finished:
        [[segment]] = engine.sample([SampleRequest(answer.token_ids, first_index=index)], sampling)
        assert 1 <= len(segment.token_ids) <= max_tokens
        assert len(segment.token_ids) == len(segment.logprobs) == len(segment.entropies)
        answer = answer.then(segment)
    written = answer.token_ids[len(answer.prompt_ids) :]
    assert written[-1] == engine.end_id
    assert engine.decode(written) in [PARAGRAPH_BREAK.join(a) for a in script]


@given(answers, st.integers(1, 5), st.integers(0, 3))
def test_a_sample_depends_on_its_own_index_alone(script: list[list[str]], n: int, first: int):
    engine = engine_of(script)
    prefix = engine.prompt_ids(QUESTION)
    [together] = engine.sample([SampleRequest(prefix, n=n, first_index=first)], PARAGRAPHS)
    alone = engine.sample([SampleRequest(prefix, first_index=first + i) for i in range(n)], PARAGRAPHS)
    assert together == [one for [one] in alone]


def test_another_index_gives_another_paragraph_and_the_index_wraps():
    engine, _ = scene(BAD, GOOD)
    prefix = (*engine.prompt_ids(QUESTION), *engine.text_ids(BAD[0] + PARAGRAPH_BREAK))
    [segments] = engine.sample([SampleRequest(prefix, n=3)], PARAGRAPHS)
    texts = [engine.decode(s.token_ids).strip() for s in segments]
    assert texts == [BAD[1], GOOD[1], BAD[1]]
    assert {s.stop for s in segments} == {StopReason.POSITION}


@given(st.floats(0, 1))
def test_the_levels_have_the_scripted_mean(confidence: float):
    engine = ScriptedEngine({}, lambda _: confidence)
    [row] = engine.levels([engine.text_ids("anything")])
    assert sum(row) == pytest.approx(1) and sum(p > 0 for p in row) <= 2
    assert sum(p * v for p, v in zip(row, engine.level_values, strict=True)) == pytest.approx(confidence)


def test_the_fragment_mentioned_last_counts():
    engine = ScriptedEngine({}, {"right": 0.9, "not right": 0.2, "wrong": 0.1})
    rows = engine.levels([engine.text_ids(t) for t in ("wrong, then right", "right, then wrong", "not right", "else")])
    assert [sum(p * v for p, v in zip(r, engine.level_values, strict=True)) for r in rows] == pytest.approx(
        [0.9, 0.1, 0.2, 0.5]
    )


def test_annotation_agrees_with_generation():
    engine, _ = scene(GOOD, logprob=lambda text: -len(text) / 100, entropy=lambda text: len(text) / 50)
    prefix = engine.prompt_ids(QUESTION)
    [[segment]] = engine.sample([SampleRequest(prefix)], PARAGRAPHS)
    assert engine.annotate(prefix, segment.token_ids) == (segment.logprobs, segment.entropies)


def test_failures_come_at_the_call_they_were_set_for():
    engine, _ = scene(GOOD, failures={2: EngineUnreachable("down"), 3: EngineError("broken")})
    request = [SampleRequest(engine.prompt_ids(QUESTION))]
    engine.sample(request, PARAGRAPHS)
    with pytest.raises(EngineUnreachable):
        engine.levels([request[0].prefix])
    with pytest.raises(EngineError, match="broken"):
        engine.sample(request, PARAGRAPHS)
    engine.sample(request, PARAGRAPHS)


def test_what_is_not_in_the_script_is_an_error():
    engine, _ = scene(GOOD, max_context=40)
    with pytest.raises(EngineError, match="no answer to this question"):
        engine.sample([SampleRequest(engine.prompt_ids("Else?"))], PARAGRAPHS)
    with pytest.raises(EngineError, match="goes on"):
        engine.sample([SampleRequest((*engine.prompt_ids(QUESTION), *engine.text_ids("?")))], PARAGRAPHS)
    with pytest.raises(ContextTooLong):
        engine.levels([tuple(range(41))])


def test_the_scripted_scorer_cuts_its_interval_and_refuses_what_is_no_confidence():
    scored = ScriptedScorer(lambda a: a.prompt_ids[0] / 100)
    first, second = scored.score([Answer((5,)), Answer((50,))])
    assert (first.low, first.value, second.low, second.high) == (0.0, 0.05, 0.4, 0.6)
    with pytest.raises(ValueError, match="not a confidence"):
        scored.score([Answer((200,))])
