"""What an agent gets over the Model Context Protocol: answers that come with a confidence or not at all, and the confidence in
an answer that it already has."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.tools import Tool
from mcp_types import ToolAnnotations
from pydantic import ConfigDict, Field

from controller.about import PACKAGE, package_version
from controller.assemble import Run
from controller.errors import MESSAGE_LIMIT, code_of, described
from controller.questions import check_answer, check_question
from controller.reports import ScoreReport, SolveReport
from controller.runs import Stopped, open_trace, run_one, stopped_by
from controller.safe import one_line
from controller.scoring import score_answer
from graphs.events import DecisionEvent, Emit, Event, OpinionsEvent

if TYPE_CHECKING:
    from estimator.loading import Loaded

Result = TypeVar("Result")
INSTRUCTIONS = """\
A reasoning model that knows how likely it is to be right. `solve` answers a question or abstains: an answer that it gives out
comes with the chance that it is right; where the outcome is not "answered" there is none, and what was written stays back.
`score` reads that chance off an answer that you already have, paragraph by paragraph: the chance that this model ends it with
the right result. What it would never write itself scores low, right or not."""
SEED_LIMIT = 2**53  # beyond it, not every program that writes JSON keeps a number as it is

Question = Annotated[str, Field(description="One question with one right answer, in full.")]
Seed = Annotated[int, Field(ge=0, lt=SEED_LIMIT, description="Another seed samples another answer.")]


class Calls:
    """The work of the tools, each call in a thread, ``at_once`` at the same time. A call that is given up ends at its next
    event, and its thread takes the next one then."""

    def __init__(self, run: Run, at_once: int) -> None:
        self.run = run
        self._threads = ThreadPoolExecutor(at_once, "call")
        self._under_way: set[threading.Event] = set()

    async def do(self, work: Callable[[Loaded, threading.Event], Result]) -> Result:
        """What ``work`` makes with a twin of the model and the event that says when to stop. A known failure is told to the
        caller in one line; a bug stays loud here and is told as such there."""
        ending = threading.Event()
        self._under_way.add(ending)
        try:
            with _known_failures():
                call = self._threads.submit(lambda: work(self.run.loaded.twin(), ending))
                return await asyncio.wrap_future(call)
        except asyncio.CancelledError:
            ending.set()
            raise
        except Stopped:
            raise ToolError("it was ended before it had an answer") from None
        finally:
            self._under_way.discard(ending)

    def close(self) -> None:
        """Stop what is under way, a request to a server too, and wait until its traces say so."""
        for ending in list(self._under_way):
            ending.set()
        if self.run.loaded.close is not None:
            self.run.loaded.close()
        self._threads.shutdown(cancel_futures=True)


def build_server(calls: Calls, traces: Path | None) -> MCPServer:
    """A server with the tools ``solve`` and ``score``; ``traces`` is the folder where every answer is recorded, under the next
    number that is free."""
    run, numbers = calls.run, count(1)

    async def solve(question: Question, context: Context, seed: Seed = run.seed) -> SolveReport:
        """Answer a question or, where the model's confidence in its own answer is too low, abstain."""
        tell = _telling(context)

        def work(loaded: Loaded, ending: threading.Event) -> SolveReport:
            watch = stopped_by(ending)

            def show(event: Event) -> None:
                watch(event)
                tell(event)

            with ExitStack() as stack:
                asked = check_question(question)
                writer = open_trace(stack, None if traces is None else _unused(traces, numbers))
                return run_one(replace(run, loaded=loaded, seed=seed), asked, trace=writer, show=show).report()

        return _given_out(await calls.do(work))

    async def score(
        question: Question,
        answer: Annotated[str, Field(description="The answer; paragraphs end at blank lines.")],
        partial: Annotated[bool, Field(description="The answer is not finished: read it up to here.")] = False,
    ) -> ScoreReport:
        """Read the chance, paragraph by paragraph, that this model ends a given answer with the right result. Unless it is
        partial, an answer that states no result is wrong."""

        def work(loaded: Loaded, _: threading.Event) -> ScoreReport:
            asked, given = check_question(question), check_answer(answer)
            return score_answer(loaded, asked, given, finished=not partial).report(loaded)

        return await calls.do(work)

    tools = [_tool(solve, reads_only=traces is None), _tool(score, reads_only=True)]
    return MCPServer(PACKAGE, tools=tools, instructions=INSTRUCTIONS, version=package_version(), log_level="WARNING")


def _tool(function: Callable[..., Any], *, reads_only: bool) -> Tool:
    """A tool that refuses arguments which it does not know: one that is misspelt would be left out without a word."""
    made = Tool.from_function(function, annotations=ToolAnnotations(read_only_hint=reads_only, open_world_hint=False))
    known = made.fn_metadata.arg_model
    strict = type(known.__name__, (known,), {"model_config": ConfigDict(extra="forbid"), "__module__": known.__module__})
    metadata = made.fn_metadata.model_copy(update={"arg_model": strict})
    return made.model_copy(update={"fn_metadata": metadata, "parameters": strict.model_json_schema(by_alias=True)})


def _given_out(report: SolveReport) -> SolveReport:
    """A model that reads what was held back would take it for the answer: it stays in the trace."""
    return report if report["outcome"] == "answered" else {**report, "paragraphs": []}


def _unused(folder: Path, numbers: Iterator[int]) -> Path:
    """An empty file of the next number that nobody has, not even another server that records there."""
    while True:
        path = folder.resolve() / f"{next(numbers):04}.jsonl"
        try:
            path.touch(exist_ok=False)
        except FileExistsError:
            continue
        return path


def _telling(context: Context) -> Emit:
    """Tells the caller of every decision and of what fresh answers made of an answer; nothing that a model wrote is in it.
    Events come from the engine's threads."""
    loop, decided = asyncio.get_running_loop(), count(1)

    def tell(event: Event) -> None:
        if message := _progress(event):
            asyncio.run_coroutine_threadsafe(context.report_progress(next(decided), None, message), loop)

    return tell


def _progress(event: Event) -> str | None:
    if isinstance(event, DecisionEvent):
        place = "question" if event.index < 0 else f"paragraph {event.index + 1}"
        return f"{place}: confidence {event.scores[-1]:.2f}, {event.action}"
    if isinstance(event, OpinionsEvent):
        agreeing = f"{sum(o.agrees for o in event.others)} of {len(event.others)} fresh answers agree"
        return agreeing + (", a surer one takes its place" if event.kept else "")
    return None


@contextmanager
def _known_failures() -> Iterator[None]:
    try:
        yield
    except (ValueError, RuntimeError, OSError) as error:
        if code_of(error) is None:
            raise
        raise ToolError(one_line(described(error), MESSAGE_LIMIT)) from None
