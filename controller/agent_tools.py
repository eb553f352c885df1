"""What an agent gets over the Model Context Protocol: answers that come with a confidence or not at all, and the confidence in
an answer that it already has."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from anyio import CapacityLimiter, to_thread
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations
from pydantic import Field

from controller.about import PACKAGE, package_version
from controller.assemble import Run
from controller.errors import MESSAGE_LIMIT, code_of, described
from controller.questions import check_answer, check_question
from controller.reports import ScoreReport, SolveReport
from controller.runs import arun_one, open_trace
from controller.safe import one_line
from controller.scoring import score_answer
from controller.settings import SEEDS
from graphs.events import DecisionEvent, Emit, Event

if TYPE_CHECKING:
    from estimator.loading import Loaded

INSTRUCTIONS = """\
A reasoning model that knows how likely it is to be right. `solve` answers a question or abstains: an answer that it gives out
comes with the chance that it is right; where the outcome is not "answered" there is none, and guessing one would be a guess.
`score` reads that chance off an answer that you already have, paragraph by paragraph: the chance that this model ends it with
the right result. What it would never write itself scores low, right or not."""
ONLY_READS = ToolAnnotations(read_only_hint=True, open_world_hint=False)

Question = Annotated[str, Field(description="One question with one right answer, in full.")]
Seed = Annotated[int, Field(ge=SEEDS.start, lt=SEEDS.stop, description="Another seed samples another answer.")]


def build_server(run: Run, *, at_once: int, traces: Path | None) -> MCPServer:
    """A server with the tools ``solve`` and ``score``. ``at_once`` calls run at the same time, on a model in this process one;
    ``traces`` is the folder where every answer is recorded, numbered on from what is there."""
    server = MCPServer(PACKAGE, instructions=INSTRUCTIONS, version=package_version(), log_level="WARNING")
    turns = CapacityLimiter(at_once if run.loaded.fork is not None else 1)
    paths = _unused(traces)

    @server.tool(annotations=ONLY_READS)
    async def solve(question: Question, context: Context, seed: Seed = run.seed) -> SolveReport:
        """Answer a question or, where the model's confidence in its own answer is too low, abstain."""
        async with turns:
            with _known_failures(), ExitStack() as stack:
                asked = check_question(question)
                writer = open_trace(stack, None if paths is None else next(paths))
                own = replace(run, loaded=_own(run.loaded), seed=seed)
                return (await arun_one(own, asked, trace=writer, show=_telling(context))).report()

    @server.tool(annotations=ONLY_READS)
    async def score(
        question: Question,
        answer: Annotated[str, Field(description="The answer so far; paragraphs end at blank lines.")],
        partial: Annotated[bool, Field(description="The answer is not finished: read it up to here.")] = False,
    ) -> ScoreReport:
        """Read the chance, paragraph by paragraph, that this model ends a given answer with the right result."""
        async with turns:
            with _known_failures():
                asked, given, loaded = check_question(question), check_answer(answer), _own(run.loaded)
                scored = await to_thread.run_sync(lambda: score_answer(loaded, asked, given, finished=not partial))
                return scored.report(loaded)

    return server


def _own(loaded: Loaded) -> Loaded:
    """A connection of this call's own, where the model is on a server."""
    return loaded if loaded.fork is None else loaded.fork()


def _unused(folder: Path | None) -> Iterator[Path] | None:
    """Paths of traces that are not there yet."""
    if folder is None:
        return None
    numbers = [int(p.stem) for p in folder.glob("*.jsonl") if p.stem.isdecimal()]
    return (folder / f"{i:04}.jsonl" for i in count(max(numbers, default=0) + 1))


def _telling(context: Context) -> Emit:
    """Tells the caller of every decision; nothing that a model wrote is in it. Events come from the engine's threads."""
    loop, decided = asyncio.get_running_loop(), count(1)

    def tell(event: Event) -> None:
        if isinstance(event, DecisionEvent):
            place = "question" if event.index < 0 else f"paragraph {event.index + 1}"
            message = f"{place}: confidence {event.scores[-1]:.2f}, {event.action}"
            asyncio.run_coroutine_threadsafe(context.report_progress(next(decided), None, message), loop)

    return tell


@contextmanager
def _known_failures() -> Iterator[None]:
    """A known failure is told to the caller in one line; a bug stays loud here and is told as such there."""
    try:
        yield
    except (ValueError, RuntimeError, OSError) as error:
        if code_of(error) is None:
            raise
        raise ToolError(one_line(described(error), MESSAGE_LIMIT)) from None
