"""``controller evaluate``: how good is the estimator, beside everything else that one could use?"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from controller.commands import options
from controller.errors import Failure, UsageError, reported, say

if TYPE_CHECKING:
    from estimator.loading import Loaded
    from training.evaluation.plan import Plan
    from training.evaluation.splits import Splits

EXAMPLE = "Example:\n\ncontroller evaluate --out evidence --quick --threads 2"


def command(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the report goes; a run that was stopped goes on there.")],
    quick: Annotated[bool, typer.Option("--quick", help="A small report in a few minutes, to see that all works.")] = False,
    json: options.Json = False,
    questions: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Your own questions with answers, one JSON object a line; without it generated ones."
        ),
    ] = None,
    per_kind: Annotated[int | None, typer.Option(min=2, help="Test questions of each kind for each seed.")] = None,
    more: Annotated[
        int | None,
        typer.Option(min=0, help="Further questions of each kind, for methods that cost no further token (720; 0: none)."),
    ] = None,
    max_tokens: Annotated[
        int | None, typer.Option(min=16, help="Most tokens of an answer; unfinished ones are left out (200).")
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, max=256, help="Threads that sample and read, processes that train.")
    ] = None,
    model: options.Model = None,
    estimator: options.Estimator = None,
    engine: options.Engine = None,
    base_url: options.BaseUrl = None,
    config: options.Config = None,
) -> None:
    """Compare the estimator with the other methods on the same answers: tables (report.json, report.md) and pictures
    (report.html)."""
    with reported():
        _check_folder(out)
        own = None if questions is None else _own(questions)
        _evaluate(
            out,
            quick,
            json,
            own,
            {"per_kind": per_kind, "more": more, "max_tokens": max_tokens},
            {"model": model, "estimator": estimator, "engine": engine, "base_url": base_url, "threads": threads},
            config,
        )


def _evaluate(
    out: Path,
    quick: bool,
    json: bool,
    own: list[Any] | None,
    wanted: dict[str, int | None],
    flags: dict[str, Any],
    config: Path | None,
) -> None:
    from dataclasses import replace

    from controller import screen
    from controller.assemble import plan as settle
    from training.evaluation.plan import QUICK, Plan
    from training.evaluation.run import evaluate
    from training.report import write_report

    amounts = replace(QUICK if quick else Plan(), **{k: v for k, v in wanted.items() if v is not None})
    planned = settle(config, flags)
    loaded = planned.load().loaded
    amounts = replace(amounts, temperature=loaded.temperature)  # that of the answers behind the estimator's labels
    report = evaluate(loaded, _splits(loaded, own, amounts), amounts, out, say)
    written = write_report(report, out)
    if json:
        screen.print_json(report)
    else:
        print("\n".join(str(path) for path in written), file=sys.stdout)


def _check_folder(out: Path) -> None:
    """UsageError or Failure where ``out`` could not be made or written into later; leaves no trace of having looked."""
    there = next(path for path in (out, *out.absolute().parents) if path.exists())
    if not there.is_dir():
        raise UsageError(f"{there} is a file: name a folder for --out")
    if not os.access(there, os.W_OK):
        raise Failure(f"cannot write into {there}: permission denied; name another folder for --out")


def _own(file: Path) -> list[Any]:
    from controller.references import graded_questions_from_file

    return graded_questions_from_file(file)


def _splits(loaded: Loaded, own: list[Any] | None, amounts: Plan) -> Splits:
    from estimator.loading import EMBEDDED
    from training.evaluation.splits import TooFew, from_questions, generated

    if own is None:
        if loaded.model != EMBEDDED:
            raise UsageError("the generated questions are the embedded model's: give --questions FILE for another model")
        return generated(amounts)
    try:
        return from_questions(own, amounts)
    except TooFew as e:
        raise UsageError(str(e)) from None
