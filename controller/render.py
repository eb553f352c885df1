"""Pure functions from the records of a run to what is shown. All text from outside goes through ``safe`` first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from controller.safe import visible
from controller.theme import ACCENT, UNICODE, Levels, Symbols, bar_width
from graphs.events import Header, LookaheadEvent, OpinionsEvent, ResultEvent, RevisionEvent, SegmentEvent
from graphs.what_if import WhatIf

INDENT = 3
QUESTION_TITLE = "the question itself"
PURPOSES = {"answer": "answer", "revised": "revised", "lookahead": "look-ahead and fresh answers", "scoring": "scoring"}


class Interval(Protocol):
    """A value with its interval: ``estimator.types.Confidence`` or ``graphs.events.Score``."""

    @property
    def value(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Look:
    """How to draw: the width of the screen, the symbols it can show and where colours change."""

    width: int = 80
    symbols: Symbols = UNICODE
    levels: Levels = Levels()


def bar(score: Interval, look: Look) -> Text:
    """The confidence as a bar: solid up to the low end of the 80 % interval, lighter up to the value, lightest up to
    the high end."""
    cells, s, colour = bar_width(look.width), look.symbols, look.levels.colour(score.value)
    low, value, high = (round(x * cells) for x in (score.low, score.value, score.high))
    text = Text().append(s.sure * low + s.value * (value - low), style=colour)
    text.append(s.maybe * (high - value), style=f"{colour} dim")
    text.append(s.empty * (cells - high), style="dim")
    return text


def confidence(score: Interval, look: Look, lookahead: LookaheadEvent | None = None) -> Text:
    """Bar, value, interval and, where it was looked ahead, what that made of the value."""
    s = look.symbols
    text = bar(score, look).append(f" {score.value:.2f}", style=f"bold {look.levels.colour(score.value)}")
    text.append(f"  {score.low:.2f}{s.dash}{score.high:.2f}", style="dim")
    if lookahead is not None:
        text.append(f"  {s.arrow} ", style="dim")
        text.append(f"{lookahead.adjusted:.2f}", style=f"bold {look.levels.colour(lookahead.adjusted)}")
        text.append(f" looking ahead ({_counted(_leaves(lookahead), 'branch', 'branches')})", style="dim")
    return text


def question(header: Header, look: Look) -> RenderableType:
    """The question, and what will answer it."""
    source = f"{header.model} {look.symbols.separator} {header.estimator} {look.symbols.separator} seed {header.seed}"
    return Group(Text(visible(header.question).strip(), style="bold"), Text(visible(source), style="dim"))


def paragraph(number: int, text: str, note: str = "") -> RenderableType:
    """A numbered paragraph; ``note`` says why it differs from a first try."""
    body = Text(visible(text).strip() or "(nothing)")
    if note:
        body.append(f"  {note}", style=f"italic {ACCENT}")
    return _numbered(Text(str(number), style=f"bold {ACCENT}"), body)


def segment_note(event: SegmentEvent) -> str:
    """What is special about a segment, in a few words."""
    notes = ["written again"] if event.purpose == "revision" else []
    notes += ["a fresh answer"] if event.purpose == "opinion" else ["from the look-ahead"] if event.reused else []
    notes += ["cut off at the token limit"] if event.stop == "length" else []
    return f"({', '.join(notes)})" if notes else ""


def reading(score: Interval, look: Look, lookahead: LookaheadEvent | None = None, title: str = "") -> RenderableType:
    """The confidence under a paragraph; with a title where no paragraph stands above."""
    line = confidence(score, look, lookahead)
    return _indented(Text(title, style="dim"), line) if title else _indented(line)


def decided(action: str, reason: str, look: Look) -> RenderableType:
    """The action and its reason in one dim line."""
    text = Text().append(f"{look.symbols.of_action(action)} ", style="dim")
    text.append(action, style="dim" if action == "continue" else "bold")
    return _indented(text.append(f"  {visible(reason)}", style="dim"))


def alternative(other: WhatIf, look: Look) -> RenderableType:
    """What another policy would have done at the same place."""
    same = other.action == other.recorded and other.outcome is None
    text = Text().append(f"{look.symbols.otherwise} what if  ", style=ACCENT)
    return _indented(text.append(visible(other.text), style="dim" if same else f"bold {ACCENT}"))


def revision(event: RevisionEvent, look: Look) -> RenderableType:
    """Two branches were compared: the two values, and the loser's paragraphs struck through."""
    s = look.symbols
    better, worse = ("new", "first") if event.kept == "new" else ("first", "new")
    scores = f"{event.kept_score:.2f} against {event.rejected_score:.2f}"
    outcome = f"{s.revise} the {better} version is kept, the {worse} one rejected: {scores}"
    lines: list[RenderableType] = [Text(outcome, style="dim")]
    for i, text in enumerate(event.rejected):
        line = Text(f"{s.rejected} {event.cut + i + 1} ", style="dim", no_wrap=True, overflow="ellipsis")
        lines.append(line.append(" ".join(visible(text).split()), style="strike"))
    return _indented(*lines)


def opinions(event: OpinionsEvent, look: Look) -> RenderableType:
    """How many fresh answers agree, what each says, and what that made of the confidence."""
    s, agreeing = look.symbols, sum(o.agrees for o in event.others)
    asked = _counted(len(event.others), "fresh answer agrees", "fresh answers agree")
    line = Text(f"{agreeing} of {asked}  {s.arrow} ", style="dim")
    line.append(f"{event.weighed:.2f}", style=f"bold {look.levels.colour(event.weighed)}")
    lines: list[RenderableType] = [line]
    for i, other in enumerate(event.others, start=1):
        nothing = "says nothing" if other.finished else "cut off"
        said = nothing if other.answer is None else " ".join(visible(other.answer).split())
        mark = s.finish if i == event.kept else s.separator
        text = Text(f"{mark} {said}", style="bold" if i == event.kept else "dim", no_wrap=True, overflow="ellipsis")
        text.append(f"  {other.weighed:.2f}", style="dim")
        lines.append(text.append("  surer, so taken instead", style=f"italic {ACCENT}") if i == event.kept else text)
    return _indented(*lines)


def result(event: ResultEvent, look: Look) -> RenderableType:
    """How it ended: the answer with its confidence, why, and what it cost."""
    s = look.symbols
    head = _outcome(event, look)
    if event.confidence is not None:
        head.append("  confidence ", style="dim")
        head.append(f"{event.confidence:.2f}", style=f"bold {look.levels.colour(event.confidence)}")
    tokens = f" {s.separator} ".join(f"{label} {event.tokens.get(p, 0):,}" for p, label in PURPOSES.items())
    seconds = f"{event.seconds.get('total', 0):.1f} s (" + ", ".join(
        f"{name} {event.seconds.get(name, 0):.1f}" for name in ("generate", "score")
    )
    cost = Text(f"tokens: {tokens}", style="dim")
    return Group(head, Text(visible(event.reason), style="dim"), cost, Text(f"time: {seconds})", style="dim"))


def notice(text: str) -> Text:
    """A remark about the run itself."""
    return Text(visible(text), style=f"italic {ACCENT}")


def scored_answer(asked: str, rows: Sequence[tuple[str, Interval]], start: Interval, look: Look) -> RenderableType:
    """The view of ``controller score``: the question and each paragraph of the given answer with its confidence."""
    title = reading(start, look, title=QUESTION_TITLE)
    parts: list[RenderableType] = [Text(visible(asked).strip(), style="bold"), title, Text()]
    for i, (text, score) in enumerate(rows, start=1):
        parts += [paragraph(i, text), reading(score, look), Text()]
    return Group(*parts[:-1])


def _outcome(event: ResultEvent, look: Look) -> Text:
    s, words = look.symbols, {"answered": "answer", "abstained": "abstained", "budget_spent": "budget spent"}
    symbol = s.finish if event.outcome == "answered" else s.abstain
    style = "bold" if event.confidence is None else f"bold {look.levels.colour(event.confidence)}"
    text = Text().append(f"{symbol} {words[event.outcome]}", style=style)
    if event.answer is not None:
        text.append("  ").append(visible(event.answer), style="bold")
    return text


def _indented(*parts: RenderableType) -> RenderableType:
    return Group(*(Padding(part, (0, 0, 0, INDENT), expand=False) for part in parts))


def _numbered(label: Text, body: Text) -> RenderableType:
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(min_width=INDENT - 1, no_wrap=True, justify="right")
    grid.add_column()
    grid.add_row(label, body)
    return grid


def _leaves(event: LookaheadEvent) -> int:
    def count(branch) -> int:
        return sum(map(count, branch.children)) if branch.children else 1

    return sum(map(count, event.branches))


def _counted(n: int, one: str, many: str) -> str:
    return f"{n} {one if n == 1 else many}"
