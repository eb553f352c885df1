"""Training on the screen: one line that is drawn over on a terminal, one line a look elsewhere, all on stderr."""

from __future__ import annotations

import sys
from typing import Any

from rich.console import Console
from rich.table import Table

from controller import screen
from controller.safe import one_line
from training.recipe import Progress, line_of

FEW = 100


class Show:
    """Takes a run's progress, in whichever process it happens; ``name`` stands before each line."""

    def __init__(self, name: str = "") -> None:
        self.name = name
        self._live: Any = None
        self._seen = ""

    def __call__(self, progress: Progress) -> None:
        console = screen.progress()
        line = f"{self.name} {line_of(progress)}".strip()
        if not screen.can_animate(console):
            if progress.held_out is not None:
                print(line, file=sys.stderr, flush=True)
            return
        self._draw(console, line, progress)

    def _draw(self, console: Console, line: str, progress: Progress) -> None:
        """The current loss with the last look, and above it the looks so far."""
        from rich.live import Live

        if self._live is None:
            self._live = Live(console=console, transient=False, refresh_per_second=4)
            self._live.start()
        if progress.held_out is not None and "all" in progress.held_out.figures:
            figures = progress.held_out.figures["all"]
            self._seen = f"held-out ECE {100 * figures.ece:.1f} %" + (f", AUROC {figures.auroc:.3f}" if figures.auroc else "")
            self._live.console.print(line, soft_wrap=True)
        rest = (progress.steps - progress.step) * progress.seconds / max(progress.step, 1)
        left = f"step {progress.step}/{progress.steps}  loss {progress.loss:.4f}  {self._seen}  {rest:.0f} s left"
        self._live.update(f"{self.name} {left}".strip())
        if progress.last:
            self._live.stop()


def result(report: dict[str, Any], as_json: bool) -> None:
    """What was made, on stdout."""
    if as_json:
        screen.print_json(report)
        return
    console = screen.output()
    table = Table(title=f"estimator of {one_line(report['model'])}, technique {report['technique']}")
    for name in ("seed", "steps", "kept", "held out", "ECE", "AUROC", "combined", "folder"):
        table.add_column(name)
    seen = [made["held_out"].get("all") or {"n": 0, "ece": float("nan"), "auroc": None} for made in report["adapters"]]
    for made, figures in zip(report["adapters"], seen, strict=True):
        ranking = "-" if figures["auroc"] is None else f"{figures['auroc']:.3f}"
        quality = [f"{figures['n']} points", f"{100 * figures['ece']:.1f} %", ranking]
        cells = [made["seed"], made["steps"], made["kept_step"], *quality, made["combined"]]
        table.add_row(*map(str, cells), one_line(made["path"]))
    console.print(table)
    if min(figures["n"] for figures in seen) < FEW:
        screen.warn(f"figures of fewer than {FEW} held-out points say little: label more questions")
    console.print(
        f"controller solve QUESTION --model {one_line(report['model'])} --estimator {one_line(report['adapters'][0]['path'])}"
    )
