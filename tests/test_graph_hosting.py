"""The machine and its surroundings: failures, interruptions, checkpointers, streams."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver

from estimator.calibration import Logistic
from estimator.engines.base import EngineError, EngineUnreachable
from estimator.engines.scripted import ScriptedEngine
from estimator.types import Answer
from graphs.events import Event, InterruptedEvent, QuestionEvent, SegmentEvent
from graphs.policy import Policy
from graphs.reasoning import asolve, build_graph, solve
from graphs.trace import TraceError, TraceWriter, read_trace
from tests.scenarios import BAD, GOOD, QUESTION, of, run, scene

# Failures and interruptions


@pytest.mark.parametrize("failing_call", range(1, 4))
@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (EngineUnreachable("no answer from the server"), "no answer from the server"),
        (KeyboardInterrupt(), "interrupted"),
        (ZeroDivisionError("a fault"), "ZeroDivisionError: a fault"),
    ],
)
def test_an_interrupted_run_leaves_a_readable_trace(failing_call: int, failure: BaseException, reason: str, tmp_path: Path):
    engine, scorer = scene(GOOD, failures={failing_call: failure})
    with TraceWriter(tmp_path / "t") as writer, pytest.raises(type(failure)):
        solve(QUESTION, engine, scorer, Policy(), emit=writer)
    trace = read_trace(tmp_path / "t")
    assert trace.complete and trace.result is None
    assert isinstance(trace.events[-1], InterruptedEvent)
    assert trace.events[-1].reason == reason
    assert len(of(SegmentEvent, trace.events)) == failing_call - 1


class BrokenScorer:
    name = "broken"
    opinions: Mapping[int, Logistic] = {}

    def score(self, answers):
        raise EngineError("the estimator's readout is not finite")


def test_a_failed_score_is_never_a_number():
    events: list[Event] = []
    with pytest.raises(EngineError, match="not finite"):
        solve(QUESTION, scene(GOOD)[0], BrokenScorer(), Policy(), emit=events.append)
    assert [e.event for e in events] == ["header", "interrupted"]
    with pytest.raises(EngineError, match="not finite"):
        asyncio.run(asolve(QUESTION, scene(GOOD)[0], BrokenScorer(), Policy(), emit=events.append))


def test_cancelling_is_an_interruption():
    class SlowEngine(ScriptedEngine):
        def sample(self, requests, sampling):
            time.sleep(0.2)
            return super().sample(requests, sampling)

    engine = SlowEngine({QUESTION: [GOOD]})
    events: list[Event] = []

    async def cancelled() -> None:
        await asyncio.wait_for(asolve(QUESTION, engine, scene(GOOD)[1], Policy(), emit=events.append), 0.1)

    with pytest.raises(TimeoutError):
        asyncio.run(cancelled())  # which waits for the thread that still writes
    assert engine.calls == 1 and events[-1].event == "interrupted", "what it writes is told no more"


def test_a_trace_that_cannot_be_written_stops_the_run():
    def full(event: Event) -> None:
        if isinstance(event, QuestionEvent):
            raise TraceError("no space left")

    with pytest.raises(TraceError):
        solve(QUESTION, *scene(GOOD), Policy(), emit=full)


# What a host gets


def test_a_host_sees_the_events_in_the_custom_stream():
    graph = build_graph(*scene(BAD, GOOD), Policy()).compile()
    streamed = list(graph.stream({"question": QUESTION}, stream_mode="custom"))
    _, events = run(scene(BAD, GOOD), Policy())
    assert [e["event"] for e in streamed] == [e.event for e in events[1:]]
    assert all(json.dumps(e) for e in streamed)


def test_the_seed_and_the_prefix_reach_the_engine():
    engine, scorer = scene(GOOD)
    asked = []
    inner = engine.sample
    engine.sample = lambda requests, sampling: (asked.extend(requests), inner(requests, sampling))[1]
    run((engine, scorer), Policy(), seed=7)
    assert {r.seed for r in asked} == {7}
    assert asked[0].prefix == Answer(engine.prompt_ids(QUESTION)).token_ids


CHECKPOINTED = """
import warnings
warnings.simplefilter("error")
from langgraph.checkpoint.memory import InMemorySaver
from graphs.policy import Policy
from graphs.reasoning import build_graph
from tests.scenarios import BAD, GOOD, QUESTION, scene
for policy in (Policy(), Policy(width=2, depth=2)):
    graph = build_graph(*scene(BAD, GOOD), policy).compile(checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "1"}}
    first = graph.invoke({"question": QUESTION}, config)["result"]
    again = graph.invoke({"question": QUESTION}, config)["result"]
    assert graph.get_state(config).values["result"] == again
    history = list(graph.get_state_history(config))
    middle = next(s for s in history if s.next == ("estimate",))
    resumed = graph.invoke(None, middle.config)["result"]
    for result in (again, resumed):
        assert {**result, "seconds": 0} == {**first, "seconds": 0}
print("kept")
"""


def test_a_strict_checkpointer_keeps_and_resumes_it():
    env = {**os.environ, "LANGGRAPH_STRICT_MSGPACK": "true"}
    done = subprocess.run([sys.executable, "-c", CHECKPOINTED], env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and done.stdout == "kept\n", done.stderr
    assert done.stderr == ""


def ticking(start: float) -> Callable[[], float]:
    """A clock on which every look takes a second."""
    looks = count(start)
    return lambda: next(looks)


def test_a_run_that_goes_on_elsewhere_counts_the_seconds_of_its_steps():
    """Another machine's clock has another zero, and a run may rest for days before it goes on."""
    engine, scorer = scene(GOOD, failures={2: EngineError("down")})
    saver, thread = InMemorySaver(), RunnableConfig(configurable={"thread_id": "1"})
    first = build_graph(engine, scorer, Policy(), clock=ticking(50_000)).compile(checkpointer=saver)
    with pytest.raises(EngineError, match="down"):
        first.invoke({"question": QUESTION}, thread)
    resumed = build_graph(engine, scorer, Policy(), clock=ticking(12)).compile(checkpointer=saver).invoke(None, thread)
    whole = build_graph(*scene(GOOD), Policy(), clock=ticking(12)).compile().invoke({"question": QUESTION})
    assert resumed["result"]["seconds"] == whole["result"]["seconds"]
    assert sum(v for k, v in whole["result"]["seconds"].items() if k != "total") <= whole["result"]["seconds"]["total"]


def test_a_thread_that_is_asked_again_forgets_what_it_answered():
    engine, scorer = scene(GOOD, failures={len(GOOD) + 1: EngineError("down")})
    graph = build_graph(engine, scorer, Policy()).compile(checkpointer=InMemorySaver())
    thread = RunnableConfig(configurable={"thread_id": "1"})
    assert graph.invoke({"question": QUESTION}, thread)["result"]["answer"] == "5"
    with pytest.raises(EngineError, match="down"):
        graph.invoke({"question": QUESTION}, thread)
    state = graph.get_state(thread).values
    assert state["result"] is None and state["decision"]["action"] == "continue"


@pytest.mark.parametrize("asked", [{"question": ""}, {"question": " \n"}, {"question": 5}, {}])
def test_what_is_no_question_is_refused(asked: Any):
    engine, scorer = scene(GOOD)
    with pytest.raises(ValueError, match="a run starts from"):
        build_graph(engine, scorer, Policy()).compile().invoke(asked)
    assert engine.calls == 0
