"""``controller mcp``: the controller as tools that an agent calls."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from controller.commands import options
from controller.errors import ExitCode, Failure, reported, say

if TYPE_CHECKING:
    from controller.agent_tools import Calls

EXAMPLE = "Example (as an agent app starts it, to talk to it over stdin and stdout):\n\ncontroller mcp --trace traces"


def command(
    trace: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Record every answer here.")] = None,
    concurrency: Annotated[int | None, typer.Option(help="Calls at the same time (16 on a server, else 1).")] = None,
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
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE.toml", help="Settings file; of the folder that it is started in none is read by itself."),
    ] = None,
) -> None:
    """Offer solve and score as tools to agents, over the Model Context Protocol on stdin and stdout."""
    flags = {
        "seed": seed, "policy": policy, "accept": accept, "budget": budget, "lookahead": lookahead,
        "opinions": opinions,
        "position": position, "temperature": temperature, "concurrency": concurrency,
        "model": model, "estimator": estimator, "engine": engine, "base_url": base_url,
    }  # fmt: skip
    with reported():
        _serve(trace, flags, config)


def _serve(trace: Path | None, flags: dict[str, Any], config: Path | None) -> None:
    from controller.agent_tools import Calls, build_server
    from controller.assemble import at_once, plan
    from controller.runs import trace_paths
    from controller.tuned_for import warn_of_other_tuning

    # An agent app starts it in a workspace of others, whose settings could send questions and a key anywhere.
    planned = plan(config, flags, default=None)
    trace_paths(trace, 0)  # a folder that cannot be written is told now
    run = planned.load_to_decide()
    warn_of_other_tuning(planned.settings, run.loaded)
    calls = Calls(run, at_once(planned.settings, run.loaded))
    _end_when_asked(calls)
    try:
        build_server(calls, trace).run("stdio")
    except BaseExceptionGroup as group:
        if group.split(BrokenPipeError)[1] is not None:
            raise
        raise Failure("whoever started this reads it no longer") from None
    finally:
        calls.close()


def _end_when_asked(calls: Calls) -> None:
    """End at a signal: left alone, the server waits for the end of stdin."""
    import os
    import signal

    def end(*_: object) -> None:
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_DFL)  # who asks again does not wait
        calls.close()
        say("interrupted")
        os._exit(ExitCode.INTERRUPTED)

    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, end)
