"""Questions shared out among processes: the same rows in the same order, and no finished row lost whatever ends it."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from dataclasses import replace
from itertools import islice
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from controller.assemble import Run
from controller.batch import Job, Row, answered
from controller.errors import Failure
from controller.processes import shared_out
from controller.questions import Asked
from controller.settings import Settings, load_settings
from estimator.engines.base import EngineUnreachable
from graphs.policy import Policy
from graphs.trace import TraceError, read_trace
from tests.cli_double import invoke, scripted

QUESTIONS = [f"What is {k} plus 1?" for k in range(11)]
SCRIPT = {q: [[f"{k} + 1 = {k + 1}.", f"#### {k + 1}"]] for k, q in enumerate(QUESTIONS)}
EASY = Policy.model_validate({"accept": 0, "revise": 0, "drop": 1, "abstain": 0, "give_up": 0})
SETTINGS = load_settings(default=None, model="scripted")


def load_scripted(settings: Settings, policy: Policy) -> Run:
    """With seed 1 the server is gone at question 8, with seed 2 it writes question 8 for ever."""
    loaded, closed = scripted(SCRIPT), threading.Event()
    sample = loaded.engine.sample

    def some_fail(requests, sampling):
        if settings.seed and "is 8 plus" in loaded.engine.decode(requests[0].prefix):
            if settings.seed == 2:
                closed.wait()
            raise EngineUnreachable("gone")
        return sample(requests, sampling)

    loaded.engine.sample = some_fail
    return Run(replace(loaded, close=closed.set), policy, settings.seed)


def shared(seed: int = 0, traces: Path | None = None, processes: int = 3) -> Generator[Row, None, None]:
    jobs = [Job(Asked(q), traces and traces / f"{k}.jsonl") for k, q in enumerate(QUESTIONS)]
    return shared_out(load_settings(default=None, model="scripted", seed=seed), EASY, jobs, processes, 3, load_scripted)


def without_times(rows: list[Row]) -> list[Row]:
    return [{k: v for k, v in row.items() if k not in ("seconds", "trace")} for row in rows]


def still_running() -> list[BaseProcess]:
    return [p for p in multiprocessing.active_children() if p.name == "answering"]


def test_the_rows_are_those_of_one_process_in_the_same_order(tmp_path: Path) -> None:
    alone = list(answered(load_scripted(SETTINGS, EASY), [Job(Asked(q)) for q in QUESTIONS]))
    assert without_times(list(shared(traces=tmp_path))) == without_times(alone)
    assert [read_trace(tmp_path / f"{k}.jsonl").header.question for k in range(len(QUESTIONS))] == QUESTIONS
    assert not still_running()


def test_more_processes_than_questions_are_not_started() -> None:
    rows = shared_out(SETTINGS, EASY, [Job(Asked(q)) for q in QUESTIONS[:2]], 64, 1, load_scripted)
    assert [next(rows)["answer"], len(still_running()), *(r["answer"] for r in rows)] == ["1", 2, "2"]


def test_what_ends_one_process_ends_all_and_goes_on_to_the_caller() -> None:
    came: list[Row] = []
    with pytest.raises(EngineUnreachable, match="gone"):
        for row in shared(seed=1):
            came.append(row)
    assert [r["question"] for r in came[:8]] == QUESTIONS[:8] and QUESTIONS[8] not in [r["question"] for r in came]
    assert not still_running()


def test_a_process_that_is_killed_is_told_with_its_remedy() -> None:
    rows = shared(seed=2)
    came = list(islice(rows, 8))
    for process in still_running():
        process.kill()
    with pytest.raises(Failure, match="--processes"):
        came.extend(rows)
    assert [r["question"] for r in came[:8]] == QUESTIONS[:8] and QUESTIONS[8] not in [r["question"] for r in came]
    assert not still_running()


def test_an_interruption_leaves_finished_rows_and_ended_traces(tmp_path: Path) -> None:
    rows = shared(seed=2, traces=tmp_path)
    came = list(islice(rows, 2))
    while not all(last_event(tmp_path / f"{k}.jsonl") == "result" for k in (5, 9, 10)):  # each process's last that ends
        time.sleep(0.05)
    time.sleep(0.2)  # the row comes behind the last line of its trace
    with pytest.raises(KeyboardInterrupt):
        came.append(rows.throw(KeyboardInterrupt()))
        for row in rows:
            came.append(row)
    assert [r["question"] for r in came] == [*QUESTIONS[:8], QUESTIONS[9], QUESTIONS[10]]
    assert last_event(tmp_path / "8.jsonl") == "interrupted" and not still_running()


def last_event(trace: Path) -> str:
    try:
        return read_trace(trace).events[-1].event
    except (TraceError, IndexError):  # not there yet, or no line of it whole
        return ""


def settled(line: str) -> Row:
    row = json.loads(line)
    return {k: row[k] for k in ("question", "outcome", "answer", "confidence", "paragraphs", "tokens")}


def test_the_embedded_model_in_two_processes(tmp_path: Path) -> None:
    """The real thing from the command line, also with less than one question a process left to do."""
    questions = tmp_path / "questions.txt"
    questions.write_text("\n".join(f"Tom has {k} pens and buys {k + 2} more. How many pens does he have?" for k in range(3, 8)))
    alone, both = (invoke("solve", "--file", questions, "--processes", n, "--seed", "3") for n in ("1", "2"))
    assert alone.exit_code == both.exit_code == 0
    assert [settled(row) for row in both.stdout.splitlines()] == [settled(row) for row in alone.stdout.splitlines()]
    assert "5 questions: " in both.stderr
    refused = invoke("solve", "--file", questions, "--processes", "0")
    assert refused.exit_code == 2 and re.search("processes", refused.stderr)


def test_ctrl_c_ends_all_processes_and_finished_rows_are_whole(tmp_path: Path) -> None:
    questions, out = tmp_path / "questions.txt", tmp_path / "out.jsonl"
    asked = [f"Tom has {k} pens and buys {k + 2} more. How many pens does he have?" for k in range(3, 203)]
    questions.write_text("\n".join(asked))
    command = [sys.executable, "-m", "controller", "solve", "--file", str(questions), "--out", str(out), "--processes", "2"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as running:
        assert running.stderr is not None
        until = time.monotonic() + 60
        while (not out.exists() or out.read_text().count("\n") < 4) and time.monotonic() < until:
            time.sleep(0.1)
        os.killpg(running.pid, signal.SIGINT)  # as a terminal sends it, to all of them
        told = running.stderr.read()
    assert running.returncode == 130 and "Traceback" not in told and "--resume goes on" in told
    rows = [json.loads(line)["question"] for line in out.read_text().splitlines()]
    assert 4 <= len(rows) < len(asked) and len(set(rows)) == len(rows) and set(rows) <= set(asked)
