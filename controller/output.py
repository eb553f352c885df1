"""The file that the rows of ``solve --file`` go to, and what an earlier run left in it."""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import IO, Any

from controller.assemble import Run
from controller.errors import Failure, UsageError, say
from controller.questions import Asked, check_spared
from graphs.trace import claim
from training.atomic import replaced

Row = dict[str, Any]
FIRST = b'{"question":'  # what every row begins with


@dataclass(frozen=True)
class Output:
    """An opened output. ``path`` is None where it is stdout, a pipe or a device, of which nothing can be kept or replaced."""

    stream: IO[str]
    path: Path | None


@dataclass(frozen=True)
class Kept:
    """Rows of an earlier run by the number of their question; all of them lie in the first ``size`` bytes of the file."""

    rows: dict[int, Row] = field(default_factory=dict)
    size: int = 0


@contextmanager
def continued(output: Output, kept: Kept, asked: Sequence[Asked]) -> Iterator[IO[str]]:
    """Where new rows are written behind those that are kept; entered when the model is there and new rows will come. One file
    holds every row at every moment, so that none is lost however the process dies; rows that closed a gap are put into their
    place at the end, or at the end of the run that goes on after this one."""
    if output.path is not None:
        output.stream.truncate(kept.size)
    try:
        yield output.stream
    finally:
        if output.path is not None and kept.rows:
            output.stream.flush()  # where the disk is full this fails again, and the rows stay as they lie
            _put_in_order(output.path, asked)


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
    if not out.is_file():
        return Output(stream, None)
    # The file that was opened may be gone since: another run put its rows in order and ended.
    if not claim(stream) or not os.path.samestat(os.fstat(stream.fileno()), out.stat()):
        raise Failure(f"another run is writing {out}: wait for it, or name another file for --out")
    return Output(stream, out)


def kept_rows(output: Output, asked: Sequence[Asked], run: Run, resume: bool) -> Kept:
    """The rows that stay, all that can or none, and a line on stderr about them. UsageError where they are of other questions
    and, with ``resume``, of a run with another model, policy or seed."""
    there = Kept() if output.path is None else _rows_of(output.path, asked)
    facts, rows = _facts(run).items(), there.rows.values()
    other = next((name for row in rows for name, value in facts if row.get(name, value) != value), None)
    if resume and other is not None and output.path is not None:
        raise _of_another_run(output.path, f"rows with another {other}")
    if resume:
        say(f"{output.path} has the rows of {len(there.rows)} of {len(asked)} questions")
    elif there.rows:
        kept = "--resume would have kept them" if other is None else f"they were made with another {other}"
        say(f"the {len(there.rows)} rows in {output.path} are replaced; {kept}")
    return there if resume else Kept()


def _facts(run: Run) -> dict[str, Any]:
    """What a row tells of the run that made it."""
    loaded = run.loaded
    return {"model": loaded.model, "estimator": loaded.estimator, "policy": run.policy.model_dump(), "seed": run.seed}


def _rows_of(path: Path, asked: Sequence[Asked]) -> Kept:
    """What need not be done again: every whole row but those with an error."""
    rows: dict[int, Row] = {}
    size = end = 0
    for number, line, row in _lines_of(path, asked):
        end += len(line)
        if "error" not in row:
            rows[number], size = row, end
    return Kept(rows, size)


def _put_in_order(path: Path, asked: Sequence[Asked]) -> None:
    """One row for each question, in the order of the questions. A row that says how a question ended comes behind those that
    say why it could not be run, and replaces them."""
    rows = {number: line for number, line, _ in _lines_of(path, asked)}
    ordered = b"".join(rows[number] for number in sorted(rows))
    if ordered == path.read_bytes():
        return
    try:
        with replaced(path.resolve()) as beside:  # where a link leads: the link stays
            beside.write_bytes(ordered)
            shutil.copymode(path, beside)
    except OSError as e:
        raise Failure(f"{path} has all rows, but out of order: {e.strerror}; --resume will put them in order") from None


def _lines_of(path: Path, asked: Sequence[Asked]) -> Iterator[tuple[int, bytes, Row]]:
    """The whole lines of a file, each with the number of the question that its row is of. Every run appends its rows in the
    order of the questions: a row is of the next one, going round, that it fits and that has none without an error yet.
    UsageError where a row is of another question, so that none is lost."""
    answered: set[int] = set()
    number = 0
    for line in path.read_bytes().splitlines(keepends=True):
        row = _row(line)
        if row is None and not line.endswith(b"\n"):
            return  # torn, which only the last one can be
        if row is None:
            raise _of_another_run(path, "a line that is no row")
        turns = (i for i in chain(range(number, len(asked)), range(number)) if i not in answered)
        found = next((i for i in turns if _answers(row, asked[i])), None)
        if found is None:
            raise _of_another_run(path, "rows of other questions")
        if "error" not in row:
            answered.add(found)
        number = found + 1
        yield found, line, row


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
