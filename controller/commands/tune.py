"""``controller tune``: find the acceptance threshold that keeps the share of wrong answers below a limit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from controller.commands import options
from controller.errors import ExitCode, UsageError, reported

EXAMPLE = "Example, in a checkout:\n\ncontroller tune examples/questions.jsonl --max-error 0.2 --risk 0.2 --out tuned.toml"
LEAST, MOST = 0.001, 0.999


def command(
    questions: Annotated[
        Path,
        typer.Argument(
            metavar="QUESTIONS",
            help='Questions nothing was trained on, one a line: {"question": "...", "answer": "..."}; used for this one tuning '
            "only, with start policy, seed and limits not chosen on them.",
        ),
    ],
    max_error: Annotated[float, typer.Option(help="Most of the given answers that may be wrong: 0.1 is one in ten.")],
    risk: Annotated[float, typer.Option(help="Chance at which the threshold may promise too much: 0.05 is one in twenty.")],
    out: Annotated[Path, typer.Option(metavar="FILE.toml", help="Where the tuned policy goes, its certificate beside it.")],
    json: options.Json = False,
    policy: options.StartPolicyFile = None,
    seed: options.Seed = None,
    model: options.Model = None,
    estimator: options.Estimator = None,
    engine: options.Engine = None,
    base_url: options.BaseUrl = None,
    config: options.Config = None,
) -> None:
    """Tune the acceptance threshold on questions with known answers, with a guarantee on the error."""
    flags = {"policy": policy, "seed": seed, "model": model, "estimator": estimator, "engine": engine, "base_url": base_url}
    with reported():
        _check_share("--max-error", max_error)
        _check_share("--risk", risk)
        code = _tune(questions, max_error, risk, out, json, flags, config)
    raise typer.Exit(code)


def _tune(
    path: Path, max_error: float, risk: float, out: Path, json: bool, flags: dict[str, Any], config: Path | None
) -> ExitCode:
    from controller import screen, tune_view
    from controller.assemble import plan
    from controller.certificate import Tuned, check_writable
    from controller.errors import say
    from controller.references import graded_questions_from_file
    from controller.trials import tune
    from controller.tune import check_chances

    asked = graded_questions_from_file(path)
    planned = plan(config, flags)
    check_chances(len(asked), planned.policy.revise, max_error, risk)
    check_writable(out, path)
    run = planned.load_to_decide()
    tuned = Tuned(tune(run, asked, max_error, risk), run, asked)
    if tuned.policy is not None:
        tuned.save(out)
    if json:
        screen.print_json(tuned.report())
        if tuned.policy is None:
            say(" ".join(tune_view.refusal(tuned.tuning)))
    else:
        tune_view.show(tuned, out, screen.output())
    return ExitCode.FAILURE if tuned.policy is None else ExitCode.DONE


def _check_share(option: str, value: float) -> None:
    if not LEAST <= value <= MOST:  # also refuses nan
        raise UsageError(f"{option} is a share between {LEAST} and {MOST}, not {value:g}")
