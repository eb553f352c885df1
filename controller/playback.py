"""A trace played again: the view of the run from its record alone. No model is loaded and nothing is computed."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from controller import render, screen
from controller.reports import solve_report
from controller.safe import one_line
from controller.view import View
from graphs.events import DecisionEvent, Event
from graphs.policy import Policy
from graphs.trace import Trace
from graphs.what_if import WhatIf, what_if

MAX_PAUSE = 30.0  # seconds
CUT_OFF = "the trace breaks off here: the run was cut off before its end"


@dataclass(frozen=True)
class Pace:
    """How fast events follow each other: ``speed`` 1 is as it was, None is all at once; ``step`` asks after each."""

    speed: float | None = None
    step: Callable[[], None] | None = None

    def wait(self, event: Event) -> None:
        """Wait as long as the event took, but never longer than anybody would watch."""
        took = getattr(event, "seconds", 0.0)
        if self.speed is not None and isinstance(took, float):  # the result's seconds are a summary
            time.sleep(max(0.0, min(took / self.speed, MAX_PAUSE)))


def play(trace: Trace, view: View, pace: Pace | None = None) -> None:
    """Feed the view with the recorded events."""
    pace = pace or Pace()
    with view:
        view(trace.header)
        for event in trace.events:
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


def alternatives(trace: Trace, policy: Policy) -> dict[int, WhatIf]:
    """What another policy would have decided, by the ordinal of the recorded decision."""
    return dict(enumerate(what_if(trace, policy)))


def picture(trace: Trace, others: Mapping[int, WhatIf], width: int) -> Console:
    """The whole view on a recording console, for ``export_svg`` and ``export_html``."""
    console = screen.recorder(width, io.StringIO())
    play(trace, View(console, alternatives=others, spinner=False))
    return console


def svg(trace: Trace, others: Mapping[int, WhatIf], width: int) -> str:
    """The view as an SVG picture that fetches nothing from elsewhere."""
    text = picture(trace, others, width).export_svg(title=one_line(trace.header.question, 60))
    return _without_web_fonts(text)


def html(trace: Trace, others: Mapping[int, WhatIf], width: int) -> str:
    """The view as a web page of its own."""
    return picture(trace, others, width).export_html()


def report(trace: Trace, others: Mapping[int, WhatIf], policy: Policy | None) -> dict[str, Any]:
    """The object of ``replay --json``: the run as ``solve --json`` tells it (None where it did not get that far),
    whether the trace is complete, the decisions and, with another policy, what that one would have decided."""
    rows: list[dict[str, Any]] = []
    for i, event in enumerate(decisions(trace)):
        confidence = event.scores[-1] if event.scores else None
        row = {"index": event.index, "action": event.action, "reason": event.reason, "confidence": confidence}
        if policy is not None:
            row["what_if"] = _what_if(others.get(i))
        rows.append(row)
    result = trace.result
    return {
        "complete": trace.complete,
        "result": None if result is None else solve_report(trace.header, result, None),
        "header": trace.header.model_dump(exclude={"event"}),
        "decisions": rows,
        "what_if_policy": None if policy is None else policy.model_dump(),
    }


def _what_if(other: WhatIf | None) -> dict[str, Any] | None:
    """None behind the first decision that would have been another one."""
    if other is None:
        return None
    action = None if other.action is None else other.action.value
    values = {"action": action, "known": other.known, "text": other.text}
    return {**values, "outcome": other.outcome, "saved_tokens": other.saved_tokens}


def _without_web_fonts(text: str) -> str:
    """Rich's template names fonts at a web address; a picture of a private question should not call anybody. Only the style
    sheet is touched: behind it the run's own words may name a font as well."""
    style, end, rest = text.partition("</style>")
    return re.sub(r"@font-face\s*{[^}]*}", "", style) + end + rest
