"""Files that are there whole or not at all, whenever the process is killed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PARTIAL = ".partial"


def is_empty(folder: Path) -> bool:
    """Whether a folder holds nothing but what a kill left half written."""
    return all(path.name.endswith(PARTIAL) for path in folder.iterdir())


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path`` to write to; at the end it is flushed to the disk and takes ``path``'s place."""
    temporary = path.with_name(f".{path.name}{PARTIAL}")
    yield temporary
    with temporary.open("rb+") as file:
        os.fsync(file.fileno())
    os.replace(temporary, path)


def write_text(path: Path, text: str) -> None:
    """``text`` as UTF-8, whole or not at all."""
    with replaced(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
