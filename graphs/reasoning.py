"""The reasoning machine as a LangGraph graph, and plain runners for it.

``build_graph`` gives the builder: a host compiles it with its own checkpointer, invokes it with ``{"question": text}``
and finds a ``ResultEvent`` as JSON under ``result``. ``solve`` and ``asolve`` do all that and keep the trace.
"""

from __future__ import annotations

import asyncio
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.config import get_stream_writer
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime

from estimator.engines.base import Engine, EngineError
from estimator.scorers.base import Scorer
from graphs.ahead import Ahead
from graphs.events import Emit, Event, Header, InterruptedEvent, ResultEvent
from graphs.instruments import Instruments
from graphs.nodes import Nodes
from graphs.policy import Action, Policy
from graphs.state import Ask, State, Update
from graphs.trace import fingerprint

NODES_A_STEP = 5  # revise, estimate, look_ahead, compare, decide
NODES_TO_CONSULT = 2  # consult, decide: once a run
Clock = Callable[[], float]
Graph = StateGraph[State, Any, Ask, State]


@dataclass(frozen=True, slots=True)
class Names:
    """What the trace's header says of a run besides its question, policy and seed. Never put a secret here."""

    model: str
    estimator: str
    engine: str
    hashes: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=lambda: {"python": platform.python_version()})


def build_graph(
    engine: Engine,
    scorer: Scorer,
    policy: Policy,
    *,
    seed: int = 0,
    emit: Emit | None = None,
    clock: Clock = time.monotonic,
) -> StateGraph[State, None, Ask, State]:
    """The graph, not compiled. Each event of the run goes to ``emit`` and, as JSON, to LangGraph's ``custom``
    stream."""
    nodes = Nodes(Instruments(engine, scorer, policy, seed, clock), _streamed(emit))
    return _wired(Graph(State, input_schema=Ask), lambda name: partial(nodes.step, name), policy.width > 0)


@cache
def _machine(looking_ahead: bool) -> CompiledStateGraph[State, Nodes, Ask, State]:
    """The graph, compiled once for all runs of this process: each hands its own nodes in as the run's context."""

    def of_context(name: str) -> Callable[..., Update]:
        def run(state: State, runtime: Runtime[Nodes]) -> Update:
            return runtime.context.step(name, state)

        return run

    return _wired(Graph(State, context_schema=Nodes, input_schema=Ask), of_context, looking_ahead).compile()


def _wired(graph: Graph, action: Callable[[str], Any], looking_ahead: bool) -> Graph:
    """The nodes, each doing what ``action`` gives for its name, and what follows what."""
    for name in ("read", "generate", "revise", "estimate", "compare", "decide", "consult", "abstain", "finish"):
        graph.add_node(name, action(name))
    graph.add_edge(START, "read")
    graph.add_edge("generate", "estimate")
    graph.add_edge("revise", "estimate")
    if looking_ahead:
        graph.add_node("look_ahead", action("look_ahead"))
        graph.add_edge("read", "look_ahead")
        graph.add_edge("estimate", "look_ahead")
        graph.add_conditional_edges("look_ahead", after_measuring, ["compare", "decide"])
    else:
        graph.add_edge("read", "decide")
        graph.add_conditional_edges("estimate", after_measuring, ["compare", "decide"])
    graph.add_edge("compare", "decide")
    graph.add_edge("consult", "decide")
    graph.add_conditional_edges("decide", after_deciding, ["generate", "revise", "consult", "abstain", "finish"])
    graph.add_edge("abstain", END)
    graph.add_edge("finish", END)
    return graph


def after_measuring(state: State) -> str:
    """A new branch that has been measured is compared with the one it was to replace."""
    return "decide" if state["rejected"] is None else "compare"


def after_deciding(state: State) -> str:
    assert state["decision"] is not None, "this is asked behind a decision"
    action = Action(state["decision"]["action"])
    return "generate" if action is Action.CONTINUE else action.value


def solve(
    question: str,
    engine: Engine,
    scorer: Scorer,
    policy: Policy,
    *,
    seed: int = 0,
    emit: Emit | None = None,
    names: Names | None = None,
    clock: Clock = time.monotonic,
) -> ResultEvent:
    """Answer one question and tell everything to ``emit``: the header first, the result last.

    When it is interrupted, or engine or scorer fail, the last event is an ``InterruptedEvent`` and the error goes on to
    the caller: a failed score is never a number.
    """
    with _begun(question, engine, scorer, policy, seed, emit or _nowhere, names, clock) as (machine, nodes):
        result = machine.invoke(Ask(question=question), _config(policy), context=nodes, output_keys="result")
    return ResultEvent.model_validate(result)


async def asolve(
    question: str,
    engine: Engine,
    scorer: Scorer,
    policy: Policy,
    *,
    seed: int = 0,
    emit: Emit | None = None,
    names: Names | None = None,
    clock: Clock = time.monotonic,
) -> ResultEvent:
    """``solve`` beside a running event loop: the engine works in a thread. Cancelling counts as an interruption."""
    with _begun(question, engine, scorer, policy, seed, emit or _nowhere, names, clock) as (machine, nodes):
        result = await machine.ainvoke(Ask(question=question), _config(policy), context=nodes, output_keys="result")
    return ResultEvent.model_validate(result)


@contextmanager
def _begun(
    question: str,
    engine: Engine,
    scorer: Scorer,
    policy: Policy,
    seed: int,
    emit: Emit,
    names: Names | None,
    clock: Clock,
) -> Iterator[tuple[CompiledStateGraph[State, Nodes, Ask, State], Nodes]]:
    """The machine and its nodes, with the header told, and inside whatever interrupts them; what was written in advance ends
    with the run. ValueError before anything is told where policy and scorer do not fit."""
    emit = _until_interrupted(emit)
    ahead = Ahead(None if policy.width else engine)  # what is looked ahead is what the answer goes on with
    nodes = Nodes(Instruments(engine, scorer, policy, seed, clock, ahead), emit)
    emit(_header(question, engine, scorer, policy, seed, names))
    with _interruptions_told(emit), closing(ahead):
        yield _machine(policy.width > 0), nodes


def _header(question: str, engine: Engine, scorer: Scorer, policy: Policy, seed: int, names: Names | None) -> Header:
    names = names or Names(model=engine.name, estimator=scorer.name, engine=type(engine).__name__)
    values = policy.model_dump()
    return Header(
        question=question,
        model=names.model,
        estimator=names.estimator,
        engine=names.engine,
        hashes={**names.hashes, "policy": fingerprint(values)},
        policy=values,
        seed=seed,
        versions=names.versions,
    )


def _config(policy: Policy) -> RunnableConfig:
    # Each round writes at least one token or takes one revision, so the policy itself ends the run before this limit
    # does.
    return RunnableConfig(recursion_limit=NODES_A_STEP * (policy.budget + policy.max_revisions + 2) + NODES_TO_CONSULT)


@contextmanager
def _interruptions_told(emit: Emit) -> Iterator[None]:
    try:
        yield
    except (KeyboardInterrupt, asyncio.CancelledError):
        emit(InterruptedEvent(reason="interrupted"))
        raise
    except EngineError as error:
        emit(InterruptedEvent(reason=str(error)))
        raise
    except Exception as error:  # a fault of this program or of a host's scorer: the trace is to end with it all the same
        emit(InterruptedEvent(reason=f"{type(error).__name__}: {error}"))
        raise


def _until_interrupted(emit: Emit) -> Emit:
    """The thread of a node outlives a run that is cancelled: what it still has to tell is dropped."""
    over = False

    def tell(event: Event) -> None:
        nonlocal over
        if not over:
            over = isinstance(event, InterruptedEvent)
            emit(event)

    return tell


def _streamed(emit: Emit | None) -> Emit:
    def tell(event: Event) -> None:
        if emit is not None:
            emit(event)
        get_stream_writer()(event.model_dump(mode="json"))

    return tell


def _nowhere(_: Event) -> None:
    pass
