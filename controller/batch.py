"""Many questions, several at a time: one object a line, in the order of the input, each written as soon as its turn comes."""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from controller import screen
from controller.assemble import Run
from controller.errors import Failure, UsageError, say
from controller.runs import open_trace, run_one
from estimator.engines.base import EngineError, EngineUnreachable
from graphs.trace import Event, Header

AHEAD = 2  # a row that takes long holds back no more than this many times the concurrency of finished ones


Job = tuple[str, Path | None]  # a question, and where its trace goes


class Stopped(KeyboardInterrupt):
    """Raised inside a run that is to end because the whole batch ends: its trace says that it was interrupted."""


def solve_all(run: Run, questions: Sequence[str], traces: Sequence[Path | None], stream: IO[str], concurrency: int = 1) -> int:
    """Answer all questions, ``concurrency`` at a time; returns how many could not be.

    A question that the engine refuses (too long, say) gets a line with ``error`` in its place and the rest goes on; a
    backend that does not answer ends it all. However it ends, every row that is finished has been written.
    """
    failed = 0
    with question_bar(len(questions), stream) as advance:
        for report in _in_order(run, list(zip(questions, traces, strict=True)), concurrency):
            failed += "error" in report
            screen.print_json(report, stream)
            advance()
    if failed:
        say(f'{failed} of {len(questions)} questions could not be run; see "error" in their lines')
    return failed


def _in_order(run: Run, jobs: Sequence[Job], concurrency: int) -> Iterator[dict[str, Any]]:
    """The reports in the order of the jobs. Only a window of jobs is under way or waits for its turn, so that memory does
    not grow with their number. When one ends the batch, the others are stopped, and those that had finished still come."""
    waiting: deque[Future[dict[str, Any]]] = deque()
    todo, ending = iter(jobs), threading.Event()
    with ThreadPoolExecutor(concurrency, "question") as pool:
        try:
            while True:
                while len(waiting) < AHEAD * concurrency and (job := next(todo, None)) is not None:
                    waiting.append(pool.submit(_report, run, job, ending))
                if not waiting:
                    return
                report = waiting[0].result()
                waiting.popleft()
                yield report
        except GeneratorExit:
            _end(run, waiting, ending)
            raise
        except BaseException:
            finished = [f for f in waiting if _succeeded(f)]
            _end(run, waiting, ending)
            yield from (f.result() for f in finished)
            raise


def _end(run: Run, waiting: Sequence[Future[Any]], ending: threading.Event) -> None:
    ending.set()
    for future in waiting:
        future.cancel()
    if run.loaded.close is not None:
        run.loaded.close()


def _succeeded(future: Future[Any]) -> bool:
    return future.done() and not future.cancelled() and future.exception() is None


def _report(run: Run, job: Job, ending: threading.Event) -> dict[str, Any]:
    """The line of one question; it ends at its next event once ``ending`` is set."""

    def watch(event: Event) -> None:
        if ending.is_set() and not isinstance(event, Header):  # behind the header the trace can say that it was stopped
            raise Stopped

    question, path = job
    loaded = run.loaded.fork() if run.loaded.fork is not None else run.loaded
    try:
        with ExitStack() as stack:
            return run_one(replace(run, loaded=loaded), question, trace=open_trace(stack, path), show=watch).report()
    except EngineUnreachable:
        raise
    except EngineError as e:
        return {"question": question, "error": str(e), "trace": None if path is None else str(path)}


def open_output(stack: ExitStack, out: Path | None, questions: Path) -> IO[str]:
    """Where the results go; opened before any work is done, and whatever is in it stays until ``emptied``."""
    if out is None:
        return sys.stdout
    if out.exists() and questions.exists() and out.samefile(questions):
        raise UsageError(f"{out} holds the questions and would be replaced: name another file for --out")
    try:
        return stack.enter_context(out.open("a", encoding="utf-8"))
    except OSError as e:
        raise Failure(f"cannot write {out}: {e.strerror}") from None


def emptied(stream: IO[str], out: Path | None) -> IO[str]:
    """The opened output, free of what an earlier run left: called when the model is there and new results will come."""
    if out is not None and out.is_file():
        stream.truncate(0)
    return stream


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
