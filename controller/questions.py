"""What counts as a question, wherever it comes from: an argument, stdin, or a file with one a line."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from controller.safe import json_line, one_line

MAX_CHARACTERS = 20_000
MAX_ANSWER_CHARACTERS = 100_000
MAX_BYTES_A_CHARACTER = 4
STDIN = "-"


class QuestionError(ValueError):
    """The question cannot be taken as it is; the message says why (exit code 2)."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question of a file, and the ``id`` of its line where it has one (whatever JSON value that is)."""

    text: str
    id: Any = None


def check_question(text: str, where: str = "the question") -> str:
    """``text`` with plain line ends, when it can be asked; QuestionError otherwise."""
    return _check(text, where, MAX_CHARACTERS)


def check_answer(text: str, where: str = "the answer") -> str:
    """``text`` with plain line ends, when it can be scored; QuestionError otherwise."""
    return _check(text, where, MAX_ANSWER_CHARACTERS)


def question_from(argument: str) -> str:
    """The question that an argument names: itself, or stdin for ``-``."""
    if argument == STDIN:
        return check_question(_read(sys.stdin.buffer, "stdin", MAX_CHARACTERS).strip(), "stdin")
    return check_question(argument)


def answer_from(argument: str) -> str:
    """The answer that an argument names: itself, stdin for ``-``, or a file for ``@FILE``."""
    if argument == STDIN:
        return check_answer(_read(sys.stdin.buffer, "stdin", MAX_ANSWER_CHARACTERS), "stdin")
    if argument.startswith("@"):
        path = Path(argument[1:])
        with _opened(path) as stream:
            return check_answer(_read(stream, str(path), MAX_ANSWER_CHARACTERS), str(path))
    return check_answer(argument)


def questions_from_file(path: Path) -> list[Asked]:
    """All questions of a file, in order. A line is an object with a ``question``, a JSON string, or plain text."""
    return [_asked(line, where) for where, line in lines_of(path)]


def check_spared(questions: Path, out: Path) -> None:
    """QuestionError where ``out`` is the file of questions itself, which it would replace."""
    if out.exists() and questions.exists() and out.samefile(questions):
        raise QuestionError(f"{out} holds the questions and would be replaced: name another file for --out")


def lines_of(path: Path) -> list[tuple[str, str]]:
    """The lines of a file (or stdin for ``-``) that are not blank, each behind its place for messages, ``FILE:LINE``."""
    if str(path) == STDIN:
        text = _decode(sys.stdin.buffer.read(), "stdin")
    else:
        with _opened(path) as stream:
            text = _decode(stream.read(), str(path))
    lines = [(f"{path}:{i}", line) for i, line in enumerate(text.split("\n"), start=1) if line.strip()]
    if not lines:
        raise QuestionError(f"{path} holds no question")
    return lines


def _asked(line: str, where: str) -> Asked:
    line = line.strip()
    try:
        value, name = json.loads(line), None
    except (ValueError, RecursionError) as e:  # no JSON, a number of thousands of digits, endless nesting
        if line.startswith(("{", "[")):
            why = f"not valid JSON ({one_line(str(e))})"
            raise QuestionError(f"{where}: {why}; plain text that begins so must be quoted as a JSON string") from None
        value, name = line, None
    if isinstance(value, dict):
        value, name = value.get("question"), value.get("id")
    if not isinstance(value, str):
        raise QuestionError(f'{where}: expected {{"question": "..."}}, a JSON string or plain text')
    return Asked(check_question(value, where), _check_id(name, where))


def _check_id(name: Any, where: str) -> Any:
    """An id is repeated in the row of its question, which only what is JSON can be; Python reads more than that."""
    try:
        json_line(name)
    except (ValueError, RecursionError) as e:
        raise QuestionError(f"{where}: JSON cannot write the id ({one_line(str(e))}): give a text or a number") from None
    return name


def _check(text: str, where: str, limit: int) -> str:
    text = _with_plain_ends(text)
    if not text.strip():
        raise QuestionError(f"{where} is empty")
    if len(text) > limit:
        raise QuestionError(f"{where} has {len(text):,} characters; the limit is {limit:,}")
    if "\x00" in text:
        raise QuestionError(f"{where} holds a NUL character: it is not text")
    if any("\ud800" <= c <= "\udfff" for c in text):
        raise QuestionError(f"{where} is not valid Unicode text (UTF-8 is expected)")
    return text


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as e:
        raise QuestionError(f"cannot read {path}: {e.strerror}") from None


def _read(stream: BinaryIO, where: str, limit: int) -> str:
    """The stream's text; no more is read than what would already be too long."""
    most = (limit + 1) * MAX_BYTES_A_CHARACTER
    data = stream.read(most + 1)
    if len(data) > most:
        raise QuestionError(f"{where} is too long; the limit is {limit:,} characters")
    return _decode(data, where)


def _decode(data: bytes, where: str) -> str:
    try:
        return _with_plain_ends(data.decode("utf-8-sig"))
    except UnicodeDecodeError as e:
        raise QuestionError(f"{where} is not UTF-8 text: byte 0x{data[e.start]:02x} at offset {e.start}") from None


def _with_plain_ends(text: str) -> str:
    """A blank line ends a paragraph, and it is one however the lines of a text end."""
    return text.replace("\r\n", "\n")
