"""``controller solve``: answer a question, or a file of them, and know when not to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from controller.commands import options
from controller.errors import OUTCOME_CODES, ExitCode, UsageError, reported

EXAMPLE = 'Example:\n\ncontroller solve "Tom has 3 pens and buys 4 more. How many pens does he have now?" --trace run.jsonl'


def command(
    question: Annotated[str | None, typer.Argument(help="The question, or - to read it from stdin.")] = None,
    file: Annotated[
        Path | None, typer.Option(metavar="QUESTIONS.jsonl", help="Questions, one a line: objects or plain text.")
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option(help="With --file: questions at the same time (16 on a server, else 1).")
    ] = None,
    processes: Annotated[
        int | None, typer.Option(help="With --file: processes that share the questions, each with the model (1).")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="With --file: where the results go, instead of stdout.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="With --out: keep the rows that are there and go on.")] = False,
    json: options.Json = False,
    trace: Annotated[Path | None, typer.Option(metavar="PATH", help="Record the run here; with --file a folder.")] = None,
    seed: options.Seed = None,
    policy: options.RunPolicyFile = None,
    accept: options.Accept = None,
    budget: options.Budget = None,
    lookahead: options.Lookahead = None,
    opinions: options.Opinions = None,
    position: options.Position = None,
    temperature: options.Temperature = None,
    model: options.Model = None,
    estimator: options.Estimator = None,
    engine: options.Engine = None,
    base_url: options.BaseUrl = None,
    config: options.Config = None,
) -> None:
    """Answer a question, reading the model's confidence on the way; revise or abstain where it is too low."""
    flags = {
        "seed": seed, "policy": policy, "accept": accept, "budget": budget, "lookahead": lookahead,
        "opinions": opinions,
        "position": position, "temperature": temperature, "concurrency": concurrency, "processes": processes,
        "model": model, "estimator": estimator, "engine": engine, "base_url": base_url,
    }  # fmt: skip
    with reported():
        if (question is None) == (file is None):
            raise UsageError("give either a QUESTION or --file QUESTIONS.jsonl (see controller solve --help)")
        if resume and (file is None or out is None):
            raise UsageError("--resume goes on with the file that --out names; give --file and --out")
        if file is not None:
            code = _solve_file(file, out, trace, resume, flags, config)
        elif out is not None:
            raise UsageError("--out belongs to --file; use --json > FILE for one question")
        elif concurrency is not None or processes is not None:
            raise UsageError(
                f"--{'processes' if concurrency is None else 'concurrency'} belongs to --file: one question is one run"
            )
        else:
            code = _solve_one(str(question), json, trace, flags, config)
    raise typer.Exit(code)


def _solve_one(question: str, json: bool, trace: Path | None, flags: dict[str, Any], config: Path | None) -> ExitCode:
    from contextlib import ExitStack

    from controller import questions, screen
    from controller.assemble import plan
    from controller.runs import open_trace, run_one
    from controller.tuned_for import warn_of_other_tuning
    from controller.view import View

    asked = questions.question_from(question)
    planned = plan(config, flags)
    with ExitStack() as stack:
        writer = open_trace(stack, trace)
        run = planned.load_to_decide()
        warn_of_other_tuning(planned.settings, run.loaded)
        if json:
            stack.enter_context(screen.waiting("solving"))
            solved = run_one(run, asked, trace=writer)
        else:
            view = stack.enter_context(View(screen.output()))
            solved = run_one(run, asked, trace=writer, show=view)
    if json:
        screen.print_json(solved.report())
    return OUTCOME_CODES[solved.result.outcome]


def _solve_file(
    file: Path, out: Path | None, trace: Path | None, resume: bool, flags: dict[str, Any], config: Path | None
) -> ExitCode:
    from contextlib import ExitStack

    from controller import questions
    from controller.assemble import at_once, plan
    from controller.batch import Job, answered, write_all
    from controller.output import continued, kept_rows, open_output
    from controller.processes import shared_out
    from controller.runs import check_traces, trace_paths
    from controller.tuned_for import warn_of_other_tuning

    asked = questions.questions_from_file(file)
    planned = plan(config, flags)
    traces = trace_paths(trace, len(asked))
    check_traces(traces, asked)
    with ExitStack() as stack:
        output = open_output(stack, out, file, traces)
        if resume and output.path is None:
            raise UsageError("--resume needs a file whose rows can be kept: name one with --out")
        run = planned.load_to_decide()
        warn_of_other_tuning(planned.settings, run.loaded)
        kept = kept_rows(output, asked, run, resume)
        jobs = [Job(q, path) for i, (q, path) in enumerate(zip(asked, traces, strict=True)) if i not in kept.rows]
        stream = stack.enter_context(continued(output, kept, asked))
        settings, concurrency = planned.settings, at_once(planned.settings, run.loaded)
        if settings.processes == 1 or len(jobs) < 2:
            rows = answered(run, jobs, concurrency)
        else:
            rows = shared_out(settings, run.policy, jobs, settings.processes, concurrency)
        failed = write_all(rows, len(jobs), stream, list(kept.rows.values()))
    return ExitCode.FAILURE if failed else ExitCode.DONE
