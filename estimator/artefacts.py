"""What lies beside weights, so that loading can check that model, adapter and policy belong together."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from estimator.calibration import read_combiner
from estimator.prompts import CONFIDENCE_REQUEST, INSTRUCTION, prompt_ids

CARD = "finece.json"
COMBINER = "combiner.json"
POLICY = "policy.toml"
HASHED_WHOLE = 64 << 20
BLOCK = 1 << 20


Technique = Literal["soft", "ift", "value_head"]


class Card(BaseModel):
    """The estimator's card: how it says its confidence, what it was trained on, and what its levels mean. ``level_ids`` are
    the tokens of the soft readout (empty for the other techniques); ``adapter_hash`` is of the weights that it lies beside;
    ``temperature`` is that at which the answers behind the labels were sampled."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = 1
    technique: Technique = "soft"
    base_hash: str
    prompt_hash: str
    data_hash: str
    adapter_hash: str | None = None
    temperature: float = 1.0
    level_ids: list[int]
    level_values: list[float]
    seed: int
    recipe: dict[str, float | int | str]
    versions: dict[str, str]


def model_hash(directory: Path) -> str:
    """Hash of a model directory's weights (``*.safetensors``), adapter or base. Files over 64 MiB are hashed by size, first,
    middle and last MiB, so that a 15 GB model is checked in a moment; a change elsewhere in them goes unnoticed."""
    digest = hashlib.sha256()
    for path in sorted(directory.glob("*.safetensors")):
        size = path.stat().st_size
        digest.update(f"{path.name}:{size}:".encode())
        with path.open("rb") as file:
            for begin in (0,) if size <= HASHED_WHOLE else (0, size // 2, size - BLOCK):
                file.seek(begin)
                digest.update(file.read(size if size <= HASHED_WHOLE else BLOCK))
    return digest.hexdigest()[:16]


def prompt_hash(tokenizer: Any, technique: Technique = "soft") -> str:
    """Hash of the prompt's form: instruction, template and vocabulary as they show in one probe question; with ``ift`` the
    request for a stated confidence as well."""
    probe = prompt_ids(tokenizer, "How many legs do 3 dogs have?")
    form = f"{INSTRUCTION}|{tokenizer.chat_template}|{probe}" + (f"|{CONFIDENCE_REQUEST}" if technique == "ift" else "")
    return hashlib.sha256(form.encode()).hexdigest()[:16]


def identity(card: Card, adapter_hash: str, adapter: Path) -> dict[str, str]:
    """The hashes of an estimator whose card and combination lie in ``adapter``; CombinerError for one that cannot be read."""
    known = {"base": card.base_hash, "adapter": adapter_hash, "prompt": card.prompt_hash}
    fitted = adapter / COMBINER
    return known | ({"combination": read_combiner(fitted).identity()} if fitted.is_file() else {})
