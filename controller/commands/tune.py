"""``controller tune``: choose when to stop early, to revise and to ask again, and find the acceptance threshold that keeps the
share of wrong answers below a limit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from controller.commands import options
from controller.errors import ExitCode, UsageError, reported

EXAMPLE = "Example, in a checkout:\n\ncontroller tune examples/questions.jsonl --max-error 0.2 --risk 0.2 --out tuned.toml"
LEAST, MOST = 0.001, 0.999
_START = "Start policy"


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
    choose_on: Annotated[
        Path | None,
        typer.Option(
            metavar="OTHERS.jsonl",
            help="Other such questions, on which it is first chosen when to stop early (give_up, abstain).",
            rich_help_panel=_START,
        ),
    ] = None,
    ways: Annotated[
        bool,
        typer.Option(
            "--ways",
            help="Choose there too whether to revise and how many fresh answers to ask for; up to ten runs of OTHERS.",
            rich_help_panel=_START,
        ),
    ] = False,
    lose: Annotated[
        float | None,
        typer.Option(
            help="Share of the right answers that stopping early may cost there: 0.02, if not given.", rich_help_panel=_START
        ),
    ] = None,
    policy: options.StartPolicyFile = None,
    json: options.Json = False,
    concurrency: Annotated[int | None, typer.Option(help="Questions at the same time (16 on a server, else 1).")] = None,
    seed: options.Seed = None,
    model: options.Model = None,
    estimator: options.Estimator = None,
    engine: options.Engine = None,
    base_url: options.BaseUrl = None,
    config: options.Config = None,
) -> None:
    """Choose when to stop early, and tune the acceptance threshold with a guarantee on the error."""
    flags = {
        "policy": policy, "concurrency": concurrency, "seed": seed, "model": model, "estimator": estimator, "engine": engine,
        "base_url": base_url,
    }  # fmt: skip
    with reported():
        _check_share("--max-error", max_error)
        _check_share("--risk", risk)
        if choose_on is None and (ways or lose is not None):
            raise UsageError(
                f"{'--ways' if ways else '--lose'} belongs to --choose-on OTHERS.jsonl (see controller tune --help)"
            )
        if lose is not None and not 0 <= lose <= MOST:  # also refuses nan
            raise UsageError(f"--lose is a share between 0 and {MOST}, not {lose:g}")
        code = _tune(questions, Limits(max_error, risk, lose, ways), choose_on, out, json, flags, config)
    raise typer.Exit(code)


@dataclass(frozen=True)
class Limits:
    """What is asked of a tuning; ``lose`` and ``ways`` are of the start policy's choice."""

    max_error: float
    risk: float
    lose: float | None
    ways: bool


def _tune(
    path: Path, limits: Limits, choose_on: Path | None, out: Path, json: bool, flags: dict[str, Any], config: Path | None
) -> ExitCode:
    from controller import screen, tune_view
    from controller.assemble import at_once, plan
    from controller.certificate import Tuned, check_writable
    from controller.choosing import LOSE
    from controller.errors import say
    from controller.references import check_apart, graded_questions_from_file
    from controller.trials import check_fit, choose_start, tune
    from controller.tune import check_chances

    asked = graded_questions_from_file(path)
    others = [] if choose_on is None else graded_questions_from_file(choose_on)
    planned = plan(config, flags)
    check_chances(len(asked), planned.policy.revise, limits.max_error, limits.risk)
    for questions in (path, *([] if choose_on is None else [choose_on])):
        check_writable(out, questions)
    if choose_on is not None:
        check_apart(asked, others, choose_on)
    run = planned.load_to_decide()
    check_fit(run, [*asked, *others])
    concurrency, choice = at_once(planned.settings, run.loaded), None
    if choose_on is not None:
        lose = LOSE if limits.lose is None else limits.lose
        choice = choose_start(run, others, limits.max_error, lose, ways=limits.ways, concurrency=concurrency)
        run = replace(run, policy=choice.policy)
    tuned = Tuned(tune(run, asked, limits.max_error, limits.risk, concurrency), run, asked, choice)
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
