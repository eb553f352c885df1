"""The local engine on a GPU: its sampling rate against what the memory's bandwidth allows, and the cost of knowing.

``python -m tests.benchmarks.gpu --shape 0.5b --out FILE``: a model of that size with random weights (speed alone). A step of
decoding reads every weight once and each row's keys and values once, so no engine takes less than these bytes over the
bandwidth, which is measured here by copying. Rates are the best of a few rounds; the overhead is ``tests.benchmarks.cost``'s.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from estimator.engines.base import SampleRequest, Sampling
from estimator.engines.local import LocalEngine
from estimator.loading import load
from tests.benchmarks.cost import STEADY, overhead
from tests.benchmarks.random_models import SHAPES, write_random
from training.questions import KINDS, questions

TOKENS = 256
ROWS = (1, 16, 128, 512)


def bandwidth(size: int = 4 << 30, rounds: int = 5) -> float:
    """Bytes a second that the device's memory moves, read and written, at its best of a few copies."""
    source = torch.empty(size, dtype=torch.uint8, device="cuda").random_()
    target = torch.empty_like(source)
    return 2 * size / fastest(lambda: target.copy_(source), rounds)


def fastest(work: Callable[[], Any], rounds: int) -> float:
    """Least seconds of one call, after one that warms up."""
    best = float("inf")
    for turn in range(rounds + 1):
        torch.cuda.synchronize()
        started = time.perf_counter()
        work()
        torch.cuda.synchronize()
        if turn:
            best = min(best, time.perf_counter() - started)
    return best


def sampling(engine: LocalEngine, prefix: tuple[int, ...], rows: int, moved: float, rounds: int) -> dict[str, float]:
    """Rate of ``rows`` samples of one prefix, and the least seconds that their bytes take."""
    config = engine.model.config
    weights = sum(p.numel() * p.element_size() for p in engine.model.parameters())
    kept = 2 * config.num_hidden_layers * config.num_key_value_heads * config.hidden_size // config.num_attention_heads * 2
    engine.decoder.max_rows = rows
    request = SampleRequest(prefix, n=rows, seed=1)
    seconds = fastest(lambda: engine.sample([request], Sampling(max_tokens=TOKENS)), rounds)
    held = rows * (len(prefix) + TOKENS / 2) * kept
    least = TOKENS * (weights + held) / moved
    return {
        "rows": rows,
        "tokens_per_second": rows * TOKENS / seconds,
        "milliseconds_a_step": 1000 * seconds / TOKENS,
        "limit_milliseconds_a_step": 1000 * least / TOKENS,
        "of_the_limit": least / seconds,
    }


def busy(work: Callable[[], Any]) -> float:
    """The share of a call's time in which the device computes."""
    from torch.profiler import ProfilerActivity, profile

    torch.cuda.synchronize()
    started = time.perf_counter()
    with profile(activities=[ProfilerActivity.CUDA]) as seen:
        work()
        torch.cuda.synchronize()
    seconds = time.perf_counter() - started
    return sum(e.self_device_time_total for e in seen.key_averages()) / 1e6 / seconds


def scoring(engine: LocalEngine, prefix: tuple[int, ...], new: int, rounds: int) -> float:
    """Seconds of reading a confidence after ``new`` further tokens of a text that was read before."""
    texts = iter([(*prefix, *[5 + i] * new) for i in range(rounds + 1)])
    engine.levels([prefix])
    return fastest(lambda: engine.levels([next(texts)]), rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=sorted(SHAPES), default="0.5b")
    parser.add_argument("--questions", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    asked = [q.text for kind in KINDS for q in questions(kind, "test", args.questions, 31)][: args.questions]
    moved = bandwidth()
    with tempfile.TemporaryDirectory() as folder:
        base, adapter = write_random(args.shape, Path(folder))
        loaded = load(str(base), str(adapter))
        engine = loaded.engine
        assert isinstance(engine, LocalEngine)
        engine.decoder.ends[:] = False  # no row ends early
        prefix = engine.prompt_ids(asked[0])
        report: dict[str, Any] = {
            "device": torch.cuda.get_device_name(),
            "torch": torch.__version__,
            "shape": args.shape,
            "parameters": sum(p.numel() for p in engine.model.parameters()),
            "bandwidth_gb_per_second": moved / 1e9,
            "sampling": [sampling(engine, prefix, rows, moved, args.rounds) for rows in ROWS],
            "device_busy_at_one_row": busy(lambda: engine.sample([SampleRequest(prefix, seed=1)], Sampling(max_tokens=64))),
            "score_milliseconds": 1000 * scoring(engine, prefix, 24, 8),
        }
        engine.decoder.max_rows = 128
        overhead(engine, loaded.scorer, STEADY, asked[:1])  # warms up
        report["overhead"] = overhead(engine, loaded.scorer, STEADY, asked)
    print(json.dumps(report, indent=1))
    if args.out:
        args.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
