"""Many questions: one object a line, in the order of the input, each written as soon as it is known."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from controller import screen
from controller.assemble import Run
from controller.errors import Failure, say
from controller.runs import open_trace, run_one
from estimator.engines.base import EngineError, EngineUnreachable


def solve_all(run: Run, questions: Sequence[str], traces: Sequence[Path | None], stream: IO[str]) -> int:
    """Answer all questions; returns how many could not be.

    A question that the engine refuses (too long, say) gets a line with ``error`` in its place and the rest goes on; a
    backend that does not answer ends it all.
    """
    failed = 0
    with question_bar(len(questions), stream) as advance:
        for question, path in zip(questions, traces, strict=True):
            try:
                with ExitStack() as stack:
                    report = run_one(run, question, trace=open_trace(stack, path)).report()
            except EngineUnreachable:
                raise
            except EngineError as e:
                failed += 1
                report = {"question": question, "error": str(e), "trace": None if path is None else str(path)}
            screen.print_json(report, stream)
            advance()
    if failed:
        say(f'{failed} of {len(questions)} questions could not be run; see "error" in their lines')
    return failed


def open_output(stack: ExitStack, out: Path | None) -> IO[str]:
    """Where the results go; opened before any work is done."""
    if out is None:
        return sys.stdout
    try:
        return stack.enter_context(out.open("w", encoding="utf-8"))
    except OSError as e:
        raise Failure(f"cannot write {out}: {e.strerror}") from None


@contextmanager
def question_bar(total: int, stream: IO[str] | None = None) -> Iterator[Callable[[], None]]:
    """A progress bar on stderr, unless the results themselves (in ``stream``) scroll over the same screen."""
    console = screen.progress()
    hidden = not screen.can_animate(console) or (stream is not None and stream.isatty())
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("questions"), TimeRemainingColumn())
    # Redirecting would send what is printed on stdout to this console's stderr.
    with Progress(*columns, console=console, redirect_stdout=False, transient=True, disable=hidden) as progress:
        task = progress.add_task("solving", total=total)
        yield lambda: progress.advance(task)
