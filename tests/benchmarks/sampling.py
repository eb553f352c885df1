"""Sampling rate of the engine against transformers' own ``generate`` at its best, same model, same prompts, same two cores.

``python -m tests.benchmarks.sampling``: 256 rows of 60 new tokens; each side runs as two single-thread processes at the same
time, in turns, and the figure is the ratio of total tokens a second. An end token is not allowed to stop a row, so that
both sides write exactly the same number of tokens.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing as mp
import time
from pathlib import Path
from typing import Any

ROWS, TOKENS = 256, 60


def _prompts() -> list[str]:
    from training.questions import questions

    return [q.text for kind in ("arithmetic", "choice") for q in questions(kind, "test", 16, 5)]


def _load(base: Path) -> Any:
    import torch

    torch.set_num_threads(1)
    from estimator.loading import local_engine

    engine = local_engine(base, None, None, name="bench", max_rows=128)
    engine.decoder.ends[:] = False  # no row ends early
    return engine


def _ours(base: Path, rows: int, barrier: Any, results: Any, samples: int) -> None:
    from estimator.engines.base import SampleRequest, Sampling

    engine = _load(base)
    prefixes = [engine.prompt_ids(p) for p in _prompts()][: rows // samples]
    requests = [SampleRequest(p, n=samples, seed=1) for p in prefixes]
    engine.sample(requests[:2], Sampling(max_tokens=8))
    barrier.wait()
    started = time.monotonic()
    done = engine.sample(requests, Sampling(max_tokens=TOKENS))
    results.put((sum(len(s.token_ids) for r in done for s in r), time.monotonic() - started))


def _theirs(base: Path, rows: int, barrier: Any, results: Any, samples: int) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    engine = _load(base)
    # The stock model: the engine's own has other kernels in it.
    model: Any = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).eval()
    prefixes = [engine.prompt_ids(p) for p in _prompts()][: rows // samples]
    width = max(map(len, prefixes))
    ids = torch.tensor([[0] * (width - len(p)) + list(p) for p in prefixes])
    mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prefixes])
    options: dict[str, Any] = {"do_sample": True, "top_k": 0, "temperature": 1.0, "pad_token_id": 0, "eos_token_id": None}
    with torch.inference_mode():
        model.generate(ids[:2], attention_mask=mask[:2], max_new_tokens=8, **options)
        barrier.wait()
        started = time.monotonic()
        out = model.generate(
            ids, attention_mask=mask, min_new_tokens=TOKENS, max_new_tokens=TOKENS, num_return_sequences=samples, **options
        )
    results.put(((out.shape[1] - width) * out.shape[0], time.monotonic() - started))


def rate(side: Any, base: Path, samples: int, processes: int = 2) -> float:
    """Total tokens a second of ``processes`` single-thread processes that share the rows."""
    context = mp.get_context("spawn")
    barrier, results = context.Barrier(processes), context.Queue()
    args = (base, ROWS // processes, barrier, results, samples)
    workers = [context.Process(target=side, args=args) for _ in range(processes)]
    for w in workers:
        w.start()
    done = [results.get(timeout=300) for _ in workers]
    for w in workers:
        w.join()
    return sum(n for n, _ in done) / max(s for _, s in done)


def main() -> None:
    import torch

    from estimator.loading import EMBEDDED, base_dir

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", type=Path, default=base_dir(EMBEDDED))
    parser.add_argument("--samples", type=int, default=8, help="samples of each prefix")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    ours, theirs = [], []
    for _ in range(args.rounds):  # in turns, so that a noisy moment hits both
        theirs.append(rate(_theirs, args.base, args.samples))
        ours.append(rate(_ours, args.base, args.samples))
        print(
            f"generate {theirs[-1]:.0f} tokens/s, engine {ours[-1]:.0f} tokens/s, ratio {ours[-1] / theirs[-1]:.2f}", flush=True
        )
    report = {"generate": max(theirs), "engine": max(ours), "ratio": max(ours) / max(theirs), "rows": ROWS, "tokens": TOKENS}
    report["processor"] = torch.backends.cpu.get_cpu_capability()
    print(json.dumps(report))
    if args.out:
        args.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
