"""On a CPU the local engine writes in a process of its own while it reads: the same answers, and nothing is left behind."""

from __future__ import annotations

import fcntl
import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from estimator.engines import beside, local
from estimator.engines import threads as of_threads
from estimator.engines.base import EngineError, SampleRequest, Sampling
from estimator.engines.beside import can_fork
from estimator.engines.local import LocalEngine
from estimator.loading import Loaded, load
from estimator.positions import Position, PositionKind
from estimator.types import Segment
from graphs.events import ResultEvent, ScoreEvent
from graphs.policy import Policy
from graphs.reasoning import build_graph, solve
from tests.test_writing_ahead import wait_until
from training.questions import KINDS, questions

pytestmark = pytest.mark.skipif(not can_fork(), reason="writing beside reading takes a second core and fork")

PENS = "Tom has 3 pens and buys 4 more. How many pens does he have?"
PARAGRAPHS = Sampling(max_tokens=60, position=Position())
ENDLESS = Sampling(temperature=2.0, max_tokens=900)


@pytest.fixture
def own() -> Iterator[Loaded]:
    """The embedded model with an engine that no other test has begun anything on."""
    loaded = load()
    yield loaded
    _ended(loaded.engine)


def _ended(engine: Any) -> None:
    """Its process ends with what it belongs to."""
    if engine._writing is not None:
        pid, engine._writing = engine._writing.pid, None
        gc.collect()
        wait_until(lambda: not _runs(pid), "it writes on for nobody")


def segments_of(stream: Any) -> list[Segment]:
    return list(iter(stream.next, None))


def one_by_one(engine: Any, request: SampleRequest, sampling: Sampling, room: int) -> list[Segment]:
    """What ``sample`` gives, asked segment by segment."""
    out: list[Segment] = []
    while room > 0 and not (out and out[-1].finished):
        most = Sampling(sampling.temperature, min(sampling.max_tokens, room), sampling.position)
        [[segment]] = engine.sample([request], most)
        out.append(segment)
        request, room = SampleRequest((*request.prefix, *segment.token_ids), seed=request.seed), room - len(segment.token_ids)
    return out


@pytest.mark.parametrize(
    "position", [Position(), Position(PositionKind.PERIODIC, every=7), Position(PositionKind.ENTROPY), None]
)
@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize(("most", "room"), [(60, 60), (5, 60), (60, 9)])
def test_a_stream_is_what_is_sampled_segment_by_segment(
    embedded: Loaded, position: Position | None, temperature: float, most: int, room: int
) -> None:
    engine: Any = embedded.engine
    sampling = Sampling(temperature, most, position)
    for first_index in (0, 3):
        request = SampleRequest(engine.prompt_ids(PENS), seed=5, first_index=first_index)
        engine.forget()
        before = engine.usage
        streamed = segments_of(engine.begin(request, sampling, room))
        written = engine.usage.generated - before.generated
        assert streamed == one_by_one(engine, request, sampling, room)
        assert written == sum(len(s.token_ids) for s in streamed) <= room
        assert engine.usage.prefilled > before.prefilled


def test_a_run_is_the_same_with_a_stream_and_without(embedded: Loaded) -> None:
    policy = Policy(accept=0.6, revise=0.5, abstain=0.1, max_revisions=2, opinions=2)
    for question in [q.text for kind in KINDS for q in questions(kind, "test", 2, 31)]:
        ahead = solve(question, embedded.engine, embedded.scorer, policy, seed=3)
        state = build_graph(embedded.engine, embedded.scorer, policy, seed=3).compile().invoke({"question": question})
        plain = ResultEvent.model_validate(state["result"])
        without = {"seconds", "tokens"}  # what one of them finds in a cache the other computes
        assert ahead.model_dump(exclude=without) == plain.model_dump(exclude=without)
        assert ahead.tokens["answer"] == plain.tokens["answer"]


def test_one_stream_is_written_at_a_time(own: Loaded) -> None:
    engine: Any = own.engine
    request = SampleRequest(engine.prompt_ids(PENS), seed=5)
    first = engine.begin(request, PARAGRAPHS, 60)
    assert engine.begin(request, PARAGRAPHS, 60) is None
    expected = one_by_one(engine, request, PARAGRAPHS, 60)
    assert segments_of(first) == expected and first.next() is None
    assert segments_of(engine.begin(request, PARAGRAPHS, 60)) == expected


def test_runs_side_by_side_say_what_each_says_alone(own: Loaded) -> None:
    asked = [q.text for kind in KINDS for q in questions(kind, "test", 2, 31)]
    policy = Policy(accept=0.6, revise=0.5, abstain=0)

    def answered(question: str) -> list[str]:
        return [p.text for p in solve(question, own.engine, own.scorer, policy, seed=1).paragraphs]

    with ThreadPoolExecutor(3) as threads:
        together = list(threads.map(answered, asked))
    assert together == list(map(answered, asked))


def test_what_is_cancelled_stops_and_the_next_begins(own: Loaded) -> None:
    engine: Any = own.engine
    nonsense = SampleRequest(engine.text_ids("zq xv kj wq " * 10), seed=11)
    endless = engine.begin(nonsense, ENDLESS, 900)
    endless.cancel()
    with pytest.raises(EngineError, match="stopped"):
        endless.next()
    request = SampleRequest(engine.prompt_ids(PENS), seed=5)
    expected = one_by_one(engine, request, PARAGRAPHS, 60)
    stream = engine.begin(request, PARAGRAPHS, 60)
    assert stream.next() == expected[0]
    stream.cancel()
    stream.cancel()
    assert segments_of(engine.begin(request, PARAGRAPHS, 60)) == expected


def test_what_nobody_waits_for_is_cleared_away(own: Loaded) -> None:
    """A run that ends at its question cancels what it began; unread answers would fill the pipe."""
    engine: Any = own.engine
    request = SampleRequest(engine.prompt_ids(PENS), seed=5)
    for _ in range(600):
        while (stream := engine.begin(request, PARAGRAPHS, 60)) is None:
            time.sleep(0.001)
        stream.cancel()
    assert segments_of(engine.begin(request, PARAGRAPHS, 60)) == one_by_one(engine, request, PARAGRAPHS, 60)


def test_a_stopped_stream_is_no_error_of_the_next_one(own: Loaded) -> None:
    engine: Any = own.engine
    engine.begin(SampleRequest(engine.text_ids("zq xv kj wq " * 10), seed=11), ENDLESS, 900).cancel()
    stream = engine.begin(SampleRequest(engine.prompt_ids(PENS), seed=5), PARAGRAPHS, 60)
    os.kill(engine._writing.pid, signal.SIGKILL)
    segments_of(stream)  # ends, sooner or later
    assert engine.begin(SampleRequest(engine.prompt_ids(PENS), seed=5), PARAGRAPHS, 60).next() is not None


def test_whoever_waits_for_what_is_cancelled_is_told(own: Loaded) -> None:
    engine: Any = own.engine
    stream = engine.begin(SampleRequest(engine.text_ids("zq xv kj wq " * 10), seed=11), ENDLESS, 900)
    threading.Timer(0.2, stream.cancel).start()
    with pytest.raises(EngineError, match="stopped"):
        stream.next()


def test_an_answer_goes_on_where_the_process_is_killed(own: Loaded) -> None:
    engine: Any = own.engine
    request = SampleRequest(engine.prompt_ids(PENS), seed=5)
    stream = engine.begin(request, PARAGRAPHS, 60)
    stream.next()
    os.kill(engine._writing.pid, signal.SIGKILL)
    while stream.next() is not None:
        pass  # what had been written when it was killed
    policy = Policy(accept=0, revise=0, abstain=0)
    before = solve(PENS, engine, own.scorer, policy, seed=1)  # begun anew
    killed: list[int] = []

    def kill_once(_: Any) -> None:
        if not killed:
            killed.append(engine._writing.pid)
            os.kill(killed[0], signal.SIGKILL)

    after = solve(PENS, engine, own.scorer, policy, seed=1, emit=lambda e: kill_once(e) if isinstance(e, ScoreEvent) else None)
    assert killed and after.paragraphs == before.paragraphs and after.answer == before.answer


def test_an_interruption_while_it_waits_leaves_no_answer_for_somebody_else(own: Loaded, capfd: Any) -> None:
    engine: Any = own.engine
    stream = engine.begin(SampleRequest(engine.text_ids("zq xv kj wq " * 10), seed=11), ENDLESS, 900)
    threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        stream.next()
    stream.cancel()
    pid, request = engine._writing.pid, SampleRequest(engine.prompt_ids(PENS), seed=5)
    assert segments_of(engine.begin(request, PARAGRAPHS, 60)) == one_by_one(engine, request, PARAGRAPHS, 60)
    wait_until(lambda: not _runs(pid), "it writes on for nobody")
    assert capfd.readouterr().err == ""


def test_what_goes_wrong_there_is_raised_here(own: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise EngineError("the weights are gone")

    monkeypatch.setattr(LocalEngine, "_written", broken)
    engine: Any = own.engine
    stream = engine.begin(SampleRequest(engine.prompt_ids(PENS)), PARAGRAPHS, 60)
    with pytest.raises(EngineError, match="gone"):
        stream.next()
    assert stream.next() is None


@pytest.mark.parametrize("hindered", ["one core", "no fork", "half too slow"])
def test_without_a_process_an_answer_is_written_here(own: Loaded, monkeypatch: pytest.MonkeyPatch, hindered: str) -> None:
    def full(*_: Any) -> None:
        raise BlockingIOError("too many processes")

    policy = Policy(accept=0, revise=0, abstain=0)
    expected = solve(PENS, own.engine, own.scorer, policy, seed=1)
    if hindered == "one core":
        monkeypatch.setattr(beside, "_cores", lambda: 1)
    elif hindered == "half too slow":
        monkeypatch.setattr(local, "half_suffices", lambda _: False)
    else:
        monkeypatch.setattr(type(multiprocessing.get_context("fork").Process()), "start", full)
    engine: Any = load().engine
    assert engine.begin(SampleRequest(engine.prompt_ids(PENS)), PARAGRAPHS, 60) is None
    assert solve(PENS, engine, own.scorer, policy, seed=1).paragraphs == expected.paragraphs


@pytest.mark.parametrize(
    ("threads", "seconds", "suffices"), [(1, {}, True), (2, {1: 1.0, 2: 0.95}, True), (4, {2: 1.7, 4: 1.0}, False)]
)
def test_it_is_for_where_more_threads_are_not_faster(
    monkeypatch: pytest.MonkeyPatch, threads: int, seconds: dict[int, float], suffices: bool
) -> None:
    """One thread alone has nothing to lose; with more the shortest of several passes of a token decides."""
    now, passes = [0.0], []

    def model(**_: Any) -> None:
        passes.append(torch.get_num_threads())
        now[0] += seconds[passes[-1]] * (9 if len(passes) <= 2 else 1)  # threads are still asleep, or the machine was busy

    monkeypatch.setattr(of_threads, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    with of_threads.computing_with(threads):
        assert of_threads.half_suffices(model) == suffices
        assert torch.get_num_threads() == threads
    assert passes == list(seconds) * of_threads.ROUNDS


def test_whether_it_pays_is_measured_once_for_so_many_threads(own: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    engine: Any = own.engine
    request, timed = SampleRequest(engine.prompt_ids(PENS)), []

    def half_suffices(model: Any) -> bool:
        timed.append(torch.get_num_threads())
        return of_threads.half_suffices(model) and len(timed) > 1

    monkeypatch.setattr(local, "half_suffices", half_suffices)
    with of_threads.computing_with(2):
        assert engine.begin(request, PARAGRAPHS, 60) is engine.begin(request, PARAGRAPHS, 60) is None
    assert timed == [2]
    assert segments_of(engine.begin(request, PARAGRAPHS, 60))
    _ended(engine)
    assert segments_of(engine.begin(request, PARAGRAPHS, 60)) and timed == [2, 1]


def test_the_process_ends_with_its_engine_and_outlives_no_parent(own: Loaded) -> None:
    engine: Any = own.engine
    engine.begin(SampleRequest(engine.prompt_ids(PENS)), PARAGRAPHS, 60).cancel()
    assert _runs(engine._writing.pid)
    _ended(engine)
    engine.begin(SampleRequest(engine.prompt_ids(PENS)), PARAGRAPHS, 60)
    parent, theirs = multiprocessing.Pipe()
    killed = multiprocessing.get_context("fork").Process(target=_begins_and_waits, args=(engine, theirs))
    killed.start()
    pid, written = parent.recv()
    assert pid != engine._writing.pid and written  # a fork of its own, not that of the process it was forked from
    os.kill(killed.pid or 0, signal.SIGKILL)
    killed.join()
    wait_until(lambda: not _runs(pid), "it outlives its parent")


def _begins_and_waits(engine: Any, pipe: Any) -> None:
    segments = segments_of(engine.begin(SampleRequest(engine.prompt_ids(PENS)), PARAGRAPHS, 60))
    pipe.send((engine._writing.pid, len(segments)))
    time.sleep(60)


def test_a_file_that_is_closed_is_not_held_open_there(own: Loaded, tmp_path: Path) -> None:
    engine: Any = own.engine
    with (tmp_path / "rows").open("w") as first:
        fcntl.flock(first, fcntl.LOCK_EX)
        stream = engine.begin(SampleRequest(engine.prompt_ids(PENS)), PARAGRAPHS, 60)
        assert segments_of(stream)
    with (tmp_path / "rows").open("w") as second:
        fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_model_that_has_computed_in_threads_writes_there_too() -> None:
    """Those threads are not in the fork: a second process of the same kind would wait for them for ever."""
    program = (
        "import torch; from tests.test_writing_beside import PARAGRAPHS, PENS, load, local, segments_of, SampleRequest\n"
        "local.half_suffices = lambda _: True\n"
        "engine = load().engine; torch.set_num_threads(2); torch.ones(900, 900).matmul(torch.ones(900, 900))\n"
        "stream = engine.begin(SampleRequest(engine.prompt_ids(PENS)), PARAGRAPHS, 60)\n"
        "engine._writing.threads == 1 and print(len(segments_of(stream)))\n"
        "engine._writing = None; torch.set_num_threads(4); torch.ones(900, 900).matmul(torch.ones(900, 900))\n"
        "stream = engine.begin(SampleRequest(engine.prompt_ids(PENS)), PARAGRAPHS, 60)\n"
        "engine._writing.threads == 2 and print(len(segments_of(stream)))\n"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "4"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, env=environment)
    assert done.returncode == 0 and len(set(done.stdout.split())) == 1 and len(done.stdout.split()) == 2, done.stderr


def _runs(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
