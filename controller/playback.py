"""A trace played again: the view of the run from its record alone. No model is loaded and nothing is computed."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from controller import render, screen
from controller.reports import solve_report
from controller.safe import one_line
from controller.view import View
from graphs.policy import Policy
from graphs.trace import DecisionEvent, Event, ResultEvent, Trace

CUT_OFF = "the trace breaks off here: the run was cut off before its end"
_SVG_FONTS = "@font-face"


@dataclass(frozen=True)
class Pace:
    """How fast events follow each other: ``speed`` 1 is as it was, None is all at once; ``step`` asks after each."""

    speed: float | None = None
    step: Callable[[], None] | None = None

    def wait(self, event: Event) -> None:
        """Wait as long as the event took."""
        if self.speed is not None:
            time.sleep(getattr(event, "seconds", 0.0) / self.speed)


def play(trace: Trace, view: View, pace: Pace | None = None) -> None:
    """Feed the view with the recorded events."""
    pace = pace or Pace()
    with view:
        view(trace.header)
        for event in trace.events:
            if not isinstance(event, ResultEvent):
                pace.wait(event)
            view(event)
            if pace.step is not None and isinstance(event, DecisionEvent):
                view.pause()
                pace.step()
        if not trace.complete:
            view.print(render.notice(CUT_OFF))


def decisions(trace: Trace) -> Iterator[DecisionEvent]:
    """The recorded decisions, in order."""
    return (e for e in trace.events if isinstance(e, DecisionEvent))


def picture(trace: Trace, alternatives: Mapping[int, Any], width: int) -> Console:
    """The whole view on a recording console, for ``export_svg`` and ``export_html``."""
    console = screen.recorder(width, io.StringIO())
    play(trace, View(console, alternatives=alternatives, spinner=False))
    return console


def svg(trace: Trace, alternatives: Mapping[int, Any], width: int) -> str:
    """The view as an SVG picture that fetches nothing from elsewhere."""
    text = picture(trace, alternatives, width).export_svg(title=one_line(trace.header.question, 60))
    return _without_web_fonts(text)


def html(trace: Trace, alternatives: Mapping[int, Any], width: int) -> str:
    """The view as a web page of its own."""
    return picture(trace, alternatives, width).export_html()


def report(trace: Trace, alternatives: Mapping[int, Any] | None, policy: Policy | None) -> dict[str, Any]:
    """The object of ``replay --json``: the run as ``solve --json`` tells it (None where it did not get that far),
    whether the trace is complete, the decisions and, with another policy, what that one would have decided."""
    rows = [
        {"index": d.index, "action": d.action, "reason": d.reason, "score": d.scores[-1] if d.scores else None}
        for d in decisions(trace)
    ]
    for i, row in enumerate(rows):
        other = (alternatives or {}).get(i)
        if policy is not None:
            row["what_if"] = None if other is None else {"action": str(other.action), "reason": other.reason}
    result = trace.result
    return {
        "complete": trace.complete,
        "result": None if result is None else solve_report(trace.header, result, None),
        "header": trace.header.model_dump(exclude={"event"}),
        "decisions": rows,
        "what_if_policy": None if policy is None else policy.model_dump(),
    }


def _without_web_fonts(text: str) -> str:
    """Rich's template names fonts at a web address; a picture of a private question should not call anybody."""
    while (start := text.find(_SVG_FONTS)) >= 0:
        text = text[:start] + text[text.index("}", start) + 1 :]
    return text
