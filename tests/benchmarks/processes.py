"""What processes are worth: a file of questions answered by one, and shared out among several.

``python -m tests.benchmarks.processes --out docs/evidence/processes.json``: the embedded model in this process under its
shipped policy, and a client of a server that keeps a GPU's pace (``tests.benchmarks.paced_server``), all on the same cores.
Rates are between the first rows and the last ones, when every process has loaded and none has run out of questions;
``seconds`` are of all of it but this process's own loading. Rounds alternate, so that a noisy moment hits both.
"""

from __future__ import annotations

import argparse
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from controller.assemble import Plan, plan
from controller.batch import Job, answered
from controller.processes import shared_out
from controller.questions import Asked
from tests.benchmarks.serving import ALWAYS_ON
from training.questions import KINDS, questions

AT_ONCE, PORT, STEP = 64, 8077, 5.0  # questions of the server at a time; milliseconds a token
LONG = ALWAYS_ON.model_copy(update={"position": "periodic:32", "budget": 256})


def measured(planned: Plan, jobs: Sequence[Job], processes: int, concurrency: int) -> dict[str, float]:
    """One pass over the questions."""
    run = planned.load()
    started, came = time.monotonic(), list[tuple[float, int]]()
    rows = (
        answered(run, jobs, concurrency)
        if processes == 1
        else shared_out(planned.settings, run.policy, jobs, processes, concurrency)
    )
    for row in rows:
        came.append((time.monotonic(), sum(n for purpose, n in row["tokens"].items() if purpose != "scoring")))
    edge = 2 * max(concurrency, processes)  # rows in which not all are at work
    inner = came[edge:-edge]
    seconds = inner[-1][0] - came[edge - 1][0]
    if run.loaded.close is not None:
        run.loaded.close()
    return {
        "questions_per_second": len(inner) / seconds,
        "tokens_per_second": sum(n for _, n in inner) / seconds,
        "seconds": came[-1][0] - started,
    }


def compared(planned: Plan, asked: Sequence[str], concurrency: int, rounds: int, most: int) -> list[dict[str, Any]]:
    """Means over the rounds, for 1 to ``most`` processes."""
    jobs = [Job(Asked(q)) for q in asked]
    runs: dict[int, list[dict[str, float]]] = {n: [] for n in range(1, most + 1)}
    for _ in range(rounds):
        for processes, mine in runs.items():
            mine.append(measured(planned, jobs, processes, concurrency))
    return [
        {"processes": n, "rounds": mine} | {field: sum(r[field] for r in mine) / rounds for field in mine[0]}
        for n, mine in runs.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=150, help="questions for the embedded model")
    parser.add_argument("--served", type=int, default=640, help="questions for the server")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--most", type=int, default=2, help="processes")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    each = -(-max(args.count, args.served) // len(KINDS))
    asked = [q.text for together in zip(*(questions(k, "test", each, 31) for k in KINDS), strict=True) for q in together]
    report: dict[str, Any] = {"processor": torch.backends.cpu.get_cpu_capability(), "at_once": AT_ONCE, "step_ms": STEP}
    report["embedded"] = compared(plan(None, {}, default=None), asked[: args.count], 1, args.rounds, args.most)
    with tempfile.TemporaryDirectory() as folder:
        policy = Path(folder) / "policy.toml"
        policy.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in LONG.model_dump().items()))
        flags = {"base_url": f"http://127.0.0.1:{PORT}", "estimator": "finece", "policy": policy, "concurrency": AT_ONCE}
        server = [sys.executable, "-m", "tests.benchmarks.paced_server", "--port", str(PORT), "--step", str(STEP)]
        with subprocess.Popen(server) as paced:
            try:
                _await(PORT)
                planned = plan(None, flags, default=None)
                report["paced"] = compared(planned, asked[: args.served], AT_ONCE, args.rounds, args.most)
            finally:
                paced.terminate()
    print(json.dumps(report, indent=1))
    if args.out:
        args.out.write_text(json.dumps(report, indent=1) + "\n")


def _await(port: int, seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)


if __name__ == "__main__":  # the processes import this module again
    main()
