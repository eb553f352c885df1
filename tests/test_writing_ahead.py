"""While a text is scored, an engine that can already writes on: the same run, and nothing is left behind."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given

from estimator.engines.base import EngineError, SampleRequest, Sampling, WritesAhead
from estimator.engines.scripted import ScriptedEngine
from estimator.loading import Loaded
from estimator.scorers.scripted import ScriptedScorer
from estimator.types import Answer, Segment
from graphs.events import DecisionEvent, QuestionEvent, RevisionEvent, ScoreEvent, SegmentEvent
from graphs.policy import Policy
from graphs.reasoning import asolve, build_graph, solve
from tests.scenarios import GOOD, QUESTION, World, of, run, scene, worlds


class Ahead(ScriptedEngine):
    """The scripted engine with segments that can be begun; ``log`` keeps what became of each."""

    def begin(self, request: SampleRequest, sampling: Sampling) -> Kept:
        segment = self._segment(request.prefix, request.first_index, sampling)
        self.log.append(begun := Kept(request.prefix, segment))
        return begun

    @property
    def log(self) -> list[Kept]:
        return self.__dict__.setdefault("_log", [])


class Kept:
    def __init__(self, prefix: tuple[int, ...], segment: Segment) -> None:
        self.prefix, self.segment, self.end = prefix, segment, ""

    def result(self) -> Segment:
        self.end = "used"
        return self.segment

    def cancel(self) -> None:
        self.end = "cancelled"


def writing_ahead(parts: tuple[ScriptedEngine, Any]) -> tuple[Ahead, Any]:
    engine, scorer = parts
    engine.__class__ = Ahead
    assert isinstance(engine, Ahead) and isinstance(engine, WritesAhead)
    return engine, scorer


def facts(events: Sequence[Any]) -> list[dict[str, Any]]:
    """What happened, without the clock and the engine's name."""
    return [e.model_dump(exclude={"seconds", "engine"}) for e in events]


@given(worlds(look_ahead=False))
def test_a_run_is_the_same_and_every_segment_that_was_begun_is_used_or_cancelled(world: World) -> None:
    _, plain = run(world.parts(), world.policy)
    engine, scorer = writing_ahead(world.parts())
    _, events = run((engine, scorer), world.policy)
    assert facts(events) == facts(plain)
    assert {begun.end for begun in engine.log} <= {"used", "cancelled"}
    used, went_on = [b for b in engine.log if b.end == "used"], [e for e in of(DecisionEvent, events) if e.action == "continue"]
    assert len(used) == len(went_on) or of(RevisionEvent, events)  # an old branch that comes back was dropped before


def test_nothing_is_begun_behind_a_complete_answer_or_beside_a_look_ahead() -> None:
    engine, scorer = writing_ahead(scene(GOOD))
    _, events = run((engine, scorer), Policy())
    assert len(engine.log) == len(of(SegmentEvent, events))
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
    assert engine.log[-1].end == "cancelled" and {begun.end for begun in engine.log} <= {"used", "cancelled"}


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


def test_what_a_server_began_is_what_it_would_have_written(served: Loaded) -> None:
    engine = served.twin().engine
    assert isinstance(engine, WritesAhead)
    request = SampleRequest(engine.prompt_ids("Tom has 3 pens and buys 4 more. How many pens does he have?"), seed=5)
    sampling = Sampling(max_tokens=30)
    begun = engine.begin(request, sampling)
    assert begun is not None
    engine.levels([request.prefix])  # meets it in one batch
    segment = begun.result()
    assert segment.token_ids == engine.sample([request], sampling)[0][0].token_ids
    assert engine.usage.generated == 2 * len(segment.token_ids)


def test_a_server_stops_what_is_cancelled(served: Loaded) -> None:
    engine: Any = served.twin().engine
    sampling = Sampling(max_tokens=900, temperature=2.0)
    nonsense = engine.text_ids("zq xv kj wq " * 10)  # behind which it does not find to an end for long
    drawn = [SampleRequest(nonsense, seed=seed) for seed in range(16)]
    lengths = [len(segment.token_ids) for [segment] in engine.sample(drawn, sampling)]
    longest = drawn[lengths.index(max(lengths))]
    assert max(lengths) > 150
    before, written = engine.usage.generated, _told(engine, "generation_tokens_total")
    begun = engine.begin(longest, sampling)
    wait_until(lambda: _told(engine, "generation_tokens_total") > written, "the server never began")
    begun.cancel()
    wait_until(lambda: _told(engine, "num_requests_running") == 0, "the server writes on for nobody")
    assert _told(engine, "generation_tokens_total") - written < max(lengths)  # it did not end by itself
    assert begun.future.cancelled() and engine.usage.generated == before


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
