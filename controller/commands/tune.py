"""``controller tune``: find the acceptance threshold that keeps the share of wrong answers below a limit, and before that, on
other questions, when to stop early, to revise and to ask again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from controller.commands import options
from controller.errors import ExitCode, UsageError, reported

if TYPE_CHECKING:
    from controller.choosing import Wanted
    from controller.trials import Runs
    from estimator.types import Question
    from graphs.policy import Policy

    Check = Callable[[Policy, float], None]  # of a start policy, and up to which threshold the runs tell
    Source = Callable[[Path | None, Sequence[Sequence[Question]], Check], tuple[Runs, Policy]]

EXAMPLE = "Example, in a checkout:\n\ncontroller tune examples/questions.jsonl --max-error 0.2 --risk 0.2 --out tuned.toml"
LEAST, MOST, MOST_TIMES = 0.001, 0.999, 100
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
    most_tokens: Annotated[
        float | None,
        typer.Option(
            help="With --ways: tokens a question may take, in multiples of plain generation's: 2.5, if not given.",
            rich_help_panel=_START,
        ),
    ] = None,
    policy: options.StartPolicyFile = None,
    recorded: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FOLDER",
            help="Traces of all these questions, as 'solve --file --trace' wrote them: tune on what they tell, up to the "
            "accept that they were recorded with, without a model. May be given twice.",
        ),
    ] = None,
    json: options.Json = False,
    concurrency: Annotated[int | None, typer.Option(help="Questions at the same time (16 on a server, else 1).")] = None,
    seed: options.Seed = None,
    model: options.Model = None,
    estimator: options.Estimator = None,
    engine: options.Engine = None,
    base_url: options.BaseUrl = None,
    config: options.Config = None,
) -> None:
    """Tune the acceptance threshold with a guarantee on the error; with --choose-on, choose first when to stop early."""
    loading = {
        "concurrency": concurrency, "seed": seed, "model": model, "estimator": estimator, "engine": engine,
        "base_url": base_url,
    }  # fmt: skip
    start = Start(policy, choose_on, ways, lose, most_tokens)
    with reported(go_on="nothing was kept, nor looked at, so these questions can still be tuned on"):
        _check_share("--max-error", max_error)
        _check_share("--risk", risk)
        start.check()
        if choose_on is not None and str(choose_on) == str(questions) == "-":
            raise UsageError("stdin can be QUESTIONS or OTHERS, not both: name a file for one of them")
        if recorded:
            _check_not_loading({**loading, "config": config, "ways": ways or None})
            source: Source = partial(_recordings, recorded)
        else:
            source = partial(_machine, loading, config)
        code = _tune(questions, max_error, risk, start, out, json, source)
    raise typer.Exit(code)


@dataclass(frozen=True)
class Start:
    """The start policy's file, and how it is chosen from there: on the questions of a file, or not at all."""

    policy: Path | None
    choose_on: Path | None
    ways: bool
    lose: float | None
    most_tokens: float | None

    def check(self) -> None:
        """UsageError where the options make no sense."""
        asked = {"--ways": self.ways, "--lose": self.lose is not None, "--most-tokens": self.most_tokens is not None}
        if self.choose_on is None and any(asked.values()):
            raise UsageError(f"{next(k for k, v in asked.items() if v)} belongs to --choose-on OTHERS.jsonl")
        if self.most_tokens is not None and not self.ways:
            raise UsageError("--most-tokens chooses between ways to answer: give --ways")
        if self.lose is not None and not 0 <= self.lose <= MOST:  # also refuses nan
            raise UsageError(f"--lose is a share between 0 and {MOST}, not {self.lose:g}")
        if self.most_tokens is not None and not 0 < self.most_tokens <= MOST_TIMES:
            raise UsageError(f"--most-tokens is a multiple above 0 and of at most {MOST_TIMES}, not {self.most_tokens:g}")

    def wanted(self, max_error: float) -> Wanted:
        from controller.choosing import LOSE, MOST_TOKENS, Wanted

        lose = LOSE if self.lose is None else self.lose
        return Wanted(max_error, lose, MOST_TOKENS if self.most_tokens is None else self.most_tokens)


def _tune(path: Path, max_error: float, risk: float, start: Start, out: Path, json: bool, source: Source) -> ExitCode:
    from controller import screen, tune_view
    from controller.certificate import Tuned, check_writable
    from controller.errors import say
    from controller.references import check_apart, graded_questions_from_file
    from controller.stopping import to_the_end
    from controller.trials import choose_start, tune
    from controller.tune import check_chances

    asked = graded_questions_from_file(path)
    others = [] if start.choose_on is None else graded_questions_from_file(start.choose_on)
    check_writable(out, path)
    if start.choose_on is not None:
        check_writable(out, start.choose_on)
        check_apart(asked, others, start.choose_on)

    def check(policy: Policy, strictest: float) -> None:
        lowest = (to_the_end(policy) if others else policy).lowest_accept
        check_chances(len(asked), lowest, max_error, risk, strictest)

    runs, policy = source(start.policy, [asked, others], check)
    choice = None
    if others:
        choice = choose_start(runs, policy, others, start.wanted(max_error), ways=start.ways)
        policy = choice.chosen.policy
    tuned = Tuned(tune(runs, policy, asked, max_error, risk), policy, runs, asked, choice)
    if tuned.policy is not None:
        tuned.save(out)
    if json:
        screen.print_json(tuned.report())
        if tuned.policy is None:
            say(" ".join(tune_view.refusal(tuned.tuning)))
    else:
        tune_view.show(tuned, out, screen.output())
    return ExitCode.FAILURE if tuned.policy is None else ExitCode.DONE


def _machine(
    loading: dict[str, Any], config: Path | None, policy: Path | None, batches: Sequence[Sequence[Question]], check: Check
) -> tuple[Runs, Policy]:
    """Runs that are made now, by the model that the options and settings name."""
    from controller.assemble import at_once, plan
    from controller.references import check_fit
    from controller.trials import Machine

    planned = plan(config, {"policy": policy, **loading})
    check(planned.policy, Machine.strictest)
    run = planned.load_to_decide()
    for batch in batches:
        check_fit(batch, run.loaded.engine.prompt_ids, run.loaded.engine.max_context)
    return Machine(run, at_once(planned.settings, run.loaded)), run.policy


def _recordings(
    folders: Sequence[Path], policy: Path | None, batches: Sequence[Sequence[Question]], check: Check
) -> tuple[Runs, Policy]:
    """Runs that were made before; the start policy is theirs where none is named."""
    from controller.assemble import read_policy
    from controller.recordings import read_recordings

    runs = read_recordings(folders, [q for batch in batches for q in batch])
    start = runs.policy if policy is None else read_policy(policy)
    check(start, runs.strictest)
    return runs, start


def _check_not_loading(options: dict[str, Any]) -> None:
    given = next((name for name, value in options.items() if value is not None), None)
    if given is not None:
        raise UsageError(f"--{given.replace('_', '-')} says how runs are made, and those of --recorded are there already")


def _check_share(option: str, value: float) -> None:
    if not LEAST <= value <= MOST:  # also refuses nan
        raise UsageError(f"{option} is a share between {LEAST} and {MOST}, not {value:g}")
