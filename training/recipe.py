"""What a training run is given, and what it tells: while it goes, and afterwards on disk."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from estimator.artefacts import CARD, Technique
from training.held_out import HeldOut

RECORD = "training.json"


@dataclass(frozen=True)
class FinetuneRecipe:
    """``epochs`` passes over the labels, or as many steps as ``budget`` tokens make (0: no budget); ``extra_points`` more
    prefixes of every sampled answer are read at random places, which teaches the periodic and entropy positions (soft
    readout); ``held_out`` is the share of questions kept for the monitor, which looks ``every`` so many steps (a checkpoint is
    written then); ``patience`` looks without a better score end the run, and the best state is kept (0: to the end, and the
    last state); ``dropout`` falls on the LoRA's inputs; ``mixed`` is the share of steps that are about answers
    (``training.mixing``)."""

    seed: int = 5
    technique: Technique = "soft"
    rank: int = 32
    alpha: int = 64
    dropout: float = 0.0
    epochs: float = 1.2
    budget: int = 0
    lr: float = 1e-3
    beta2: float = 0.98
    warmup: int = 50
    tokens_per_step: int = 8_000
    extra_points: int = 2
    held_out: float = 0.03
    every: int = 100
    patience: int = 0
    mixed: float = 0.0
    processes: int = 2


PAPER_OPTIMISER: dict[str, Any] = {"lr": 1e-4, "beta2": 0.5, "warmup": 300}  # paper, appendix A.2.2


@dataclass(frozen=True, slots=True)
class Progress:
    """After step ``step`` of ``steps``: the mean ``loss`` of the last steps, the ``seconds`` so far (those before an
    interruption included), where one was taken the look at the held-out questions, and whether the run ends here."""

    step: int
    steps: int
    loss: float
    seconds: float
    held_out: HeldOut | None = None
    last: bool = False


Report = Callable[[Progress], None]


def print_line(progress: Progress) -> None:
    """One line a look, on stdout."""
    if progress.held_out is not None:
        print(line_of(progress), flush=True)


def line_of(progress: Progress) -> str:
    parts = [f"step {progress.step}/{progress.steps} loss {progress.loss:.4f}"]
    for state, f in progress.held_out.figures.items() if progress.held_out else ():
        ranking = "none" if f.auroc is None else f"{f.auroc:.3f}"
        parts.append(f"{state} nll {f.nll:.3f} ece {100 * f.ece:.1f} auroc {ranking};")
    return " ".join([*parts, f"{progress.seconds:.0f}s"])


@dataclass(frozen=True, slots=True)
class Trained:
    """A finished run: ``kept_step`` is the step whose state was kept, ``stopped`` is ``end`` or ``early``, and ``history`` has
    the looks in order (step, loss, score, and figures by state). ``run`` names everything that decided the result."""

    steps: int
    kept_step: int
    stopped: str
    seconds: float
    history: list[dict[str, Any]]
    run: str = ""

    @property
    def figures(self) -> dict[str, dict[str, float]]:
        """The held-out figures of the state that was kept."""
        return next(h["figures"] for h in self.history if h["step"] == self.kept_step)


def read_record(out: Path) -> Trained:
    """The record of the run that made an adapter directory."""
    return Trained(**json.loads((out / RECORD).read_text()))


def finished(out: Path) -> bool:
    """Whether a directory holds a finished adapter: the card is written last."""
    return (out / CARD).exists() and (out / RECORD).exists()
