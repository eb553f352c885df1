"""Many questions, several at a time: one object a line, in the order of the input, each written as soon as its turn comes."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import IO, Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from controller import screen
from controller.assemble import Run
from controller.errors import say
from controller.ordered import in_order
from controller.questions import Asked
from controller.runs import open_trace, run_one, stopped_by
from estimator.engines.base import EngineError, EngineUnreachable


@dataclass(frozen=True)
class Job:
    """A question, and where its trace goes."""

    asked: Asked
    trace: Path | None = None


FAILED = "could not be run"


def solve_all(
    run: Run, jobs: Sequence[Job], stream: IO[str], concurrency: int = 1, written: Sequence[dict[str, Any]] = ()
) -> int:
    """Answer all questions, ``concurrency`` at a time; returns how many could not be. ``written`` are the rows of others,
    which earlier runs made.

    A question that the engine refuses (too long, say) gets a line with ``error`` in its place and the rest goes on; a
    backend that does not answer ends it all. However it ends, every row that is finished has been written, and a line on
    stderr counts them.
    """
    ended, total = Counter(_outcome(row) for row in written), len(written) + len(jobs)
    try:
        with question_bar(total, len(written), stream) as advance:
            for report in in_order(partial(_report, run), jobs, concurrency, run.loaded.close):
                screen.print_json(report, stream)
                ended[_outcome(report)] += 1
                advance()
    finally:
        say(_summary(ended, total))
    return ended[FAILED]


def _outcome(row: dict[str, Any]) -> str:
    return row.get("outcome", FAILED)


def _summary(ended: Counter[str], total: int) -> str:
    done = ended.total()
    counts = ", ".join(f"{n} {outcome.replace('_', ' ')}" for outcome, n in sorted(ended.items()))
    number = f"{total} question{'s' * (total != 1)}" if done == total else f"{done} of {total} questions"
    hint = "" if done == total else "; with --out, --resume goes on from here"
    return number + (f": {counts}" if counts else "") + (' (see "error" in their lines)' if ended[FAILED] else "") + hint


def _report(run: Run, job: Job, ending: threading.Event) -> dict[str, Any]:
    """The line of one question; it ends at its next event once ``ending`` is set."""
    asked, path = job.asked, job.trace
    try:
        with ExitStack() as stack:
            writer = open_trace(stack, path, asked.text)
            solved = run_one(replace(run, loaded=run.loaded.twin()), asked.text, trace=writer, show=stopped_by(ending))
            return _named(solved.report(), asked)
    except EngineUnreachable:
        raise
    except EngineError as e:
        return _named({"question": asked.text, "error": str(e), "trace": None if path is None else str(path)}, asked)


def _named(report: Mapping[str, Any], asked: Asked) -> dict[str, Any]:
    return dict(report) if asked.id is None else {**report, "id": asked.id}


@contextmanager
def question_bar(
    total: int, done: int = 0, stream: IO[str] | None = None, told: str = "solving"
) -> Iterator[Callable[[], None]]:
    """A progress bar on stderr behind what is ``told``, unless the results (in ``stream``) scroll over the same screen."""
    console = screen.progress()
    hidden = not screen.can_animate(console) or (stream is not None and stream.isatty())
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("questions"),
        TimeRemainingColumn(),
    )
    # Redirecting would send what is printed on stdout to this console's stderr.
    with Progress(*columns, console=console, redirect_stdout=False, transient=True, disable=hidden) as progress:
        task = progress.add_task(told, total=total, completed=done)
        yield lambda: progress.advance(task)
