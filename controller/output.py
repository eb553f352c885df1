"""The file that the rows of ``solve --file`` go to, and what an earlier run left in it."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

from controller.assemble import Run
from controller.errors import Failure, UsageError
from controller.questions import Asked


def open_output(stack: ExitStack, out: Path | None, questions: Path) -> IO[str]:
    """Where the results go; opened before any work is done, and whatever is in it stays until ``shortened``."""
    if out is None:
        return sys.stdout
    if out.exists() and questions.exists() and out.samefile(questions):
        raise UsageError(f"{out} holds the questions and would be replaced: name another file for --out")
    try:
        return stack.enter_context(out.open("a", encoding="utf-8"))
    except OSError as e:
        raise Failure(f"cannot write {out}: {e.strerror}; name another file for --out") from None


def shortened(stream: IO[str], out: Path | None, size: int = 0) -> IO[str]:
    """The opened output, cut to its first ``size`` bytes: called when the model is there and new rows will come."""
    if out is not None and out.is_file():
        stream.truncate(size)
    return stream


def rows_there(out: Path, asked: Sequence[Asked], run: Run) -> tuple[int, int]:
    """How many of the first questions have their row already, and how many bytes these rows take. What comes behind the
    first missing or torn row is to be made again. UsageError where the rows are of another run: of other questions, model,
    policy or seed."""
    facts = {
        "model": run.loaded.model,
        "estimator": run.loaded.estimator,
        "policy": run.policy.model_dump(),
        "seed": run.seed,
    }
    count = size = 0
    if not out.is_file():
        raise UsageError(f"{out} is no file whose rows could be kept: leave --resume out")
    for line in out.read_bytes().splitlines(keepends=True):
        row = _row(line)
        if row is None or count == len(asked) or row.get("question") != asked[count].text:
            break
        if other := [name for name, value in facts.items() if name in row and row[name] != value]:
            raise _other_run(out, f"with another {other[0]}")
        count, size = count + 1, size + len(line)
    if not count and out.stat().st_size:
        raise _other_run(out, "of other questions")
    return count, size


def _row(line: bytes) -> dict[str, Any] | None:
    if not line.endswith(b"\n"):
        return None
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None


def _other_run(out: Path, which: str) -> UsageError:
    return UsageError(f"{out} holds rows {which}: leave --resume out to replace them, or name another file for --out")
