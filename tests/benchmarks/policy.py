"""Choose the start policy of the embedded model: when to revise, how often, and how many second opinions to ask for, on
questions of the combination's split.

``python -m tests.benchmarks.policy --out docs/evidence/policy.json --start runs/start.toml``. Each candidate runs every
question once; what counts is the share of questions answered at the loosest acceptance threshold that keeps the error among
the answered at 10 % or below, among candidates that write at most ``MOST_TOKENS`` times as much as plain generation. The
acceptance threshold itself is then tuned on another split (``controller tune``).
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from controller.assemble import Run
from controller.trials import tune
from estimator.loading import load
from graphs.policy import Policy
from graphs.policy_file import save_policy
from training.questions import KINDS, questions

MAX_ERROR = 0.10
MOST_TOKENS = 2.5
PLAIN: dict[str, float | int] = {"revise": 0.0, "drop": 0.0, "abstain": 0.0, "max_revisions": 0}
CANDIDATES: dict[str, dict[str, float | int]] = {
    "no revision": PLAIN,
    "revise at the end": {"revise": 0.0, "drop": 0.0, "abstain": 0.0, "max_revisions": 2},
    "revise weak steps": {"revise": 0.15, "drop": 0.0, "abstain": 0.05, "max_revisions": 2},
    "revise falls": {"revise": 0.0, "drop": 0.4, "abstain": 0.0, "max_revisions": 2},
    "revise often": {"revise": 0.15, "drop": 0.4, "abstain": 0.05, "max_revisions": 4},
    "1 opinion": PLAIN | {"opinions": 1},
    "2 opinions": PLAIN | {"opinions": 2},
    "3 opinions": PLAIN | {"opinions": 3},
    "4 opinions": PLAIN | {"opinions": 4},
}


def candidate_row(name: str, changes: dict[str, float | int], run: Run, asked: list[Any]) -> dict[str, Any]:
    """Coverage at the allowed error, and what a question costs in tokens and seconds."""
    started, before = time.monotonic(), run.loaded.engine.usage
    tuning = tune(run, asked, MAX_ERROR, 0.1)
    usage, n = run.loaded.engine.usage, len(asked)
    kept = [c for c in tuning.counts if c.accepted and c.wrong / c.accepted <= MAX_ERROR]
    best = max(kept, key=lambda c: c.accepted, default=None)
    return {
        "name": name,
        **changes,
        "n": n,
        "coverage": best.accepted / n if best else 0.0,
        "threshold": best.threshold if best else None,
        "error": best.wrong / best.accepted if best else None,
        "tokens_a_question": (usage.generated - before.generated) / n,
        "seconds_a_question": (time.monotonic() - started) / n,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--start", type=Path, required=True, help="where the chosen start policy goes")
    parser.add_argument("--count", type=int, default=120, help="questions of each kind")
    args = parser.parse_args()
    loaded = load()
    asked = [q for kind in KINDS for q in questions(kind, "fit", args.count, 41)]
    rows = []
    for name, changes in CANDIDATES.items():
        policy = Policy.model_validate(changes)
        rows.append(candidate_row(name, changes, Run(loaded, policy, seed=0), asked))
        print(json.dumps(rows[-1]), flush=True)
    affordable = [r for r in rows if r["tokens_a_question"] <= MOST_TOKENS * rows[0]["tokens_a_question"]]
    best = max(affordable, key=lambda r: (r["coverage"], -r["tokens_a_question"]))
    report = {"hashes": loaded.hashes, "max_error": MAX_ERROR, "chosen": best["name"], "rows": rows}
    args.out.write_text(json.dumps(report, indent=1) + "\n")
    save_policy(Policy.model_validate(CANDIDATES[best["name"]]), args.start)


if __name__ == "__main__":
    main()
