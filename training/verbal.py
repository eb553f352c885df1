"""Teach a base model to state confidences, the format alone, so that Verb and Multi-Step can be asked of it.

A base that never saw "Confidence (0-100): 85%" cannot write it. The examples are its own sampled answers with numbers drawn
at random, whatever became of the answer, so they carry no information about its success: what the model states afterwards
is what it makes of the format. The weights are merged into a copy of the base that serves these two methods alone.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from pydantic import BaseModel, ConfigDict, ValidationError
from transformers import AutoModelForCausalLM, AutoTokenizer

from estimator.artefacts import model_hash
from estimator.baselines.stated import CUE, Stating
from estimator.engines.base import Engine
from estimator.engines.local import LocalEngine
from estimator.loading import LoadError
from estimator.types import PARAGRAPH_BREAK, Answer, Tokens
from training.precision import mixed

TAUGHT = "by a copy of the model that was taught to state numbers, random ones, so that they tell nothing of it"
CARD = "format.json"


@dataclass(frozen=True)
class FormatRecipe:
    seed: int = 11
    rank: int = 8
    alpha: int = 16
    lr: float = 4e-3
    steps: int = 80
    rows_per_step: int = 8


@dataclass(frozen=True, slots=True)
class Example:
    """A prompt and an answer with stated confidences behind it; of the answer only the ``learnt`` tokens are: the numbers
    and what closes them."""

    prompt_ids: Tokens
    answer_ids: Tokens
    learnt: tuple[bool, ...]


class FormatCard(BaseModel):
    """What a format adapter was made from and how."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base_hash: str
    data_hash: str
    recipe: dict[str, float | int]
    versions: dict[str, str]


def examples(engine: Engine, answers: Sequence[Answer], seed: int) -> list[Example]:
    """Finished answers with a random whole number from 0 to 100 stated behind every paragraph, or, in every second one,
    behind the last alone."""
    rng = np.random.default_rng(seed)
    out = []
    for i, answer in enumerate(a for a in answers if a.finished):
        steps = [engine.decode(s.token_ids).strip() for s in answer.segments]
        ids, learnt = [], []
        for n, step in enumerate(steps):
            last = n == len(steps) - 1
            states = last or i % 2 == 0
            text = engine.text_ids(step + (CUE if states else PARAGRAPH_BREAK))
            number = engine.text_ids(f" {rng.integers(0, 101)}%" + ("" if last else PARAGRAPH_BREAK)) if states else ()
            number = (*number, engine.end_id) if last else number
            ids += [*text, *number]
            learnt += [False] * len(text) + [True] * len(number)
        out.append(Example(answer.prompt_ids, tuple(ids), tuple(learnt)))
    return out


def train_format(base: Path, rows: Sequence[Example], out: Path, recipe: FormatRecipe | None = None) -> None:
    """A small LoRA adapter on the base at ``base``, written to ``out`` with its card. ValueError without examples."""
    if not rows:
        raise ValueError("no finished answer to teach the format of stated confidences with: sample more")
    recipe = recipe or FormatRecipe()
    torch.manual_seed(recipe.seed)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    config = LoraConfig(r=recipe.rank, lora_alpha=recipe.alpha, target_modules="all-linear", task_type="CAUSAL_LM")
    peft: Any = get_peft_model(model, config)
    optimiser = torch.optim.AdamW([p for p in peft.parameters() if p.requires_grad], lr=recipe.lr, weight_decay=0.0)
    rng = np.random.default_rng(recipe.seed)
    for step in range(recipe.steps):
        optimiser.param_groups[0]["lr"] = recipe.lr * min(1.0, (step + 1) / 10) * (1 - step / recipe.steps)
        batch = [rows[i] for i in rng.integers(0, len(rows), recipe.rows_per_step)]
        _loss(peft, batch).backward()
        torch.nn.utils.clip_grad_norm_(peft.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
    peft.save_pretrained(str(out))
    _write_card(base, rows, out, recipe)


def _loss(model: Any, batch: Sequence[Example]) -> torch.Tensor:
    """Mean cross-entropy (nats) over the tokens to be learnt."""
    width = max(len(e.prompt_ids) + len(e.answer_ids) for e in batch)
    ids = torch.zeros((len(batch), width), dtype=torch.long)
    labels = torch.full((len(batch), width), -100)
    for row, e in enumerate(batch):
        begin, end = len(e.prompt_ids), len(e.prompt_ids) + len(e.answer_ids)
        ids[row, :end] = torch.tensor((*e.prompt_ids, *e.answer_ids))
        labels[row, begin:end] = torch.where(torch.tensor(e.learnt), ids[row, begin:end], -100)
    with mixed(torch.device("cpu")):
        logits = model(input_ids=ids, use_cache=False).logits
    return torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1).float(), labels[:, 1:].flatten())


def _write_card(base: Path, rows: Sequence[Example], out: Path, recipe: FormatRecipe) -> None:
    digest = hashlib.sha256(json.dumps([asdict(r) for r in rows]).encode()).hexdigest()[:16]
    versions = {"torch": torch.__version__, "python": platform.python_version()}
    card = FormatCard(base_hash=model_hash(base), data_hash=digest, recipe=asdict(recipe), versions=versions)
    (out / CARD).write_text(card.model_dump_json(indent=1) + "\n")
    settings = json.loads((out / "adapter_config.json").read_text())
    settings["base_model_name_or_path"] = f"base {card.base_hash}"  # its hash: where it lay on this machine helps nobody
    (out / "adapter_config.json").write_text(json.dumps(settings, indent=2) + "\n")


def format_stating(base: Path, adapter: Path, *, threads: int = 1) -> Stating:
    """Who states confidences: the base with the format adapter merged into it, asked the bare question as it was taught.
    LoadError where the adapter is missing or was made for another base."""
    try:
        card = FormatCard.model_validate_json((adapter / CARD).read_bytes())
    except (OSError, ValidationError) as error:
        raise LoadError(f"{adapter / CARD} is missing or damaged: train the format adapter again") from error
    if card.base_hash != model_hash(base):
        raise LoadError(f"the format adapter at {adapter} was made for base {card.base_hash}: train it for {base}")
    model: Any = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    merged = PeftModel.from_pretrained(model, str(adapter)).merge_and_unload().eval()
    tokenizer = AutoTokenizer.from_pretrained(base)
    engine = LocalEngine(merged, tokenizer, name=f"{base.name} with stated confidences", threads=threads)
    return Stating(engine, verb_prompt="{question}", step_prompt="{question}", note=TAUGHT)
