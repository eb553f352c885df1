"""A training run that was interrupted: its state on disk, whole or not there at all, and only ever taken up by the same run."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from training.atomic import replaced

FILE = "checkpoint.pt"


class CheckpointError(ValueError):
    """There is nothing to go on from, or it belongs to another run; the message says which."""


@dataclass
class State:
    """Where a run is. ``weights`` and ``best`` are the trained tensors in their order; ``best`` are those of the lowest
    held-out score so far (None where the last ones are kept), ``stale`` counts the looks since then, and ``history`` has
    every look."""

    step: int = 0
    stale: int = 0
    best_step: int = 0
    best_score: float = float("inf")
    seconds: float = 0.0
    losses: list[float] = field(default_factory=list)
    weights: list[torch.Tensor] = field(default_factory=list)
    best: list[torch.Tensor] | None = None
    history: list[dict[str, Any]] = field(default_factory=list)
    optimiser: dict[str, Any] = field(default_factory=dict)


def save_state(out: Path, run: str, state: State) -> None:
    """A kill at any moment leaves the old one or the new one. ``run`` names the run: everything that decides its result."""
    with replaced(out / FILE) as temporary:
        torch.save({"run": run, **vars(state)}, temporary)


def load_state(out: Path, run: str) -> State:
    """Raises CheckpointError where the state is missing, damaged, or of another run."""
    try:
        saved = torch.load(out / FILE, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise CheckpointError(f"nothing to resume in {out}: start without --resume") from None
    except Exception as error:  # torch raises whatever the damaged archive led to
        raise CheckpointError(f"{out / FILE} is damaged ({type(error).__name__}): start again with --overwrite") from error
    if saved.pop("run") != run:
        raise CheckpointError(f"{out / FILE} is of a run with another base, data or recipe: give the same, or --overwrite")
    return State(**saved)


def remove_state(out: Path) -> None:
    (out / FILE).unlink(missing_ok=True)
