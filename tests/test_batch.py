"""Several questions at once: the order of the input, a bounded window, and no finished row lost."""

from __future__ import annotations

import io
import json
import threading
import time
from pathlib import Path

import pytest

from controller.assemble import Run
from controller.batch import Job, answered, write_all
from controller.ordered import AHEAD
from controller.questions import Asked
from estimator.engines.base import EngineUnreachable
from graphs.policy import Policy
from graphs.trace import NoTraceError, read_trace
from tests.cli_double import Double, invoke, scripted, use

QUESTIONS = [f"What is {k} plus 1?" for k in range(24)]
JOBS = [Job(Asked(q)) for q in QUESTIONS]
SCRIPT = {q: [[f"{k} + 1 = {k + 1}.", f"#### {k + 1}"]] for k, q in enumerate(QUESTIONS)}
EASY = Policy.model_validate({"accept": 0, "revise": 0, "drop": 1, "abstain": 0, "give_up": 0})


def solve_all(loaded: Double, jobs: list[Job], stream: io.StringIO, concurrency: int = 1) -> int:
    return write_all(answered(Run(loaded, EASY, 0), jobs, concurrency), len(jobs), stream)


def rows(stream: io.StringIO) -> list[dict]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Double:
    """The first of every few questions takes longest, so that later ones overtake it."""
    loaded = scripted(SCRIPT)
    sample = loaded.engine.sample

    def delayed(requests, sampling):
        text = loaded.engine.decode(requests[0].prefix)
        time.sleep(0.05 if any(f"is {k} plus" in text for k in (0, 7, 14, 21)) else 0.002)
        return sample(requests, sampling)

    monkeypatch.setattr(loaded.engine, "sample", delayed)
    return loaded


def test_order_and_content_do_not_depend_on_concurrency(slow: Double) -> None:
    reports = []
    for concurrency in (1, 6):
        stream = io.StringIO()
        assert solve_all(slow, JOBS, stream, concurrency) == 0
        reports.append([(r["question"], r["answer"]) for r in rows(stream)])
    assert reports[0] == reports[1] == [(q, str(k + 1)) for k, q in enumerate(QUESTIONS)]


def test_no_more_than_the_window_is_begun_ahead_of_what_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded, begun, release = scripted(SCRIPT), set(), threading.Event()
    sample = loaded.engine.sample

    def first_waits(requests, sampling):
        text = loaded.engine.decode(requests[0].prefix)
        begun.add(text.partition("\nAnswer")[0])
        if "is 0 plus" in text:
            release.wait(20)
        return sample(requests, sampling)

    monkeypatch.setattr(loaded.engine, "sample", first_waits)
    seen: list[int] = []
    threading.Timer(0.5, lambda: (seen.append(len(begun)), release.set())).start()
    stream = io.StringIO()
    solve_all(loaded, JOBS, stream, 3)
    assert seen[0] <= AHEAD * 3 and len(rows(stream)) == len(QUESTIONS)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), EngineUnreachable("gone")])
def test_every_finished_row_is_written_whatever_ends_the_batch(
    slow: Double, error: BaseException, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sample = slow.engine.sample

    def ends(requests, sampling):
        if "is 14 plus" in slow.engine.decode(requests[0].prefix):
            raise error
        return sample(requests, sampling)

    monkeypatch.setattr(slow.engine, "sample", ends)
    stream, traces = io.StringIO(), [tmp_path / f"{k}.jsonl" for k in range(len(QUESTIONS))]
    with pytest.raises(type(error)):
        solve_all(slow, [Job(Asked(q), t) for q, t in zip(QUESTIONS, traces, strict=True)], stream, 4)
    written = [r["question"] for r in rows(stream)]
    assert written[:14] == QUESTIONS[:14] and written == sorted(written, key=QUESTIONS.index)
    ended = [k for k, path in enumerate(traces) if path.exists() and read_trace(path).events[-1].event == "result"]
    assert set(written) <= {QUESTIONS[k] for k in ended} and QUESTIONS[14] not in written
    assert read_trace(traces[14]).events[-1].event == "interrupted"


def test_a_trace_of_another_question_that_came_since_is_not_replaced(slow: Double, tmp_path: Path) -> None:
    """A server for agents records in the same folder, under the next number that is free."""
    stream, trace = io.StringIO(), tmp_path / "0002.jsonl"
    solve_all(slow, [Job(Asked(QUESTIONS[5]), trace)], io.StringIO())
    before = trace.read_bytes()
    with pytest.raises(NoTraceError, match="the trace of another question"):
        solve_all(slow, [Job(Asked(QUESTIONS[0])), Job(Asked(QUESTIONS[1]), trace)], stream)
    assert trace.read_bytes() == before and [r["question"] for r in rows(stream)] == QUESTIONS[:1]


def test_a_question_that_fails_keeps_its_place(slow: Double) -> None:
    stream = io.StringIO()
    asked = [*QUESTIONS[:3], "nobody scripted this", *QUESTIONS[3:6]]
    assert solve_all(slow, [Job(Asked(q)) for q in asked], stream, 4) == 1
    assert [r["question"] for r in rows(stream)] == asked and "error" in rows(stream)[3]


def test_a_model_in_this_process_is_asked_one_question_at_a_time(
    slow: Double, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Else each question's time would hold the waiting for the others, and its tokens would be theirs too."""
    use(monkeypatch, slow)
    (tmp_path / "q.txt").write_text("\n".join(job.asked.text for job in JOBS))
    rows = []
    for concurrency in ("1", "6"):
        result = invoke("solve", "--file", tmp_path / "q.txt", "--concurrency", concurrency)
        assert ("one question at a time" in result.stderr) == (concurrency == "6")
        rows.append([json.loads(line)["tokens"] for line in result.stdout.splitlines()])
    assert rows[0] == rows[1] and len(rows[0]) == len(JOBS)
