"""Rate of a labelling run against the engine's raw sampling rate on the same prefixes, same model, same threads.

``python -m tests.benchmarks.labelling --out docs/evidence/labelling.json``: a whole run (sampling, cutting, grading, embedding,
clustering, files), then one call of the engine with every request that the run made; in turns, the best of each side. Both
draw the same samples, so tokens are equal and the ratio is that of the times. ``cpu_ratio`` is of processor time, which a
busy machine disturbs less.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from estimator.engines.base import SampleRequest, Sampling
from estimator.engines.local import LocalEngine
from estimator.loading import load_engine
from estimator.types import Segment
from training.label_chunk import LabelSettings
from training.label_run import LabelRun
from training.questions import KINDS, questions

SEED = 5


def timed(work: Callable[[], Any]) -> tuple[float, float]:
    """Wall-clock and processor seconds."""
    wall, processor = time.monotonic(), time.process_time()
    work()
    return time.monotonic() - wall, time.process_time() - processor


def measure(per_kind: int, settings: LabelSettings, threads: int, rounds: int) -> dict[str, Any]:
    engine, hashes = load_engine(threads=threads)
    assert isinstance(engine, LocalEngine)
    asked = [q for kind in KINDS for q in questions(kind, "train", per_kind, SEED)]
    requests: list[SampleRequest] = []
    raw = engine.sample

    def recorded(wanted: Sequence[SampleRequest], sampling: Sampling) -> list[list[Segment]]:
        requests.extend(wanted)
        return raw(wanted, sampling)

    setattr(engine, "sample", recorded)  # noqa: B010  what the run asks for is what the raw side is given
    reports, run_times, raw_times = [], [], []
    for _ in range(rounds):
        requests.clear()
        with tempfile.TemporaryDirectory() as folder:
            run = LabelRun(engine, hashes, asked, settings, Path(folder) / "labels", threads)
            run_times.append(timed(lambda: reports.append(run.run())))  # noqa: B023
        raw_times.append(timed(lambda: raw(list(requests), replace(settings.sampling, pool=None))))
        print(f"run {run_times[-1][0]:.1f} s, raw {raw_times[-1][0]:.1f} s, load {os.getloadavg()[0]:.1f}", flush=True)
    samples = reports[-1]["samples"]
    (run_wall, run_cpu), (raw_wall, raw_cpu) = (map(min, zip(*t, strict=True)) for t in (run_times, raw_times))
    return {
        "ratio": raw_wall / run_wall,
        "cpu_ratio": raw_cpu / run_cpu,
        "labelling_tokens_per_second": samples["tokens"] / run_wall,
        "raw_tokens_per_second": samples["tokens"] / raw_wall,
        "labelling_samples_per_second": samples["drawn"] / run_wall,
        "questions": len(asked),
        **{name: samples[name] for name in ("drawn", "bound", "tokens")},
        **{name: getattr(settings, name) for name in ("k", "clusters", "truncations", "chunk")},
        "threads": threads,
        "processor": torch.backends.cpu.get_cpu_capability(),
        "load": os.getloadavg()[0],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--per-kind", type=int, default=20, help="questions of each kind")
    parser.add_argument("--k", type=int, default=30)
    parser.add_argument("--chunk", type=int, default=LabelSettings.chunk)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    report = measure(args.per_kind, LabelSettings(k=args.k, chunk=args.chunk, seed=SEED), args.threads, args.rounds)
    print(json.dumps(report, indent=1))
    if args.out:
        args.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
