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
Row = dict[str, Any]  # the object of ``solve --json``, with the question's own id


def answered(run: Run, jobs: Sequence[Job], concurrency: int = 1, ending: threading.Event | None = None) -> Iterator[Row]:
    """The row of each question in their order, ``concurrency`` at a time (see ``ordered.in_order``).

    A question that the engine refuses (too long, say) gets a row with ``error`` in its place and the rest goes on; a backend
    that does not answer ends it all.
    """
    return in_order(partial(_report, run), jobs, concurrency, run.loaded.close, ending)


def write_all(rows: Iterator[Row], count: int, stream: IO[str], written: Sequence[Row] = ()) -> int:
    """Write ``count`` rows as they come; returns how many are of questions that could not be run. ``written`` are the rows of
    others, which earlier runs made. However it ends, every row that has come was written, and a line on stderr counts them."""
    ended, total = Counter(_outcome(row) for row in written), len(written) + count
    try:
        with question_bar(total, len(written), stream) as advance:
            for row in rows:
                screen.print_json(row, stream)
                ended[_outcome(row)] += 1
                advance()
    finally:
        say(_summary(ended, total))
    return ended[FAILED]


def _outcome(row: Row) -> str:
    return row.get("outcome", FAILED)


def _summary(ended: Counter[str], total: int) -> str:
    done = ended.total()
    counts = ", ".join(f"{n} {outcome.replace('_', ' ')}" for outcome, n in sorted(ended.items()))
    number = f"{total} question{'s' * (total != 1)}" if done == total else f"{done} of {total} questions"
    hint = "" if done == total else "; with --out, --resume goes on from here"
    return number + (f": {counts}" if counts else "") + (' (see "error" in their lines)' if ended[FAILED] else "") + hint


def _report(run: Run, job: Job, ending: threading.Event) -> Row:
    """The row of one question; it ends at its next event once ``ending`` is set."""
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


def _named(report: Mapping[str, Any], asked: Asked) -> Row:
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
