"""A scripted model behind the command line, for its tests: which question leads to which outcome is fixed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from controller import assemble
from controller.cli import app
from estimator.engines.scripted import ScriptedEngine
from estimator.loading import Loaded
from estimator.scorers.scripted import ScriptedScorer
from tests.scenarios import OPINIONS

PENS = "3 pens with 4 sheep each, 7 are sold: how many are left?"
GOOD = "What is 6 times 7?"
BAD = "Which number am I thinking of?"
LONG = "Count for ever."

SCRIPT = {
    PENS: [["3 x 4 = 12.", "12 - 7 = 6.", "#### 6"], ["3 x 4 = 12.", "12 - 7 = 5.", "#### 5"]],
    GOOD: [["6 x 7 = 42.", "#### 42"]],
    BAD: [["Perhaps nine.", "#### 9"], ["Perhaps eight.", "#### 8"]],
    LONG: [["one", "two", "three", "four", "five " * 40, "#### 5"]],
}
CONFIDENCES = {
    "= 12.": 0.7, "12 - 7 = 6.": 0.15, "#### 6": 0.1, "12 - 7 = 5.": 0.8, "#### 5": 0.9,
    "6 x 7": 0.9, "#### 42": 0.95, "Perhaps": 0.05, "#### 9": 0.02, "#### 8": 0.02,
}  # fmt: skip


@dataclass(frozen=True)
class Double(Loaded):
    """What would have been loaded, with the scripted engine's counters in sight."""

    engine: ScriptedEngine


def scripted(script=None, failures=None, **options) -> Double:
    """The double; ``failures`` maps the number of an engine call to what it raises."""
    engine = ScriptedEngine(script or SCRIPT, CONFIDENCES, failures=failures, **options)
    scorer = ScriptedScorer(lambda answer: engine.confidence(engine.decode(answer.token_ids)), opinions=OPINIONS)
    hashes = {"base": "b", "adapter": "a", "prompt": "p"}
    return Double(engine, scorer, "scripted-model", "scripted-estimator", hashes)


def use(monkeypatch: pytest.MonkeyPatch, loaded: Double | None = None) -> Double:
    """Put the double in where the model would be loaded."""
    loaded = loaded or scripted()
    monkeypatch.setattr(assemble, "load_for", lambda settings: loaded)
    monkeypatch.setattr(assemble, "shipped_policy_path", lambda: None)
    return loaded


def invoke(*arguments: str | Path, stdin: str | bytes | None = None) -> Result:
    """Run the command line in this process."""
    return CliRunner().invoke(app, [str(a) for a in arguments], input=stdin)
