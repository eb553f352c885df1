"""The view of a run: fed with events, it prints each part as soon as it is known. Solve and replay use the same one.

It only ever appends, so that what scrolled away is right, and so that a pipe gets the same text as a terminal.
"""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console, RenderableType
from rich.status import Status

from controller import render, screen
from controller.render import Look
from controller.theme import UNICODE, Levels, symbols_for
from graphs.events import (
    DecisionEvent,
    Event,
    Header,
    InterruptedEvent,
    LookaheadEvent,
    OpinionsEvent,
    QuestionEvent,
    ResultEvent,
    RevisionEvent,
    Score,
    ScoreEvent,
    SegmentEvent,
)
from graphs.what_if import WhatIf

WAITING = {
    "header": "reading the question",
    "segment": "reading its confidence",
    "lookahead": "deciding",
    "opinions": "deciding",
    "revision": "deciding",
}
QUESTION_INDEX = -1


class View:
    """``view(event)`` shows an event; use it as a context manager, so that the spinner is gone whatever happens.

    ``alternatives`` maps the ordinal of a decision (0 is the first) to what another policy would have done there.
    """

    def __init__(self, console: Console, *, alternatives: Mapping[int, WhatIf] | None = None, spinner: bool = True) -> None:
        self.console, self.alternatives = console, alternatives or {}
        self.look = Look(console.width, symbols_for(console))
        self.status: Status | None = None
        self.spinner = spinner and screen.can_animate(console)
        self.looks_ahead = False
        self.num_decisions = 0
        self._score: Score | None = None
        self._lookahead: LookaheadEvent | None = None
        self._revision: RevisionEvent | None = None

    def __enter__(self) -> View:
        return self

    def __exit__(self, *_: object) -> None:
        self.pause()

    def pause(self) -> None:
        """Take the spinner away until the next event."""
        self._wait(None)

    def __call__(self, event: Event) -> None:
        match event:
            case Header():
                self._begin(event)
            case QuestionEvent() | ScoreEvent():
                self._score = event.score
            case SegmentEvent():
                self._flush(None)
                self.print(render.paragraph(event.index + 1, event.text, render.segment_note(event)))
            case LookaheadEvent():
                self._lookahead = event
            case OpinionsEvent():
                self.print(render.opinions(event, self.look), gap=True)
            case DecisionEvent():
                self._flush(event)
            case RevisionEvent():
                self._revision = event
            case ResultEvent():
                self._flush(None)
                self._rule()
                self.print(render.result(event, self.look))
            case InterruptedEvent():
                self._flush(None)
                self.print(render.notice(event.reason if event.reason == "interrupted" else f"stopped: {event.reason}"))
        self._wait(self._next_step(event))

    def print(self, part: RenderableType, *, gap: bool = False) -> None:
        """Print a part above the spinner; ``gap`` leaves a blank line behind it."""
        self.console.print(part)
        if gap:
            self.console.print()

    def _begin(self, header: Header) -> None:
        self.look = Look(self.console.width, self.look.symbols, Levels.of(header.policy))
        self.looks_ahead = bool(header.policy.get("depth", 0))
        self.print(render.question(header, self.look), gap=True)

    def _flush(self, event: DecisionEvent | None) -> None:
        """Print the reading that waits for its decision, together with it."""
        score, lookahead, revision = self._score, self._lookahead, self._revision
        self._score = self._lookahead = self._revision = None
        if score is None and event is None:
            return
        title = render.QUESTION_TITLE if event is not None and event.index == QUESTION_INDEX else ""
        if score is not None:
            self.print(render.reading(score, self.look, lookahead, title))
        if revision is not None:
            self.print(render.revision(revision, self.look))
        if event is not None:
            self.print(render.decided(event.action, event.reason, self.look))
        if event is not None:
            self._what_if()
        self.console.print()

    def _what_if(self) -> None:
        other = self.alternatives.get(self.num_decisions)
        self.num_decisions += 1
        if other is not None:
            self.print(render.alternative(other, self.look))

    def _rule(self) -> None:
        self.console.rule(style="dim", characters="─" if self.look.symbols is UNICODE else "-")

    def _next_step(self, event: Event) -> str | None:
        if isinstance(event, DecisionEvent):
            return {"continue": "writing", "revise": "writing it again", "consult": "hearing fresh answers"}.get(event.action)
        if isinstance(event, ScoreEvent | QuestionEvent):
            return "looking ahead" if self.looks_ahead else "deciding"
        return WAITING.get(event.event)

    def _wait(self, step: str | None) -> None:
        if not self.spinner:
            return
        if step is None:
            if self.status is not None:
                self.status.stop()
            self.status = None
        elif self.status is None:
            self.status = self.console.status(step, spinner="dots" if self.look.symbols is UNICODE else "line")
            self.status.start()
        else:
            self.status.update(step)
