"""Train the estimator: a LoRA adapter on the base that reads a confidence off one token (paper, section 4.2; methods 3).

Every calibration position of a text is read in the same pass: after the prompt, after each paragraph, after the end. The
readout is a distribution q over the success levels p_l, and a point (correct, k) costs

    -log sum_l q_l p_l^correct (1 - p_l)^(k - correct).

Its gradient draws q towards the posterior of the success probability given the counts with q itself as the prior, so the
soft target is the label's Beta posterior without a flat prior's pull towards one half (which at k = 1 would halve every
confidence). It is strictly proper for the mean at any k, and k > 1 teaches the spread.
"""

from __future__ import annotations

import json
import platform
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

from estimator.artefacts import CARD, Card, model_hash, prompt_hash
from estimator.levels import LEVEL_VALUES, level_ids
from estimator.metrics import auroc, ece
from training.labels import Labelled, data_hash
from training.parallel import launch, length_batches, share_gradients

TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


@dataclass(frozen=True)
class FinetuneRecipe:
    """``epochs`` passes; ``extra_points`` more prefixes of every sampled answer are read at random places, which teaches
    the periodic and entropy positions; ``held_out`` is the share of questions kept for the monitor."""

    seed: int = 5
    rank: int = 32
    alpha: int = 64
    epochs: float = 1.2
    lr: float = 1e-3
    warmup: int = 50
    tokens_per_step: int = 8_000
    extra_points: int = 2
    held_out: float = 0.03
    processes: int = 2


def level_loss(logits: torch.Tensor, correct: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
    """Per point the negative log-likelihood above; ``logits`` are (points, levels)."""
    values = torch.tensor(LEVEL_VALUES, dtype=torch.float32)
    likelihood = correct[:, None] * values.log() + (k - correct)[:, None] * (1 - values).log()
    return -torch.logsumexp(logits.log_softmax(-1) + likelihood, -1)


def finetune(base: Path, rows: Sequence[Labelled], out: Path, recipe: FinetuneRecipe) -> None:
    """Train on ``rows`` and write the adapter directory: plain LoRA as vLLM loads it, and the card that loading checks."""
    names = sorted({r.question_id.partition("+")[0] for r in rows})
    chosen = np.random.default_rng(recipe.seed).random(len(names)) < recipe.held_out
    held = {n for n, c in zip(names, chosen, strict=True) if c}
    train = [r for r in rows if r.question_id.partition("+")[0] not in held]
    monitor = [r for r in rows if r.question_id.partition("+")[0] in held]
    launch(_train, (base, train, monitor, out, recipe), recipe.processes)
    write_card(base, rows, out, recipe)


def _train(rank: int, base: Path, rows: list[Labelled], monitor: list[Labelled], out: Path, recipe: FinetuneRecipe) -> None:
    torch.manual_seed(recipe.seed)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    config = LoraConfig(r=recipe.rank, lora_alpha=recipe.alpha, target_modules=list(TARGETS), task_type="CAUSAL_LM")
    peft = get_peft_model(model, config)
    heads = torch.tensor(level_ids(AutoTokenizer.from_pretrained(base)))
    parameters = [p for p in peft.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(parameters, lr=recipe.lr, betas=(0.9, 0.98), weight_decay=0.0)
    lengths = np.array([len(r.token_ids) for r in rows])
    a_pass = len(length_batches(lengths, recipe.tokens_per_step // recipe.processes, recipe.seed))
    steps = int(a_pass * recipe.epochs) // recipe.processes
    batches = length_batches(lengths, recipe.tokens_per_step // recipe.processes, recipe.seed, steps * recipe.processes)
    rng = np.random.default_rng((recipe.seed, rank))
    started, recent = time.monotonic(), []
    for step, indices in enumerate(batches[rank :: recipe.processes]):
        batch = [rows[i] for i in indices]
        points = [_points(row, recipe, rng) for row in batch]
        logits, correct, k = read_points(model, heads, batch, points)
        loss = level_loss(logits, correct, k).sum()
        loss.backward()
        recent.append(share_gradients(parameters, loss.item(), len(k)))
        factor = min(1.0, (step + 1) / recipe.warmup) * max(0.02, 1 - step / steps)
        optimiser.param_groups[0]["lr"] = recipe.lr * factor
        optimiser.step()
        optimiser.zero_grad()
        if (step + 1) % 100 == 0 or step + 1 == steps:
            figures = evaluate(model, heads, monitor[rank :: recipe.processes])
            if rank == 0:
                print(
                    f"step {step + 1}/{steps} loss {np.mean(recent[-100:]):.4f} {figures} {time.monotonic() - started:.0f}s",
                    flush=True,
                )
    dist.barrier()
    if rank == 0:
        save(peft, out)


def _points(row: Labelled, recipe: FinetuneRecipe, rng: np.random.Generator) -> list[tuple[int, int, int]]:
    """The row's points, and for a sampled answer a few more prefixes, which its outcome labels as well."""
    if row.source != "sampled":
        return list(row.points)
    begin, outcome = row.points[0][0], row.points[0][1]
    more = rng.integers(begin, len(row.token_ids), recipe.extra_points)
    return [*row.points, *((int(n), outcome, 1) for n in more)]


def read_points(
    model: Any, heads: torch.Tensor, batch: Sequence[Labelled], points: Sequence[Sequence[tuple[int, int, int]]]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Level logits, correct counts and k of all points of a batch; only the levels' rows of the vocabulary are computed."""
    width = max(len(r.token_ids) for r in batch)
    ids = torch.tensor([[*r.token_ids, *[0] * (width - len(r.token_ids))] for r in batch])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        hidden = model.base_model(input_ids=ids, use_cache=False).last_hidden_state
    where = torch.tensor([(r, n - 1, c, k) for r, ps in enumerate(points) for n, c, k in ps])
    picked = hidden[where[:, 0], where[:, 1]].float()
    logits = picked @ model.get_output_embeddings().weight[heads].float().T
    return logits, where[:, 2].float(), where[:, 3].float()


@torch.inference_mode()
def evaluate(model: Any, heads: torch.Tensor, rows: Sequence[Labelled]) -> str:
    """Held-out loss, ECE and AUROC of one-sample points after the question, inside and at the end of answers."""
    groups: dict[str, list[tuple[float, float, float]]] = {"question": [], "partial": [], "complete": []}
    for begin in range(0, len(rows), 64):
        batch = rows[begin : begin + 64]
        logits, correct, k = read_points(model, heads, batch, [r.points for r in batch])
        loss = level_loss(logits, correct, k)
        value = logits.softmax(-1) @ torch.tensor(LEVEL_VALUES, dtype=torch.float32)
        places = [(r, i) for r in batch for i in range(len(r.points))]
        for (row, i), c, y, n, each in zip(places, value.tolist(), correct.tolist(), k.tolist(), loss.tolist(), strict=True):
            last = row.source == "sampled" and i == len(row.points) - 1
            if n == 1:
                groups["question" if i == 0 else "complete" if last else "partial"].append((c, y, each))
    parts = []
    for name, found in groups.items():
        c, y, each = map(np.array, zip(*found, strict=True))
        parts.append(f"{name} nll {each.mean():.3f} ece {100 * ece(c, y):.1f} auroc {auroc(c, y):.3f};")
    return " ".join(parts)


def save(peft: PeftModel, out: Path) -> None:
    """Half precision is what is shipped: the adapter's rounding is far below its error."""
    peft.half().save_pretrained(str(out))


def write_card(base: Path, rows: Sequence[Labelled], out: Path, recipe: FinetuneRecipe) -> None:
    tokenizer = AutoTokenizer.from_pretrained(base)
    card = Card(
        base_hash=model_hash(base),
        prompt_hash=prompt_hash(tokenizer),
        data_hash=data_hash(rows),
        level_ids=level_ids(tokenizer),
        level_values=LEVEL_VALUES.tolist(),
        seed=recipe.seed,
        recipe=asdict(recipe),
        versions={"torch": torch.__version__, "python": platform.python_version()},
    )
    (out / CARD).write_text(json.dumps(card.model_dump(), indent=1) + "\n")
    (out / "README.md").write_text(model_card(card, rows), encoding="utf-8")
    settings = json.loads((out / "adapter_config.json").read_text())
    settings["base_model_name_or_path"] = f"base {card.base_hash}"  # its hash: where it lay on this machine helps nobody
    (out / "adapter_config.json").write_text(json.dumps(settings, indent=2) + "\n")


def model_card(card: Card, rows: Sequence[Labelled]) -> str:
    """The adapter's model card, in place of the placeholder that PEFT writes."""
    counts = Counter((r.kind, r.source) for r in rows)
    lines = [f"| {kind} | {source} | {count} |" for (kind, source), count in sorted(counts.items())]
    recipe = ", ".join(f"{name} {value}" for name, value in card.recipe.items())
    return "\n".join(
        [
            "# FineCE estimator",
            "",
            "A LoRA adapter that reads, after a question or any part of an answer, how likely the base model is to finish",
            "with the correct answer: the distribution of the next token over the ten digits, each standing for a level of",
            "success. It never generates. Plain LoRA, no modules_to_save.",
            "",
            f"- base: {card.base_hash}, prompt form {card.prompt_hash}, labels {card.data_hash}, seed {card.seed}",
            f"- recipe: {recipe}",
            f"- versions: {', '.join(f'{name} {value}' for name, value in card.versions.items())}",
            "",
            "| kind of question | labels | texts |",
            "|---|---|---|",
            *lines,
            "",
            "Limits: it knows this base model at temperature 1 on questions like these; on other models, temperatures or",
            "questions its numbers mean nothing until they have been measured.",
            "",
        ]
    )
