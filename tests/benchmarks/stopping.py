"""What stopping early is worth: the embedded model under its shipped policy, and under the same without early stopping.

``python -m tests.benchmarks.stopping --data ../shared/data --out docs/evidence/stopping.json``: unseen questions of the test
split, and GSM8K test questions, nearly all of which the model cannot do. Each is solved both ways, one after the other, with
the same seed, so that both write the same text as far as both go; seconds are of a process that does nothing else.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from controller.assemble import Run, default_policy
from controller.runs import run_one
from controller.stopping import to_the_end
from estimator.answers import is_right
from estimator.engines.local import LocalEngine
from estimator.loading import load
from estimator.metrics import bootstrap
from estimator.types import Question
from graphs.events import ResultEvent
from training.datasets import read_questions
from training.questions import KINDS, item_of, questions

SEED = 86


def generated(result: ResultEvent) -> int:
    """Tokens that the base wrote."""
    return sum(n for purpose, n in result.tokens.items() if purpose != "scoring")


def both(run: Run, asked: Sequence[Question]) -> list[dict[str, Any]]:
    """What each question came to, and cost, with early stopping and without."""
    engine = run.loaded.engine
    assert isinstance(engine, LocalEngine)
    sides_of = [("without", replace(run, policy=to_the_end(run.policy))), ("with", run)]
    run_one(sides_of[0][1], asked[0].text)  # whether to write beside scores is measured once
    found = []
    for number, question in enumerate(asked):
        sides: dict[str, Any] = {"item": item_of(question.id)}
        for name, one in sides_of if number % 2 else reversed(sides_of):
            engine.forget()  # else the second finds every prefix in the cache
            started = time.perf_counter()
            result = run_one(one, question.text).result
            seconds = time.perf_counter() - started
            given = result.answer is not None
            right = given and is_right(question, str(result.answer))
            sides[name] = [given, given and not right, generated(result), result.tokens["scoring"], seconds]
        found.append(sides)
    return found


def row(name: str, found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Sums of both sides, and the share of the tokens that is saved with its 95 % interval, drawn by item."""
    out: dict[str, Any] = {"questions": name, "n": len(found)}
    for side in ("without", "with"):
        sums = np.array([f[side] for f in found], float).sum(0)
        columns = ("answered", "wrong", "tokens", "scored", "seconds")
        out[side] = {c: round(float(v), 2) if c == "seconds" else int(v) for c, v in zip(columns, sums, strict=True)}
    tokens = np.array([[f[side][2] for side in ("with", "without")] for f in found], float)
    items = np.unique([f["item"] for f in found], return_inverse=True)[1]
    figure = bootstrap(lambda some, whole: 1 - some.sum() / whole.sum(), tokens[:, 0], tokens[:, 1], groups=items)
    return out | {"saved": figure.value, "saved_low": figure.low, "saved_high": figure.high}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=200, help="questions of each kind")
    parser.add_argument("--gsm8k", type=int, default=400, help="questions of GSM8K's test split")
    args = parser.parse_args()
    loaded = load()
    run = Run(loaded, default_policy(loaded), seed=SEED)
    found = {kind: both(run, questions(kind, "test", args.count, SEED)) for kind in KINDS}
    found["all"] = [one for kind in KINDS for one in found[kind]]
    found["gsm8k"] = both(run, read_questions(args.data / "gsm8k_test.jsonl")[: args.gsm8k])
    rows = [row(name, some) for name, some in found.items()]
    print("\n".join(json.dumps(r) for r in rows))
    report = {"hashes": loaded.hashes, "policy": run.policy.model_dump(), "seed": SEED, "rows": rows}
    args.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
