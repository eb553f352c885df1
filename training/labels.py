"""Labelled texts: token ids with success counts at calibration positions, as files that can be written and read back.

A point is ``(length, correct, k)``: of ``k`` sampled completions of the first ``length`` tokens, ``correct`` were right. A
sampled answer labels all of its own prefixes with its one outcome (k = 1); Monte Carlo labels have k > 1. Counts are kept,
never a rounded ratio.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from estimator.types import Tokens

Point = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Labelled:
    """A text (prompt and answer so far) and its points; ``source`` is ``sampled`` (k = 1) or ``monte_carlo``."""

    question_id: str
    kind: str
    source: str
    token_ids: Tokens
    points: tuple[Point, ...]


def write_labels(path: Path, rows: Iterable[Labelled]) -> None:
    with gzip.open(path, "wt", encoding="utf-8", compresslevel=3) as file:
        for row in rows:
            file.write(json.dumps(asdict(row)) + "\n")


def read_labels(path: Path) -> list[Labelled]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    return [
        Labelled(r["question_id"], r["kind"], r["source"], tuple(r["token_ids"]), tuple(tuple(p) for p in r["points"]))
        for r in rows
    ]


def data_hash(rows: Iterable[Labelled]) -> str:
    digest = hashlib.sha256()
    for row in rows:
        digest.update(json.dumps(asdict(row), sort_keys=True).encode())
    return digest.hexdigest()[:16]
