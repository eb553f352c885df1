"""What the shipped policy does far from what it was tuned on: GSM8K's test questions, nearly all of which the embedded model
cannot do.

``python -m tests.benchmarks.far --data ../shared/data --out docs/evidence/far.json``: each question is answered once, as
``controller solve --file gsm8k_test.jsonl`` answers it.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from controller.assemble import Run, default_policy
from controller.runs import run_one
from controller.settings import Settings
from estimator.answers import is_right
from estimator.loading import load
from training.datasets import read_questions

SURE = 0.8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    loaded = load()
    run = Run(loaded, default_policy(loaded), seed=Settings.model_fields["seed"].default)
    asked = read_questions(args.data / "gsm8k_test.jsonl")
    given: list[tuple[float, bool]] = []  # confidence, and whether the answer is right
    for question in asked:
        result = run_one(run, question.text).result
        if result.answer is not None:
            given.append((result.confidence or 0.0, is_right(question, result.answer)))
    wrong = [confidence for confidence, right in given if not right]
    report = {
        "hashes": loaded.hashes,
        "policy": run.policy.model_dump(),
        "seed": run.seed,
        "n": len(asked),
        "answered": len(given),
        "wrong": len(wrong),
        "above": SURE,
        "wrong_above": sum(confidence > SURE for confidence in wrong),
    }
    print(json.dumps(report))
    args.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
