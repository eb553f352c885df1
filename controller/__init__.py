"""The public Python API. Names are imported when they are first used, so that ``import controller`` costs nothing.

>>> import controller
>>> result = controller.solve("What do 4 pens at 3 dollars cost?", trace="run.jsonl")
>>> print(result.outcome, result.answer, result.confidence)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from controller.api import asolve, solve
    from controller.assemble import default_policy
    from estimator.loading import load
    from graphs.policy import Policy
    from graphs.reasoning import build_graph
    from graphs.trace import read_trace
    from graphs.what_if import what_if

__all__ = ["Policy", "asolve", "build_graph", "default_policy", "load", "read_trace", "solve", "what_if"]

_HOMES = {
    "Policy": "graphs.policy",
    "asolve": "controller.api",
    "build_graph": "graphs.reasoning",
    "default_policy": "controller.assemble",
    "load": "estimator.loading",
    "read_trace": "graphs.trace",
    "solve": "controller.api",
    "what_if": "graphs.what_if",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
