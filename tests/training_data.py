"""Tiny bases of real architectures on disk, and labels whose outcome is decided by a word of the question."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from estimator.prompts import prompt_ids, text_ids
from estimator.types import Answer, Segment, StopReason
from tests.conftest import tiny_model
from training.labels import Labelled
from training.recipe import FinetuneRecipe

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
FAST = FinetuneRecipe(
    lr=1e-2, warmup=2, epochs=8, tokens_per_step=800, rank=8, alpha=16, dropout=0.1, held_out=0.2, every=1000, processes=1
)
WORDS = ("sheep", "pens")  # questions about sheep are answered rightly, those about pens are not


def save_base(folder: Path, architecture: str, tokenizer: Any, seed: int = 0) -> Path:
    """A random model with a chat template of its family."""
    mine = copy.deepcopy(tokenizer)
    if architecture != "llama":
        mine.chat_template = CHATML
    tiny_model(architecture, len(mine), mine.eos_token_id, seed).save_pretrained(folder)
    mine.save_pretrained(folder)
    return folder


def answer_to(tokenizer: Any, number: int, word: str) -> Answer:
    prompt = prompt_ids(tokenizer, f"How many {word} are {number} and 3?")
    last = (*text_ids(tokenizer, f"#### {number + 3}"), tokenizer.eos_token_id)
    parts = [text_ids(tokenizer, f"{number} + 3 = {number + 3}.\n\n"), last]
    stops = (StopReason.POSITION, StopReason.END)
    segments = [Segment(ids, (-0.5,) * len(ids), (0.5,) * len(ids), stop) for ids, stop in zip(parts, stops, strict=True)]
    return Answer(prompt, tuple(segments))


def labels_of(tokenizer: Any, count: int = 20) -> list[Labelled]:
    rows = []
    for i in range(count):
        answer = answer_to(tokenizer, i, WORDS[i % 2])
        right, prompt = int(i % 2 == 0), len(answer.prompt_ids)
        lengths = [prompt, prompt + len(answer.segments[0].token_ids), len(answer.token_ids)]
        points = tuple((n, right, 1) for n in lengths)
        rows.append(Labelled(f"q{i}", "tiny", "sampled", answer.token_ids, points, prompt))
        counts = ((prompt, 9 if right else 1, 10), (lengths[1], 9 if right else 2, 10))
        rows.append(Labelled(f"q{i}", "tiny", "monte_carlo", answer.token_ids[: lengths[1]], counts, prompt))
    return rows
