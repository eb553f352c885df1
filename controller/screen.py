"""Consoles: results on stdout, progress on stderr. Rich honours NO_COLOR, and drops all control codes in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from rich.console import Console

from controller.errors import say
from controller.safe import json_line
from controller.theme import UNICODE, symbols_for

SHOWN_WIDTH = 100


def output() -> Console:
    """For views on stdout."""
    return _console(sys.stdout)


def progress() -> Console:
    """For progress on stderr."""
    return _console(sys.stderr)


def print_json(value: object, stream: IO[str] | None = None) -> None:
    """One object on one line; plain ASCII where the stream's encoding has no more."""
    stream = stream or sys.stdout
    encoding = getattr(stream, "encoding", None) or "utf-8"
    print(json_line(value, ascii_only=not encoding.lower().startswith("utf")), file=stream, flush=True)


def _console(file: IO[str], **options: Any) -> Console:
    # Markup, emoji codes and highlighting are off: text from outside is data.
    return Console(file=file, markup=False, emoji=False, highlight=False, **options)


def recorder(width: int = SHOWN_WIDTH, file: IO[str] | None = None) -> Console:
    """A console that keeps what it was given, for export as a picture."""
    return _console(file or sys.stdout, record=True, width=width, force_terminal=True, color_system="truecolor")


def can_animate(console: Console) -> bool:
    """Whether something may be drawn over: a real terminal, not a pipe that was only told to be colourful."""
    return console.file.isatty() and console.is_terminal and not console.is_dumb_terminal


@contextmanager
def waiting(message: str) -> Iterator[None]:
    """A spinner on stderr while something takes its time; nothing where stderr is no terminal."""
    console = progress()
    if not can_animate(console):
        yield
        return
    with console.status(message, spinner="dots" if symbols_for(console) is UNICODE else "line"):
        yield


def warn(message: str) -> None:
    """A line on stderr that is no error."""
    say(f"warning: {message}")
