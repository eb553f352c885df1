"""The reasoning machine as a node of another LangGraph app: what it is sure of is answered, the rest is asked of a person.

Run it with ``python examples/agent.py "What is the capital of France?"``.
"""

from __future__ import annotations

import sys
from typing import Any, TypedDict

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, interrupt

from controller import build_graph, default_policy, load


class Desk(TypedDict):
    """``question`` goes into the machine and ``result`` comes out of it: it shares these two keys with its host."""

    question: str
    result: dict[str, Any]
    reply: str


def build_desk() -> Any:
    """A help desk. A run that waits for a person lies in the checkpointer, and goes on whenever the reply comes."""
    loaded = load()
    desk = StateGraph(Desk)
    desk.add_node("solve", build_graph(loaded.engine, loaded.scorer, default_policy(loaded)).compile())
    desk.add_node("answer", answer)
    desk.add_node("ask a person", ask)
    desk.add_edge(START, "solve")
    desk.add_conditional_edges("solve", lambda state: "answer" if state["result"]["outcome"] == "answered" else "ask a person")
    desk.add_edge("answer", END)
    desk.add_edge("ask a person", END)
    return desk.compile(checkpointer=InMemorySaver())


def answer(state: Desk) -> dict[str, str]:
    result = state["result"]
    return {"reply": f"{result['answer']} (confidence {result['confidence']:.2f})"}


def ask(state: Desk) -> dict[str, str]:
    """What the machine wrote is not shown: it does not trust it."""
    return {"reply": interrupt({"question": state["question"], "why": state["result"]["reason"]})}


def main() -> None:
    desk, run = build_desk(), RunnableConfig(configurable={"thread_id": "1"})
    state = desk.invoke({"question": " ".join(sys.argv[1:]) or "What is the capital of France?"}, run)
    while waiting := state.get("__interrupt__"):
        told = waiting[0].value
        reply = input(f"{told['question']} (not answered: {told['why']})\nYour reply: ")
        state = desk.invoke(Command(resume=reply), run)
    print(state["reply"])


if __name__ == "__main__":
    main()
