"""Questions in, results out: one run of the machine with whoever listens to its events."""

from __future__ import annotations

import platform
import threading
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from controller import screen
from controller.about import PACKAGE
from controller.assemble import Run
from controller.errors import Failure, UsageError
from controller.questions import Asked
from controller.reports import SolveReport, solve_report
from graphs.events import Emit, Event, Header, ResultEvent
from graphs.reasoning import Names, asolve, solve
from graphs.trace import TraceWriter, other_than_trace

if TYPE_CHECKING:
    from estimator.loading import Loaded

RECORDED_PACKAGES = (PACKAGE, "torch", "transformers", "peft", "langgraph")


class Stopped(KeyboardInterrupt):
    """Raised inside a run that is to end because what it belongs to ends: its trace says that it was interrupted."""


def stopped_by(ending: threading.Event) -> Emit:
    """A listener that ends its run at the next event once ``ending`` is set."""

    def watch(event: Event) -> None:
        if ending.is_set() and not isinstance(event, Header):  # behind the header the trace can say that it was stopped
            raise Stopped

    return watch


@dataclass(frozen=True)
class Solved:
    """A finished run."""

    header: Header
    result: ResultEvent
    trace: Path | None

    def report(self) -> SolveReport:
        """The object of ``solve --json``."""
        return solve_report(self.header, self.result, self.trace)


def run_one(run: Run, question: str, *, trace: TraceWriter | None = None, show: Emit | None = None) -> Solved:
    """Answer one question. The trace gets an event before the screen does, so that what was seen is also kept."""
    headers, emit = _listener(trace, show)
    loaded, names = run.loaded, names_of(run.loaded)
    result = solve(question, loaded.engine, loaded.scorer, run.policy, seed=run.seed, emit=emit, names=names)
    return Solved(headers[0], result, None if trace is None else trace.path)


async def arun_one(run: Run, question: str, *, trace: TraceWriter | None = None, show: Emit | None = None) -> Solved:
    """``run_one`` beside a running event loop."""
    headers, emit = _listener(trace, show)
    loaded, names = run.loaded, names_of(run.loaded)
    result = await asolve(question, loaded.engine, loaded.scorer, run.policy, seed=run.seed, emit=emit, names=names)
    return Solved(headers[0], result, None if trace is None else trace.path)


def _listener(*sinks: Emit | None) -> tuple[list[Header], Emit]:
    """A function that tells all sinks, and the list in which it keeps the header."""
    headers: list[Header] = []

    def emit(event: Event) -> None:
        if isinstance(event, Header):
            headers.append(event)
        for sink in sinks:
            if sink is not None:
                sink(event)

    return headers, emit


def names_of(loaded: Loaded) -> Names:
    """What the trace's header says about the model."""
    return Names(loaded.model, loaded.estimator, loaded.engine.name, dict(loaded.hashes), _versions() | loaded.facts)


@cache
def _versions() -> dict[str, str]:
    """Looked up once a process: it takes as long as a paragraph of a small model."""
    versions = {"python": platform.python_version()}
    for package in RECORDED_PACKAGES:
        with suppress(PackageNotFoundError):
            versions[package] = version(package)
    return versions


def open_trace(stack: ExitStack, path: Path | None, question: str | None = None) -> TraceWriter | None:
    """The trace's writer, opened before any work is done: a path that cannot be written should cost nothing. With a
    ``question``, no other one's trace is replaced."""
    return None if path is None else stack.enter_context(TraceWriter(path, question))


def trace_paths(folder: Path | None, count: int) -> list[Path | None]:
    """One trace a question, numbered in the order of the input; the folder is made where it does not exist."""
    if folder is None:
        return [None] * count
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as e:
        raise Failure(f"cannot write traces into {folder}: {e.strerror}; name another folder for --trace") from None
    digits = max(4, len(str(count)))
    return [folder / f"{i:0{digits}}.jsonl" for i in range(1, count + 1)]


def check_traces(paths: Sequence[Path | None], asked: Sequence[Asked]) -> None:
    """UsageError where a trace would take the place of something else, which is told now and not when its turn comes. A warning
    tells of traces of other runs that will lie beside them."""
    for path, question in zip(paths, asked, strict=True):
        if path is not None and (other := other_than_trace(path, question.text)):
            raise UsageError(f"{path} holds {other}: name another folder for --trace, or remove it")
    folder = next((path.parent for path in paths if path is not None), None)
    more = [] if folder is None else sorted(set(folder.glob("*.jsonl")) - set(paths))
    if more:
        others = f" and {len(more) - 1} more" if len(more) > 1 else ""
        screen.warn(
            f"{folder} holds {more[0].name}{others} of another run, and they stay: replay of the folder counts them too"
        )
