"""What knowing costs: time spent scoring, overhead against plain generation, and seconds from start to first paragraph.

``python -m tests.benchmarks.cost --out docs/evidence/cost.json``: the same questions answered by the graph with a score at
every paragraph, and by plain sampling of the same engine, in turns.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from estimator.engines.base import SampleRequest, Sampling
from estimator.loading import load
from estimator.positions import Position
from graphs.policy import Policy
from graphs.reasoning import solve
from training.questions import KINDS, questions

# Nothing is revised or refused: both sides write the same answers.
ALWAYS_ON = Policy.model_validate({"accept": 0, "revise": 0, "drop": 1, "abstain": 0, "max_revisions": 0})


def overhead(count: int) -> dict[str, Any]:
    """Seconds of solving and of plain generation over the same questions, and the share of solving spent on scores."""
    loaded = load()
    asked = [q for kind in KINDS for q in questions(kind, "test", count, 31)]
    solving, plain, scoring, answered, scored = [], [], 0.0, 0, 0
    for q in asked:
        started = time.monotonic()
        result = solve(q.text, loaded.engine, loaded.scorer, ALWAYS_ON, seed=1)
        solving.append(time.monotonic() - started)
        scoring += result.seconds["score"]
        answered += result.tokens["answer"]
        scored += result.tokens["scoring"]
        started = time.monotonic()
        prefix = loaded.engine.prompt_ids(q.text)
        for _ in range(40):  # paragraph by paragraph, as the graph goes
            segment = loaded.engine.sample([SampleRequest(prefix, seed=1)], Sampling(position=Position()))[0][0]
            prefix = (*prefix, *segment.token_ids)
            if segment.finished:
                break
        plain.append(time.monotonic() - started)
    return {
        "n": len(asked),
        "solve_seconds": float(np.sum(solving)),
        "plain_seconds": float(np.sum(plain)),
        "ratio": float(np.sum(solving) / np.sum(plain)),
        "scoring_share": scoring / float(np.sum(solving)),
        "answer_tokens": answered,
        "scored_tokens": scored,
    }


def first_paragraph(rounds: int = 3) -> float:
    """Least seconds from starting ``controller solve`` in a fresh process to its first paragraph on the screen."""
    program = [
        str(Path(sys.executable).parent / "controller"),
        "solve",
        "Tom has 3 pens and buys 4 more. How many pens has he?",
    ]
    best = float("inf")
    for _ in range(rounds):
        started = time.monotonic()
        with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if line.strip().startswith("1 "):
                    best = min(best, time.monotonic() - started)
                    break
            process.stdout.read()
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20, help="questions of each kind")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    report = overhead(args.count) | {"start_to_first_paragraph_seconds": first_paragraph()}
    print(json.dumps(report, indent=1))
    if args.out:
        args.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
