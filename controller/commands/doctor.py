"""``controller doctor``: what is installed and in force, and does it fit together?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from controller.commands import options
from controller.errors import ExitCode, reported

if TYPE_CHECKING:
    from rich.console import Console

    from controller.diagnosis import Diagnosis

EXAMPLE = "Example:\n\ncontroller doctor"


def command(
    json: options.Json = False,
    model: options.Model = None,
    estimator: options.Estimator = None,
    engine: options.Engine = None,
    base_url: options.BaseUrl = None,
    policy: options.PolicyFile = None,
    config: options.Config = None,
) -> None:
    """Show what is installed and in force, and what to do where it does not fit together."""
    with reported():
        diagnosis = _diagnose(
            {"model": model, "estimator": estimator, "engine": engine, "base_url": base_url, "policy": policy}, config, json
        )
    raise typer.Exit(ExitCode.DONE if diagnosis.ok else ExitCode.FAILURE if diagnosis.reached else ExitCode.UNREACHABLE)


def _diagnose(flags: dict[str, Any], config: Path | None, json: bool) -> Diagnosis:
    from controller import screen
    from controller.diagnosis import diagnose
    from controller.settings import load_settings

    settings = load_settings(config, **flags)
    with screen.waiting("looking"):
        diagnosis = diagnose(settings)
    if json:
        screen.print_json(diagnosis.report())
    else:
        _show(diagnosis, screen.output())
    return diagnosis


def _show(diagnosis: Diagnosis, console: Console) -> None:
    from rich.table import Table
    from rich.text import Text

    from controller.safe import visible
    from controller.theme import GOOD, POOR, symbols_for

    symbols = symbols_for(console)
    packages = ", ".join(f"{name} {v}" for name, v in diagnosis.packages.items() if v is not None)
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim")
    grid.add_column(overflow="fold")
    grid.add_row("python", Text(diagnosis.python))
    grid.add_row("packages", Text(packages))
    grid.add_row("model", Text(visible(diagnosis.model)))
    grid.add_row("estimator", Text(visible(diagnosis.estimator)))
    if diagnosis.policy is not None:
        values = ", ".join(f"{k} {v}" for k, v in diagnosis.policy.model_dump().items())
        grid.add_row("policy", Text(visible(values)))
    console.print(grid)
    console.print()
    for finding in diagnosis.findings:
        mark, colour = (symbols.finish, GOOD) if finding.ok else (symbols.rejected, POOR)
        line = Text(f"{mark} ", style=f"bold {colour}").append(f"{visible(finding.name)}: ", style="bold")
        console.print(line.append(visible(finding.detail), style="not bold"))
        if not finding.ok and finding.remedy:
            console.print(Text(f"  {symbols.arrow} {visible(finding.remedy)}", style="dim"))
