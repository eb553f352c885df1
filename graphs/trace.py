"""The trace file: JSONL, a header line and then one event a line, append-only, each complete when written.

A trace that a crash cut off is readable up to its last whole line. Every line carries a running checksum over all
before it, so that an edited trace is noticed (by accident or carelessness: the checksum is no signature).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Any, NoReturn, Self

from pydantic import TypeAdapter, ValidationError

from graphs.events import SCHEMA_VERSION, Event, Header, InterruptedEvent, Record, ResultEvent
from graphs.validation import first_problem

_EVENTS: TypeAdapter[Event] = TypeAdapter(Event)
BEGINNING = b'{"event":"header"'
_CHAINED = re.compile(r'(?P<start>.*),"chain":"(?P<chain>[0-9a-f]{16})"\}', re.DOTALL)


class TraceError(ValueError):
    """The trace cannot be read or written; the message says where and why, in one line."""


class NoTraceError(TraceError):
    """What lies where a trace is to be written is something else, which is not replaced."""


class Trace(Record):
    """A trace as read: ``events`` are those after the header; ``complete`` is False when it was cut off before its
    result or interruption."""

    header: Header
    events: list[Event]
    complete: bool

    @property
    def result(self) -> ResultEvent | None:
        return next((e for e in self.events if isinstance(e, ResultEvent)), None)


class TraceWriter:
    """Appends events to a new trace at ``path``, flushed one by one; also usable as ``emit``.

    Opens the file at once, for itself alone; an old trace in it is replaced when the header comes. Raises ``TraceError`` if it
    cannot be written (``NoTraceError`` if it holds something else or, where a ``question`` is given, another one's trace), if
    the first event is no header, and for any event after the result or the interruption.
    """

    def __init__(self, path: str | Path, question: str | None = None) -> None:
        self.path = Path(path)
        self._chain, self._ended = "", False
        with ExitStack() as opened:
            try:
                self._file = opened.enter_context(self.path.open("a", encoding="utf-8", newline="\n"))
                if not claim(self._file):
                    raise TraceError(f"another run is writing {path}: wait for it, or name another file")
                if other := other_than_trace(self.path, question):
                    raise NoTraceError(f"{path} holds {other}: name another file")
            except OSError as error:
                raise _unwritten(self.path, error) from error
            opened.pop_all()

    def append(self, event: Event) -> None:
        if self._ended or self._file.closed:
            raise TraceError(f"{self.path}: the trace has ended, no {event.event} can follow")
        if (self._chain == "") != isinstance(event, Header):
            raise TraceError(f"{self.path}: a trace begins with its header and has only one")
        try:
            body = json.dumps(event.model_dump(mode="json"), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
            if isinstance(event, Header) and self.path.is_file():
                self._file.truncate(0)
            self._chain = _link(self._chain, body)
            self._file.write(f'{body[:-1]},"chain":"{self._chain}"}}\n')
            self._file.flush()
        except (OSError, ValueError) as error:  # disk full; a number that JSON does not have
            raise _unwritten(self.path, error) from error
        self._ended = _ends(event)

    __call__ = append

    def close(self) -> None:
        try:
            self._file.close()
        except OSError as error:  # a line that the disk had no room for is tried once more
            raise _unwritten(self.path, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        self.close()


def _unwritten(path: Path, error: OSError | ValueError) -> TraceError:
    return TraceError(f"cannot write the trace {path}: {error.strerror if isinstance(error, OSError) else error}")


def other_than_trace(path: Path, question: str | None = None) -> str | None:
    """What a trace at ``path`` would take the place of, None where that is nothing, an older trace (be it cut off or of another
    version) or, where a ``question`` is given, an older trace of that question."""
    if not path.is_file() and not path.is_dir():  # nothing, or a device: nothing that is kept
        return None
    with path.open("rb") as file:
        begin = file.read(len(BEGINNING))
        if not BEGINNING.startswith(begin):
            return "something else than a trace"
        header = begin + file.readline()
    cut_off = not header.endswith(b"\n")  # and nothing follows it
    if question is None or cut_off or (_is_json(header) and _parse(header).get("question") == question):
        return None
    return "the trace of another question"


def claim(file: IO[Any]) -> bool:
    """Whether an opened file is for this process alone from now until it is closed: two that write one would mix their lines.
    Devices and pipes are for everyone, and so are files where there are no such locks."""
    try:
        import fcntl
    except ModuleNotFoundError:  # no such locks on this system
        return True
    try:
        if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


def read_trace(path: str | Path) -> Trace:
    """Read and verify a trace. A last line that was cut off in the middle is dropped.

    Raises ``TraceError`` naming the line and the reason: no file, no header, a newer schema, a line that is no JSON, an
    edited or missing line, an event that does not fit the schema.
    """
    try:
        *lines, rest = Path(path).read_bytes().split(b"\n")
    except OSError as error:
        raise TraceError(f"cannot read the trace {path}: {error.strerror}") from error
    if rest and _is_json(rest):  # whole after all, only its newline is missing
        lines.append(rest)
    if not lines:
        raise TraceError(f"{path}: line 1: the trace holds no whole line")
    events: list[Event] = []
    chain = ""
    for number, line in enumerate(lines, 1):
        where = f"{path}: line {number}"
        if events and _ends(events[-1]):
            raise TraceError(f"{where}: something follows the end of the trace")
        event, chain = _read_line(line, chain, where, first=number == 1)
        events.append(event)
    header = events[0]
    assert isinstance(header, Header)  # _read_line saw to it
    return Trace.model_construct(header=header, events=events[1:], complete=_ends(events[-1]))


def fingerprint(value: object) -> str:
    """Short hash of anything JSON can hold."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def _link(chain: str, body: str) -> str:
    return hashlib.sha256(f"{chain}{body}".encode()).hexdigest()[:16]


def _ends(event: Event) -> bool:
    return isinstance(event, ResultEvent | InterruptedEvent)


def _read_line(line: bytes, chain: str, where: str, *, first: bool) -> tuple[Event, str]:
    """The event of one line and the chain after it. Checked in the order in which a message helps most."""
    try:
        data = _parse(line)
    except (ValueError, RecursionError) as error:
        raise TraceError(f"{where}: not JSON: {error}") from error
    if not isinstance(data, dict) or first != (data.get("event") == "header"):
        raise TraceError(f"{where}: " + ("not a trace: the first line is no header" if first else "not an event"))
    version = data.get("schema_version")
    if first and isinstance(version, int) and version > SCHEMA_VERSION:
        raise TraceError(f"{where}: schema version {version} is newer than {SCHEMA_VERSION}, the newest read here: update")
    found = _CHAINED.fullmatch(line.decode())
    if found is None:
        raise TraceError(f"{where}: the checksum is missing")
    chain = _link(chain, found["start"] + "}")
    if chain != found["chain"]:
        raise TraceError(f"{where}: the checksum does not fit: this line was edited, or lines before it were taken out")
    del data["chain"]
    try:
        return _EVENTS.validate_python(data), chain
    except ValidationError as error:
        raise TraceError(f"{where}: {first_problem(error)}") from None


def _parse(line: bytes) -> Any:
    return json.loads(line.decode(), parse_constant=_no_number)


def _no_number(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON number")


def _is_json(line: bytes) -> bool:
    try:
        _parse(line)
    except (ValueError, RecursionError):
        return False
    return True
