"""``controller mcp``: the controller as tools that an agent calls."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from controller.commands import options
from controller.errors import reported

EXAMPLE = "Example (as an agent app starts it, to talk to it over stdin and stdout):\n\ncontroller mcp --trace traces"


def command(
    trace: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Record every answer here.")] = None,
    concurrency: Annotated[int | None, typer.Option(help="Calls at the same time (16 on a server, else 1).")] = None,
    seed: options.Seed = None,
    policy: options.RunPolicyFile = None,
    accept: options.Accept = None,
    budget: options.Budget = None,
    lookahead: options.Lookahead = None,
    position: options.Position = None,
    temperature: options.Temperature = None,
    model: options.Model = None,
    estimator: options.Estimator = None,
    engine: options.Engine = None,
    base_url: options.BaseUrl = None,
    config: options.Config = None,
) -> None:
    """Offer solve and score as tools to agents, over the Model Context Protocol on stdin and stdout."""
    flags = {
        "seed": seed, "policy": policy, "accept": accept, "budget": budget, "lookahead": lookahead,
        "position": position, "temperature": temperature, "concurrency": concurrency,
        "model": model, "estimator": estimator, "engine": engine, "base_url": base_url,
    }  # fmt: skip
    with reported():
        _serve(trace, flags, config)


def _serve(trace: Path | None, flags: dict[str, Any], config: Path | None) -> None:
    from controller.agent_tools import build_server
    from controller.assemble import plan
    from controller.runs import trace_paths
    from controller.tuned_for import warn_of_other_tuning

    planned = plan(config, flags)
    trace_paths(trace, 0)  # a folder that cannot be written is told now
    run = planned.load()
    warn_of_other_tuning(planned.settings, run.loaded)
    build_server(run, at_once=planned.settings.at_once, traces=trace).run("stdio")
