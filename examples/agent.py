"""The reasoning machine as a step of another LangGraph app: answer where it is sure, hand over where it is not.

Run it with ``python examples/agent.py "What is the capital of France?"``.
"""

from __future__ import annotations

import sys
from typing import Any, NotRequired, TypedDict

from langgraph.graph import END, START, StateGraph

from controller import build_graph, default_policy, load


class Desk(TypedDict):
    question: str
    reply: NotRequired[str]


def build_desk() -> Any:
    """A help desk: the machine answers what it trusts itself with, and the rest goes to a person."""
    loaded = load()
    solver = build_graph(loaded.engine, loaded.scorer, default_policy(loaded)).compile()

    def answer(state: Desk) -> dict[str, str]:
        result = solver.invoke({"question": state["question"]})["result"]
        if result["outcome"] == "answered":
            return {"reply": f"{result['answer']} (confidence {result['confidence']:.2f})"}
        return {"reply": f"Handed over to a person: {result['reason']}."}

    desk = StateGraph(Desk)
    desk.add_node("answer", answer)
    desk.add_edge(START, "answer")
    desk.add_edge("answer", END)
    return desk.compile()


if __name__ == "__main__":
    print(build_desk().invoke({"question": " ".join(sys.argv[1:]) or "What is the capital of France?"})["reply"])
