"""Solving from Python: the same run as the command's, with the result as a record."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from controller.assemble import Run, default_policy
from controller.questions import check_question
from controller.runs import arun_one, open_trace, run_one
from controller.settings import SEEDS
from graphs.events import Emit, ResultEvent
from graphs.policy import Policy

if TYPE_CHECKING:
    from estimator.loading import Loaded


def solve(
    question: str,
    *,
    loaded: Loaded | None = None,
    policy: Policy | None = None,
    seed: int = 0,
    trace: str | Path | None = None,
    emit: Emit | None = None,
) -> ResultEvent:
    """Answer one question.

    ``loaded`` is what ``controller.load`` returns (load once, solve often); without it the embedded model is loaded.
    ``policy`` None is the shipped default. ``trace`` is where the run is recorded; ``emit`` is told every event.
    """
    run = _run(loaded, policy, seed)
    with ExitStack() as stack:
        writer = open_trace(stack, None if trace is None else Path(trace))
        return run_one(run, check_question(question), trace=writer, show=emit).result


async def asolve(
    question: str,
    *,
    loaded: Loaded | None = None,
    policy: Policy | None = None,
    seed: int = 0,
    trace: str | Path | None = None,
    emit: Emit | None = None,
) -> ResultEvent:
    """``solve`` beside a running event loop."""
    run = _run(loaded, policy, seed)
    with ExitStack() as stack:
        writer = open_trace(stack, None if trace is None else Path(trace))
        return (await arun_one(run, check_question(question), trace=writer, show=emit)).result


def _run(loaded: Loaded | None, policy: Policy | None, seed: int) -> Run:
    if seed not in SEEDS:
        raise ValueError(f"seed: a whole number from 0 to 2**63 - 1 is needed, not {seed}")
    if loaded is None:
        from estimator.loading import load

        loaded = load()
    return Run(loaded, policy or default_policy(loaded), seed)
