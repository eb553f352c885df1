"""What lies beside an adapter's weights: the card that loading checks, and the model card that people read."""

from __future__ import annotations

import json
import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import peft
import torch
import transformers
from transformers import AutoTokenizer

from estimator.artefacts import CARD, Card, model_hash, prompt_hash
from estimator.levels import LEVEL_VALUES, level_ids
from training.labels import Labelled, data_hash

HOW = {
    "soft": "the distribution of the next token over the ten digits, each standing for a level of success. It writes nothing",
    "ift": "the text `Conf:0.8` when it is asked for its confidence, read as the expectation over what it would state",
    "value_head": "a linear head over ten bins on the last hidden state (`value_head.safetensors`). It writes nothing",
}
Figures = Mapping[str, Mapping[str, float | None]]


def write_card(
    base: Path, rows: Sequence[Labelled], out: Path, recipe: dict[str, Any], figures: Figures, temperature: float
) -> None:
    """Write both, and put the base's hash in the place of the path that PEFT wrote: where the base lay helps nobody."""
    tokenizer = AutoTokenizer.from_pretrained(base)
    technique = recipe["technique"]
    card = Card(
        technique=technique,
        base_hash=model_hash(base),
        prompt_hash=prompt_hash(tokenizer, technique),
        data_hash=data_hash(rows),
        adapter_hash=model_hash(out),
        temperature=temperature,
        level_ids=level_ids(tokenizer) if technique == "soft" else [],
        level_values=LEVEL_VALUES.tolist(),
        seed=recipe["seed"],
        recipe=recipe,
        versions={
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "peft": peft.__version__,
        },
    )
    settings = json.loads((out / "adapter_config.json").read_text())
    settings["base_model_name_or_path"] = f"base {card.base_hash}"
    (out / "adapter_config.json").write_text(json.dumps(settings, indent=2) + "\n")
    (out / "README.md").write_text(model_card(card, rows, figures), encoding="utf-8")
    (out / CARD).write_text(json.dumps(card.model_dump(), indent=1) + "\n")  # last: with it the adapter is finished


def model_card(card: Card, rows: Sequence[Labelled], figures: Figures) -> str:
    """The adapter's model card, in place of the placeholder that PEFT writes."""
    counts = Counter((r.kind, r.source) for r in rows)
    labels = [f"| {kind} | {source} | {count} |" for (kind, source), count in sorted(counts.items())]
    measured = [
        f"| {state} | {f['n']} | {100 * (f['ece'] or 0):.1f} % | {'-' if f['auroc'] is None else format(f['auroc'], '.3f')} |"
        for state, f in figures.items()
    ]
    lines = [
        "---",
        "library_name: peft",
        "tags: [lora, confidence-estimation, calibration]",
        "---",
        "",
        "# FineCE estimator",
        "",
        "A LoRA adapter that says, after a question or any part of an answer, how likely the base model is to finish with the",
        f"correct answer: {HOW[card.technique]}. Plain LoRA, no modules_to_save. The base generates without it.",
        "",
        "```",
        "controller solve QUESTION --model BASE --estimator THIS_DIRECTORY",
        "```",
        "",
        f"- technique: {card.technique}",
        f"- base: {card.base_hash}, prompt form {card.prompt_hash}, labels {card.data_hash}, seed {card.seed}",
        f"- recipe: {', '.join(f'{name} {value}' for name, value in card.recipe.items())}",
        f"- versions: {', '.join(f'{name} {value}' for name, value in card.versions.items())}",
        "",
        "| kind of question | labels | texts |",
        "|---|---|---|",
        *labels,
        "",
        "On questions held out of training, against how the answers sampled from there ended (ECE with ten equal-width bins):",
        "",
        "| confidence after | n | ECE | AUROC |",
        "|---|---|---|---|",
        *measured,
        "",
        "Limits: it knows this base model at the temperature of its labels on questions like these; on other models,",
        "temperatures or questions, and on open-ended ones, its numbers mean nothing until they have been measured.",
        "",
    ]
    return "\n".join(lines)
