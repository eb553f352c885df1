"""Labels as LLaMA-Factory reads them: the paper's instruction with a stated confidence, in the sharegpt layout."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from estimator.prompts import CONFIDENCE_REQUEST
from training.atomic import write_text
from training.labels import HELD_OUT, TRAIN, Labelled

FOLDER = "llama_factory"
TAGS = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}


def export(out: Path, rows: Iterable[Labelled], decode: Callable[[Sequence[int]], str]) -> None:
    """Write ``out/llama_factory``: one conversation a point (``Conf:0.83`` to two digits, the count is in the Parquet files),
    a file a split, and the ``dataset_info.json`` that names them. ``decode`` turns answer tokens into text."""
    lines: dict[str, list[str]] = {TRAIN: [], HELD_OUT: []}
    for row in rows:
        lines[row.split] += [json.dumps(turn, ensure_ascii=False) for turn in _conversations(row, decode)]
    folder, info = out / FOLDER, {}
    folder.mkdir(exist_ok=True)
    for split in (s for s in lines if lines[s]):
        write_text(folder / f"{split}.jsonl", "\n".join(lines[split]) + "\n")
        columns = {"messages": "messages"}
        info[f"finece_{split}"] = {
            "file_name": f"{split}.jsonl", "formatting": "sharegpt", "columns": columns, "tags": TAGS
        }  # fmt: skip
    write_text(folder / "dataset_info.json", json.dumps(info, indent=1) + "\n")


def _conversations(row: Labelled, decode: Callable[[Sequence[int]], str]) -> list[dict[str, Any]]:
    out = []
    for length, correct, k in row.points:
        steps = decode(row.token_ids[row.num_prompt_tokens : length])
        asked = CONFIDENCE_REQUEST.format(question=row.question, steps=steps.strip())
        said = f"Conf:{round(correct / k, 2)}"
        out.append({"messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]})
    return out
