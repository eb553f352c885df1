"""While a text is scored, an engine that can already writes on: the same run, and nothing is left behind."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from estimator.engines.base import EngineError, SampleRequest, Sampling, Streams
from estimator.engines.scripted import ScriptedEngine
from estimator.loading import Loaded
from estimator.positions import Position, PositionKind, cut
from estimator.scorers.scripted import ScriptedScorer
from estimator.types import Answer, Segment, Tokens
from graphs.events import DecisionEvent, QuestionEvent, ResultEvent, RevisionEvent, ScoreEvent, SegmentEvent
from graphs.policy import Policy
from graphs.reasoning import asolve, build_graph, solve
from tests.scenarios import GOOD, QUESTION, World, of, run, scene, worlds


class Ahead(ScriptedEngine):
    """The scripted engine with answers that can be begun; ``log`` keeps what became of each."""

    def begin(self, request: SampleRequest, sampling: Sampling, room: int) -> Kept:
        self.log.append(begun := Kept(self, request, sampling, room))
        return begun

    @property
    def log(self) -> list[Kept]:
        return self.__dict__.setdefault("_log", [])


class Kept:
    """A stream that gives what the engine would give if it were asked segment by segment."""

    def __init__(self, engine: Ahead, request: SampleRequest, sampling: Sampling, room: int) -> None:
        self.engine, self.sampling, self.end, self.room = engine, sampling, "", room
        self.prefix, self.index = request.prefix, request.first_index

    def next(self) -> Segment:
        assert not self.end and self.room > 0
        most = min(self.sampling.max_tokens, self.room)
        segment = self.engine._segment(self.prefix, self.index, replace(self.sampling, max_tokens=most))
        self.prefix, self.index = (*self.prefix, *segment.token_ids), 0
        self.room -= len(segment.token_ids)
        self.end = "finished" if segment.finished else ""
        return segment

    def cancel(self) -> None:
        self.end = self.end or "cancelled"


def writing_ahead(parts: tuple[ScriptedEngine, Any]) -> tuple[Ahead, Any]:
    engine, scorer = parts
    engine.__class__ = Ahead
    assert isinstance(engine, Ahead) and isinstance(engine, Streams)
    return engine, scorer


def facts(events: Sequence[Any]) -> list[dict[str, Any]]:
    """What happened, without the clock and the engine's name."""
    return [e.model_dump(exclude={"seconds", "engine"}) for e in events]


@given(worlds(look_ahead=False))
def test_a_run_is_the_same_and_every_answer_that_was_begun_ends(world: World) -> None:
    _, plain = run(world.parts(), world.policy)
    engine, scorer = writing_ahead(world.parts())
    _, events = run((engine, scorer), world.policy)
    assert facts(events) == facts(plain)
    assert {begun.end for begun in engine.log} <= {"finished", "cancelled"}
    revised = of(RevisionEvent, events)  # each begins anew, and so does an old branch that comes back
    assert 1 + len(revised) <= len(engine.log) <= 1 + len(revised) + sum(e.kept == "old" for e in revised)


def test_an_answer_is_begun_once_and_not_beside_a_look_ahead() -> None:
    engine, scorer = writing_ahead(scene(GOOD))
    _, events = run((engine, scorer), Policy())
    assert len(of(SegmentEvent, events)) == 3
    assert [begun.end for begun in engine.log] == ["finished"]
    engine, scorer = writing_ahead(scene(GOOD))
    run((engine, scorer), Policy(width=2, depth=1))
    assert engine.log == []


def test_a_score_that_fails_cancels_what_was_begun() -> None:
    engine, _ = writing_ahead(scene(GOOD))

    def broken(_: Answer) -> float:
        raise EngineError("the estimator is gone")

    with pytest.raises(EngineError, match="gone"):
        run((engine, ScriptedScorer(broken)), Policy())
    assert [begun.end for begun in engine.log] == ["cancelled"]


@pytest.mark.parametrize("kind", [QuestionEvent, ScoreEvent, DecisionEvent])
def test_a_listener_that_fails_leaves_nothing_begun(kind: type[Any]) -> None:
    engine, scorer = writing_ahead(scene(GOOD))

    def full(event: Any) -> None:
        if isinstance(event, kind):
            raise OSError("disk full")

    with pytest.raises(OSError, match="full"):
        solve(QUESTION, engine, scorer, Policy(), emit=full)
    assert [begun.end for begun in engine.log] == ["cancelled"]


def test_a_run_that_is_cancelled_while_it_scores_leaves_nothing_begun() -> None:
    engine, _ = writing_ahead(scene(GOOD))
    scoring, ended = threading.Event(), threading.Event()

    def slow(_: Answer) -> float:
        scoring.set()
        assert ended.wait(30)
        return 0.9

    async def cancelled() -> None:
        task = asyncio.create_task(asolve(QUESTION, engine, ScriptedScorer(slow), Policy()))
        await asyncio.to_thread(scoring.wait, 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        ended.set()

    asyncio.run(cancelled())  # returns when the node's thread has ended too
    assert [begun.end for begun in engine.log] == ["cancelled"]


def test_runs_of_a_graph_that_a_host_compiled_begin_nothing() -> None:
    """Their graph may serve several runs at once, which cannot be told apart."""
    engine, scorer = writing_ahead(scene(GOOD))
    build_graph(engine, scorer, Policy()).compile().invoke({"question": QUESTION})
    assert engine.log == []


# On a real server

PENS = "Tom has 3 pens and buys 4 more. How many pens does he have?"


def streamed(engine: Any, prefix: Tokens, sampling: Sampling, room: int = 60) -> list[Segment]:
    """All segments of an answer that is written ahead."""
    stream = engine.begin(SampleRequest(prefix, seed=5), sampling, room)
    segments = [stream.next()]
    while not segments[-1].finished and sum(len(s.token_ids) for s in segments) < room:
        segments.append(stream.next())
    return segments


@pytest.mark.parametrize("position", [Position(), Position(PositionKind.PERIODIC, every=7), Position(PositionKind.ENTROPY)])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_stream_is_the_sample_that_it_begins_with_cut_where_its_positions_are(
    served: Loaded, position: Position, temperature: float
) -> None:
    engine: Any = served.twin().engine
    prefix = engine.prompt_ids(PENS)
    whole = engine.sample([SampleRequest(prefix, seed=5)], Sampling(temperature, max_tokens=60, entropies=True))[0][0]
    segments = streamed(engine, prefix, Sampling(temperature, 60, position))
    assert [s.token_ids for s in segments] == [s.token_ids for s in cut(whole, position, engine.table)]
    assert [s.stop for s in segments] == [s.stop for s in cut(whole, position, engine.table)]
    assert np.allclose([p for s in segments for p in s.logprobs], whole.logprobs, atol=1e-4)
    assert len(segments) > 1 or position.kind is PositionKind.ENTROPY


def test_a_segment_of_a_stream_may_be_cut_short(served: Loaded) -> None:
    engine: Any = served.twin().engine
    prefix = engine.prompt_ids(PENS)
    lengths = [len(s.token_ids) for s in streamed(engine, prefix, Sampling(max_tokens=4, position=Position()), room=20)]
    assert max(lengths) == 4 and sum(lengths) <= 20


def test_a_stream_goes_on_while_others_are_answered_and_is_counted_as_it_is_handed_out(served: Loaded) -> None:
    engine: Any = served.twin().engine
    prefix = engine.prompt_ids(PENS)
    stream = engine.begin(SampleRequest(prefix, seed=5), Sampling(max_tokens=60, position=Position()), 60)
    engine.levels([prefix])  # meets it in one batch
    first = stream.next()
    assert engine.usage.generated == len(first.token_ids)
    engine.levels([(*prefix, *first.token_ids)])
    stream.next()
    stream.cancel()
    with pytest.raises(EngineError, match="stopped"):  # whoever waits for it still is told
        while True:
            stream.next()


def test_a_greedy_run_on_a_server_says_the_same_with_a_stream_and_without(served: Loaded) -> None:
    policy = Policy(accept=0, revise=0, abstain=0, drop=0, temperature=0)
    ahead = solve(PENS, served.twin().engine, served.scorer, policy)
    state = build_graph(served.twin().engine, served.scorer, policy).compile().invoke({"question": PENS})
    plain = ResultEvent.model_validate(state["result"])
    assert (ahead.answer, [p.text for p in ahead.paragraphs]) == (plain.answer, [p.text for p in plain.paragraphs])


def test_a_server_stops_what_is_cancelled(served: Loaded) -> None:
    engine: Any = served.twin().engine
    sampling = Sampling(max_tokens=900, temperature=2.0)
    nonsense = engine.text_ids("zq xv kj wq " * 10)  # behind which it does not find to an end for long
    drawn = [SampleRequest(nonsense, seed=seed) for seed in range(16)]
    lengths = [len(segment.token_ids) for [segment] in engine.sample(drawn, sampling)]
    longest = drawn[lengths.index(max(lengths))]
    assert max(lengths) > 150
    before, written = engine.usage.generated, _told(engine, "generation_tokens_total")
    begun = engine.begin(longest, sampling, 900)
    wait_until(lambda: _told(engine, "generation_tokens_total") > written, "the server never began")
    begun.cancel()
    wait_until(lambda: _told(engine, "num_requests_running") == 0, "the server writes on for nobody")
    assert _told(engine, "generation_tokens_total") - written < max(lengths)  # it did not end by itself
    assert engine.usage.generated == before


def wait_until(true: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.02)


def _told(engine: Any, name: str) -> float:
    """A figure by the server's own account."""
    import httpx

    lines = httpx.get(f"{engine.client.base_url}/metrics", timeout=30).text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(f"vllm:{name}{{"))
