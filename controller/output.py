"""The file that the rows of ``solve --file`` go to, and what an earlier run left in it."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from controller.assemble import Run
from controller.errors import Failure, UsageError, say
from controller.questions import Asked, check_spared

Row = dict[str, Any]
FIRST = b'{"question":'  # what every row begins with


@dataclass(frozen=True)
class Output:
    """An opened output. ``path`` is None where it is stdout, a pipe or a device, of which nothing can be kept or replaced."""

    stream: IO[str]
    path: Path | None


@dataclass(frozen=True)
class Kept:
    """Rows of an earlier run: ``first`` of the first questions without a gap, ``size`` bytes in all, which stay where they
    are, and ``later`` ones by the number of their question, which are written again when their turn comes."""

    first: tuple[Row, ...] = ()
    size: int = 0
    later: dict[int, Row] = field(default_factory=dict)

    @property
    def rows(self) -> list[Row]:
        return [*self.first, *self.later.values()]

    @property
    def count(self) -> int:
        return len(self.first) + len(self.later)


@contextmanager
def continued(output: Output, kept: Kept) -> Iterator[IO[str]]:
    """Where new rows are written behind those that are kept; entered when the model is there and new rows will come. Where
    kept rows lie behind a gap, all are written into a file beside, which takes the place of the old one when it has
    every one of them, so that none is lost however the run ends."""
    path = output.path
    if path is None:
        yield output.stream
    elif not kept.later:
        output.stream.truncate(kept.size)
        yield output.stream
    else:
        beside = path.with_name(f"{path.name}.partial")
        with _open(beside, "w") as stream:
            stream.write(path.read_bytes()[: kept.size].decode("utf-8"))
            try:
                yield stream
            finally:
                stream.flush()
                written = {json.dumps(_row(line)) for line in beside.read_bytes().splitlines(keepends=True)}
                if all(json.dumps(row) in written for row in kept.later.values()):
                    beside.replace(path)
                else:
                    beside.unlink()


def open_output(stack: ExitStack, out: Path | None, questions: Path, traces: Sequence[Path | None] = ()) -> Output:
    """Where the results go; opened before any work is done, and whatever is in it stays until it is ``continued``.
    UsageError where that would cost something else than results."""
    if out is None or _is_stdout(out):
        return Output(sys.stdout, None)
    check_spared(questions, out)
    if out.resolve() in {t.resolve() for t in traces if t is not None}:
        raise UsageError(f"{out} is where a trace goes: name another file for --out")
    try:
        if out.is_file() and not _may_be_replaced(out):
            raise UsageError(f"{out} holds something else than results: name another file for --out")
        stream = stack.enter_context(_open(out, "a"))
    except OSError as e:
        raise Failure(f"cannot write {out}: {e.strerror}; name another file for --out") from None
    _claim(stream, out)
    return Output(stream, out if out.is_file() else None)


def kept_rows(output: Output, asked: Sequence[Asked], run: Run, resume: bool) -> Kept:
    """The rows that stay, all that can or none, and a line on stderr about them. UsageError where they are of other questions
    and, with ``resume``, of a run with another model, policy or seed."""
    there = Kept() if output.path is None else _rows_of(output.path, asked)
    other = next((name for row in there.rows for name, value in _facts(run).items() if row.get(name, value) != value), None)
    if resume and other is not None and output.path is not None:
        raise _of_another_run(output.path, f"rows with another {other}")
    if resume:
        say(f"{output.path} has the rows of {there.count} of {len(asked)} questions")
    elif there.count:
        kept = "--resume would have kept them" if other is None else f"they were made with another {other}"
        say(f"the {there.count} rows in {output.path} are replaced; {kept}")
    return there if resume else Kept()


def _facts(run: Run) -> dict[str, Any]:
    """What a row tells of the run that made it."""
    loaded = run.loaded
    return {"model": loaded.model, "estimator": loaded.estimator, "policy": run.policy.model_dump(), "seed": run.seed}


def _rows_of(path: Path, asked: Sequence[Asked]) -> Kept:
    """What need not be done again: every whole row but those with an error. UsageError where the rows are of other questions,
    so that none is lost."""
    first: list[Row] = []
    later: dict[int, Row] = {}
    size = number = 0
    for line in path.read_bytes().splitlines(keepends=True):
        row = _row(line)
        if row is None and not line.endswith(b"\n"):
            break  # torn, which only the last one can be
        if row is None:
            raise _of_another_run(path, "a line that is no row")
        number = next((i for i in range(number, len(asked)) if _answers(row, asked[i])), len(asked))
        if number == len(asked):
            raise _of_another_run(path, "rows of other questions")
        if "error" not in row and number == len(first):
            first.append(row)
            size += len(line)
        elif "error" not in row:
            later[number] = row
        number += 1
    return Kept(tuple(first), size, later)


def _answers(row: Row, asked: Asked) -> bool:
    return row.get("question") == asked.text and row.get("id") == asked.id


def _row(line: bytes) -> Row | None:
    with suppress(ValueError):
        row = json.loads(line)
        if line.endswith(b"\n") and isinstance(row, dict):
            return row
    return None


def _of_another_run(out: Path, what: str) -> UsageError:
    return UsageError(f"{out} holds {what}: name another file for --out, or remove this one")


def _may_be_replaced(path: Path) -> bool:
    """Whether a file is empty or begins with a row, which may be torn; questions have neither an outcome nor an error."""
    with path.open("rb") as file:
        line = file.readline()
    with suppress(ValueError):
        row = json.loads(line)
        return isinstance(row, dict) and not {"outcome", "error"}.isdisjoint(row)
    return FIRST.startswith(line[: len(FIRST)])


class _Named(io.FileIO):
    """A file that names itself where it cannot be written (a full disk), also when what is left is written at its end."""

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except OSError as e:
            e.filename = self.name
            raise


def _open(path: Path, mode: str) -> IO[str]:
    return io.TextIOWrapper(io.BufferedWriter(_Named(path, mode)), encoding="utf-8")


def _is_stdout(out: Path) -> bool:
    with suppress(OSError, ValueError):
        return os.path.samestat(out.stat(), os.fstat(sys.stdout.fileno()))
    return False


def _claim(stream: IO[str], out: Path) -> None:
    """Two runs that write one file would mix their rows. The lock ends with the process."""
    try:
        import fcntl
    except ModuleNotFoundError:  # no such locks on this system
        return
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Failure(f"another run is writing {out}: wait for it, or name another file for --out") from None
    except OSError:  # a file system without locks
        return
