"""Labelled texts: token ids with success counts at calibration positions, as Parquet files written and read here alone.

A point is ``(length, correct, k)``: of ``k`` sampled completions of the first ``length`` tokens, ``correct`` were right. Counts
are kept, never a rounded ratio.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from estimator.types import Tokens
from training.atomic import replaced

Point = tuple[int, int, int]
SAMPLED, MONTE_CARLO, COMPLETE = "sampled", "monte_carlo", "complete"
TRAIN, HELD_OUT = "train", "held_out"
DATA = "data"
META = b"finece"

_POINT = pa.struct([("length", pa.int32()), ("correct", pa.int32()), ("k", pa.int32())])
SCHEMA = pa.schema(
    [
        ("question_id", pa.string()),
        ("kind", pa.string()),
        ("source", pa.string()),
        ("split", pa.string()),
        ("question", pa.string()),
        ("text", pa.string()),
        ("num_prompt_tokens", pa.int32()),
        ("token_ids", pa.list_(pa.int32())),
        ("points", pa.list_(_POINT)),
    ]
)


@dataclass(frozen=True, slots=True)
class Labelled:
    """A text (prompt and answer so far) and its points.

    ``source``: ``sampled`` is an answer whose one outcome labels all its prefixes (k = 1, the bare prompt first),
    ``monte_carlo`` a chain of Algorithm 1 (k samples a point), ``complete`` an answer labelled at its end alone.
    ``question`` is the question's text and ``text`` the answer's, so far; the first ``num_prompt_tokens`` of ``token_ids``
    are the prompt. ``split`` is ``train`` or ``held_out``.
    """

    question_id: str
    kind: str
    source: str
    token_ids: Tokens
    points: tuple[Point, ...]
    num_prompt_tokens: int = 0
    question: str = ""
    text: str = ""
    split: str = TRAIN


def write_labels(path: Path, rows: Sequence[Labelled], meta: Mapping[str, Any] | None = None) -> None:
    """One Parquet file, whole or not at all; ``meta`` (JSON) goes into the file's metadata."""
    columns = {name: [getattr(r, name) for r in rows] for name in SCHEMA.names if name != "points"}
    columns["points"] = [[{"length": n, "correct": c, "k": k} for n, c, k in r.points] for r in rows]
    write_table(path, pa.Table.from_pydict(columns, SCHEMA), meta or {})


def write_table(path: Path, table: pa.Table, meta: Mapping[str, Any]) -> None:
    """``write_labels`` for rows that are a table already."""
    with replaced(path) as temporary:
        pq.write_table(table.replace_schema_metadata({META: json.dumps(meta, sort_keys=True)}), temporary, compression="zstd")


def read_labels(path: Path) -> list[Labelled]:
    """All rows of a labels file, or of the folder that ``controller label`` wrote (first ``train``, then ``held_out``)."""
    if not path.is_dir():
        return rows_of(pq.read_table(path, schema=SCHEMA))
    files = [f for split in (TRAIN, HELD_OUT) if (f := path / DATA / f"{split}.parquet").is_file()]
    if not files:
        raise FileNotFoundError(f"no labels in {path}: it is no folder of controller label, or its run is not finished")
    return [row for file in files for row in rows_of(pq.read_table(file, schema=SCHEMA))]


def read_meta(path: Path) -> dict[str, Any]:
    """What ``write_labels`` was given as ``meta``."""
    return json.loads((pq.read_schema(path).metadata or {}).get(META, b"{}"))


def rows_of(table: pa.Table) -> list[Labelled]:
    """The rows of a table of ``SCHEMA``."""
    return [
        Labelled(
            **(row | {"token_ids": tuple(row["token_ids"])}),
            points=tuple((p["length"], p["correct"], p["k"]) for p in points),
        )
        for row, points in zip(table.drop_columns("points").to_pylist(), table["points"].to_pylist(), strict=True)
    ]


def data_hash(rows: Iterable[Labelled]) -> str:
    """Hash of what is learnt from: ids, sources, tokens and counts, in order."""
    digest = hashlib.sha256()
    for r in rows:
        learnt = {"question_id": r.question_id, "kind": r.kind, "source": r.source}
        learnt |= {"token_ids": r.token_ids, "points": r.points}
        digest.update(json.dumps(learnt, sort_keys=True).encode())
    return digest.hexdigest()[:16]
