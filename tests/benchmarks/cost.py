"""What knowing costs: time spent scoring, overhead against plain generation, and seconds from start to first paragraph.

``python -m tests.benchmarks.cost --out docs/evidence/cost.json``: the same questions answered by the graph with a score at
every position (as it comes, and with writing and scoring in turn), and by plain sampling of the same engine, one after the
other: by the embedded model, and by a model of the size that one would use (0.5 billion parameters; its weights are random,
because speed does not depend on them).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from estimator.engines.base import SampleRequest, Sampling
from estimator.engines.local import LocalEngine
from estimator.loading import load
from estimator.positions import parse_position
from estimator.scorers.base import Scorer
from graphs.policy import Policy
from graphs.reasoning import solve
from tests.benchmarks.random_models import write_random
from training.questions import KINDS, questions

# Nothing is revised or refused: both sides write the same answers.
ALWAYS_ON = Policy.model_validate({"accept": 0, "revise": 0, "drop": 1, "abstain": 0, "max_revisions": 0})
# Random weights end no paragraph and no answer: four positions of 24 tokens stand for an answer.
STEADY = ALWAYS_ON.model_copy(update={"position": "periodic:24", "budget": 96})


def overhead(engine: LocalEngine, scorer: Scorer, policy: Policy, asked: Sequence[str]) -> dict[str, Any]:
    """Seconds of solving and of plain generation over the same questions, and the share of solving spent on scores."""
    solving, in_turn, generating, scoring, answered, scored = [], [], [], 0.0, 0, 0

    def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
        engine.forget()  # no side is to find in the cache what another one computed
        started = time.monotonic()
        made = work()
        return time.monotonic() - started, made

    solve(asked[0], engine, scorer, policy, seed=1)  # whether to write beside scores is measured once

    for question in asked:
        took, result = seconds(lambda q=question: solve(q, engine, scorer, policy, seed=1))
        solving.append(took)
        scoring += result.seconds["score"]
        answered += result.tokens["answer"]
        scored += result.tokens["scoring"]
        generating.append(seconds(lambda q=question: generate(engine, policy, q))[0])
        engine._may_fork, before = False, engine._may_fork
        in_turn.append(seconds(lambda q=question: solve(q, engine, scorer, policy, seed=1))[0])
        engine._may_fork = before
    return {
        "n": len(asked),
        "threads": torch.get_num_threads(),
        "beside": engine._writing is not None,  # whether it writes beside scores as it comes
        "solve_seconds": float(np.sum(solving)),
        "in_turn_seconds": float(np.sum(in_turn)),
        "plain_seconds": float(np.sum(generating)),
        "ratio": float(np.sum(solving) / np.sum(generating)),
        "ratio_in_turn": float(np.sum(in_turn) / np.sum(generating)),
        "scoring_share": scoring / float(np.sum(solving)),
        "answer_tokens": answered,
        "scored_tokens": scored,
    }


def generate(engine: LocalEngine, policy: Policy, question: str) -> None:
    """The answer that ``solve`` writes, position by position, and nothing else."""
    prefix, left = engine.prompt_ids(question), policy.budget
    while left > 0:
        sampling = Sampling(max_tokens=left, position=parse_position(policy.position))
        [[segment]] = engine.sample([SampleRequest(prefix, seed=1)], sampling)
        prefix, left = (*prefix, *segment.token_ids), left - len(segment.token_ids)
        if segment.finished:
            return


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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=20, help="questions of each kind")
    parser.add_argument("--large", type=int, default=8, help="questions for the model of real size")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    asked = [q.text for kind in KINDS for q in questions(kind, "test", args.count, 31)]
    threads, loaded = torch.get_num_threads(), load()
    assert isinstance(loaded.engine, LocalEngine)
    report = overhead(loaded.engine, loaded.scorer, ALWAYS_ON, asked)
    report["processor"] = torch.backends.cpu.get_cpu_capability()
    report["start_to_first_paragraph_seconds"] = first_paragraph()
    if args.large:
        torch.set_num_threads(threads)  # the small model takes one alone
        with tempfile.TemporaryDirectory() as folder:
            large = load(*map(str, write_random("0.5b", Path(folder))))
            assert isinstance(large.engine, LocalEngine)
            report["large"] = overhead(large.engine, large.scorer, STEADY, asked[: args.large])
    print(json.dumps(report, indent=1))
    if args.out:
        args.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
