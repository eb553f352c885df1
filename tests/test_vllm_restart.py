"""The server itself fails while a file of questions is under way: killed and started again, its adapter taken away."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from controller.serving import Service, started, wait_until_ready
from graphs.trace import read_trace
from tests.vllm_server import START_SECONDS, embedded_service, skip_without_vllm

ASKED = [f"Ann has {k} pens and buys {k + 1} more. How many pens does she have?" for k in range(3, 63)]


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Service]:
    skip_without_vllm()
    monkeypatch.setenv("VLLM_ALLOW_RUNTIME_LORA_UPDATING", "1")
    monkeypatch.chdir(tmp_path)
    Path("asked.txt").write_text("\n".join(ASKED))
    yield embedded_service()


def solving(service: Service, out: str, patience: int) -> subprocess.Popen[str]:
    """``solve --file`` in a process of its own; returns when the first rows are written."""
    program = [str(Path(sys.executable).parent / "controller"), "solve", "--file", "asked.txt", "--out", out]
    options = ["--trace", f"traces-{out}", "--concurrency", "2", "--base-url", service.url]
    environment = dict(os.environ) | {"CONTROLLER_PATIENCE": str(patience)}
    process = subprocess.Popen([*program, *options], env=environment, stderr=subprocess.PIPE, text=True)
    while len(rows_of(out)) < 2:
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        time.sleep(0.05)
    return process


def rows_of(out: str) -> list[dict]:
    written = Path(out).read_text() if Path(out).exists() else ""
    return [json.loads(line) for line in written.splitlines(keepends=True) if line.endswith("\n")]


def last_events(folder: str) -> list[str]:
    return [read_trace(str(path)).events[-1].event for path in sorted(Path(folder).iterdir())]


@pytest.mark.timeout(2 * START_SECONDS)
def test_killed_and_started_again_it_goes_on_and_without_its_adapter_it_says_so(service: Service) -> None:
    with ExitStack() as servers:
        first = servers.enter_context(started(service, Path("first.log")))
        wait_until_ready(service, first, Path("first.log"), START_SECONDS)
        process = solving(service, "killed", patience=int(START_SECONDS))
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
        assert len(rows_of("killed")) < len(ASKED), "the server was killed too late to interrupt anything"

        second = servers.enter_context(started(service, Path("second.log")))
        wait_until_ready(service, second, Path("second.log"), START_SECONDS)
        _, complaint = process.communicate(timeout=START_SECONDS)
        assert process.returncode == 0, complaint
        assert [r["question"] for r in rows_of("killed")] == ASKED
        assert set(last_events("traces-killed")) == {"result"}

        process = solving(service, "unloaded", patience=5)
        httpx.post(f"{service.url}/v1/unload_lora_adapter", json={"lora_name": "finece"}).raise_for_status()
        _, complaint = process.communicate(timeout=60)
        assert process.returncode == 5
        assert "finece" in complaint and "--estimator" in complaint and "Traceback" not in complaint
        rows = rows_of("unloaded")
        assert 2 <= len(rows) < len(ASKED) and [r["question"] for r in rows] == ASKED[: len(rows)]
        assert all(0 <= r["confidence"] <= 1 for r in rows)
        assert "interrupted" in last_events("traces-unloaded")
