"""A labelling run on disk: it can be killed at any moment, and goes on where it was when it is started again.

The folder holds ``manifest.json`` (what is being made, of what, by what) from the first moment, one file for each finished
chunk of questions while it runs, and in the end ``data/*.parquet``, the data card and ``report.json``. Every file appears
whole or not at all, and all samples are functions of (seed, text, number), so what a killed run had not finished comes out
the same the second time.
"""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from estimator.engines.base import Engine
from estimator.types import Question
from training import llama_factory
from training.atomic import is_empty, write_text
from training.embeddings import Embed, embedder
from training.label_card import data_card
from training.label_chunk import Counts, LabelSettings, label_chunk
from training.label_report import label_report
from training.labels import DATA, HELD_OUT, SCHEMA, TRAIN, read_labels, read_meta, write_labels, write_table

MANIFEST, REPORT, CARD, CHUNKS = "manifest.json", "report.json", "README.md", "chunks"
SCHEMA_VERSION = 2  # of the manifest; raised also where the same settings give other labels (3: graded anew)
PACKAGES = ("finece-controller", "torch", "transformers", "numpy", "scikit-learn", "pyarrow")


class RunError(ValueError):
    """The folder cannot take this run; the message names what differs and the remedy."""


@dataclass(frozen=True)
class Progress:
    """How far a run is: questions done (rounds of a chunk count in part) of all, of these ``resumed`` from before; samples
    drawn and seconds since it was started."""

    questions: float
    total: int
    resumed: int
    samples: int
    seconds: float


@dataclass(frozen=True)
class LabelRun:
    """Which labels are made in ``out``: of ``questions`` (with different ids and texts), by ``engine`` whose weights and
    prompt have these ``hashes``. ``export`` also writes the train split as LLaMA-Factory reads it."""

    engine: Engine
    hashes: dict[str, str]
    questions: Sequence[Question]
    settings: LabelSettings
    out: Path
    threads: int = 1
    export: bool = False

    def run(self, notify: Callable[[Progress], None] = lambda progress: None) -> dict[str, Any]:
        """Make what is not there yet; returns the report. Raises RunError, and what the engine raises."""
        manifest, made = self.manifest(), (self.out / REPORT).is_file()
        embed = None if made or not self.settings.k else embedder(self.engine, self.settings.embed)
        claim(self.out, manifest)  # behind what may fail: a manifest of what cannot be made would only be in the way
        if not made:
            self._make_chunks(embed, notify)
            self._finish(manifest)
        shutil.rmtree(self.out / CHUNKS, ignore_errors=True)
        return json.loads((self.out / REPORT).read_text(encoding="utf-8"))

    def manifest(self) -> dict[str, Any]:
        """What the labels depend on, and nothing else."""
        asked = [[q.id, q.kind, q.text, list(q.answers), q.grader.value] for q in self.questions]
        return {
            "schema_version": SCHEMA_VERSION,
            "model": self.engine.name,
            "hashes": self.hashes,
            "questions": len(asked),
            "questions_hash": hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:16],
            "settings": asdict(self.settings),
            "threads": self.threads,  # rows that are computed together can differ in a last bit
            "llama_factory": self.export,
            "versions": {"python": platform.python_version(), **{p: _version(p) for p in PACKAGES}},
        }

    def _make_chunks(self, embed: Embed | None, notify: Callable[[Progress], None]) -> None:
        size, started, samples = self.settings.chunk, time.monotonic(), 0
        starts = range(0, len(self.questions), size)
        done = [i for i in starts if _chunk(self.out, i // size).is_file()]
        resumed = sum(len(self.questions[i : i + size]) for i in done)
        finished = float(resumed)

        def drawn(number: int) -> None:
            nonlocal samples, finished
            samples += number
            finished += part
            notify(Progress(finished, len(self.questions), resumed, samples, time.monotonic() - started))

        for i in (i for i in starts if i not in done):
            batch = self.questions[i : i + size]
            part, before = len(batch) / (1 + self.settings.truncations * bool(self.settings.k)), finished
            rows, counts = label_chunk(self.engine, batch, self.settings, embed, drawn)
            write_labels(_chunk(self.out, i // size), rows, counts.as_dict())
            part, finished = 0, before + len(batch)
            drawn(0)

    def _finish(self, manifest: dict[str, Any]) -> None:
        """From the chunks the data, the card, and last of all the report, whose being there means that all is."""
        out, paths = self.out, sorted((self.out / CHUNKS).glob("*.parquet"))
        table = pa.concat_tables([pq.read_table(path, schema=SCHEMA) for path in paths])
        counts = sum((Counts(**read_meta(path)) for path in paths), Counts())
        (out / DATA).mkdir(exist_ok=True)
        for split in (TRAIN, HELD_OUT):
            part = table.filter(pc.field("split") == split)
            if part.num_rows or split == TRAIN:
                write_table(out / DATA / f"{split}.parquet", part.combine_chunks(), manifest)
        rows = read_labels(out)
        if self.export:
            llama_factory.export(out, rows, self.engine.decode)
        report = label_report(rows, counts, manifest)
        write_text(out / CARD, data_card(report))
        write_text(out / REPORT, json.dumps(report, indent=1) + "\n")


def claim(out: Path, manifest: dict[str, Any]) -> None:
    """Make the folder this run's, or see that it is. RunError where it holds another run or anything else."""
    path = out / MANIFEST
    if path.is_file():
        _check_same(out, json.loads(path.read_text(encoding="utf-8")), manifest)
    elif out.is_dir() and not is_empty(out):
        raise RunError(f"{out} is not empty and holds no labelling run: give --out another folder")
    elif out.exists() and not out.is_dir():
        raise RunError(f"{out} is a file: name a folder for --out")
    out.mkdir(parents=True, exist_ok=True)
    if not path.is_file():  # before anything else, for it is what says whose the folder is
        write_text(path, json.dumps(manifest, indent=1) + "\n")
    (out / CHUNKS).mkdir(exist_ok=True)


def _check_same(out: Path, there: dict[str, Any], wanted: dict[str, Any]) -> None:
    if there.get("schema_version") != SCHEMA_VERSION:
        raise RunError(f"{out} holds a labelling run of another version of this program: give --out another folder")
    old, new = _flat(there), _flat(wanted)
    differing = [f"{k} {old.get(k)} there, {new.get(k)} here" for k in {**old, **new} if old.get(k) != new.get(k)]
    if differing:
        raise RunError(
            f"{out} holds a labelling run of other settings ({'; '.join(differing)}): give the same again to go on with it, "
            "or --out another folder"
        )


def _flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, value in tree.items():
        out |= _flat(value, "" if key == "settings" else f"{key}.") if isinstance(value, dict) else {prefix + key: value}
    return out


def _chunk(out: Path, number: int) -> Path:
    return out / CHUNKS / f"{number:06d}.parquet"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"
