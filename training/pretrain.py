"""The recipe of the embedded reasoner: a small Llama trained from scratch on the generated tasks.

``python -m training.pretrain --out DIR`` makes tokenizer and weights again from the seed. Two processes share each step's
batch (two single-thread processes beat one with two threads at this size); Muon moves the hidden matrices, AdamW the rest.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch.nn import functional
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from estimator.prompts import prompt_ids, text_ids
from estimator.types import Demonstration
from training.tasks import draw
from training.tokenizer import train_tokenizer


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the weights; ``steps`` optimiser steps of about ``tokens_per_step`` tokens."""

    seed: int = 11
    vocab_size: int = 3072
    hidden_size: int = 256
    intermediate_size: int = 768
    layers: int = 6
    heads: int = 4
    kv_heads: int = 2
    max_positions: int = 1024
    examples: int = 300_000
    steps: int = 2700
    tokens_per_step: int = 9_000
    muon_lr: float = 0.02
    adam_lr: float = 2e-3
    warmup: int = 100
    processes: int = 2


@dataclass(frozen=True)
class Corpus:
    """Tokenised demonstrations, flat: example i is ``tokens[starts[i]:starts[i + 1]]``, its answer begins at ``answers[i]``."""

    tokens: np.ndarray
    starts: np.ndarray
    answers: np.ndarray


def encode(tokenizer: PreTrainedTokenizerFast, demonstration: Demonstration) -> tuple[list[int], int]:
    """Ids of the whole demonstration, end token included, and the length of its prompt."""
    prompt = prompt_ids(tokenizer, demonstration.question.text)
    answer = text_ids(tokenizer, demonstration.answer_text)
    return [*prompt, *answer, tokenizer.eos_token_id], len(prompt)


def build_corpus(tokenizer: PreTrainedTokenizerFast, recipe: Recipe) -> Corpus:
    """Example i depends on (seed, i) alone."""
    rows, prompts = [], []
    for i in range(recipe.examples):
        ids, num_prompt = encode(tokenizer, draw(random.Random(f"{recipe.seed}/{i}")))
        rows.append(np.asarray(ids, np.uint16))
        prompts.append(num_prompt)
    starts = np.concatenate([[0], np.cumsum([len(r) for r in rows])])
    return Corpus(np.concatenate(rows), starts, np.asarray(prompts))


def batches(corpus: Corpus, recipe: Recipe, rank: int) -> list[np.ndarray]:
    """Example indices of each of this rank's steps: neighbours in length share a batch, so little is padded."""
    lengths = np.diff(corpus.starts)
    rng = np.random.default_rng(recipe.seed)
    budget = recipe.tokens_per_step // recipe.processes
    out: list[np.ndarray] = []
    while len(out) < recipe.steps * recipe.processes:
        order = np.argsort(lengths + rng.uniform(0, 8, len(lengths)), kind="stable")
        groups, i = [], 0
        while i < len(order):
            n = max(1, budget // int(lengths[order[min(i + 16, len(order) - 1)]]))
            groups.append(order[i : i + n])
            i += n
        out.extend(groups[j] for j in rng.permutation(len(groups)))
    return out[rank :: recipe.processes][: recipe.steps]


def collate(corpus: Corpus, indices: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Right-padded inputs and targets; a target of -100 (prompt, padding) does not count."""
    rows = [corpus.tokens[corpus.starts[i] : corpus.starts[i + 1]].astype(np.int64) for i in indices]
    width = max(map(len, rows))
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    targets = torch.full((len(rows), width), -100)
    for r, (row, i) in enumerate(zip(rows, indices, strict=True)):
        ids[r, : len(row)] = torch.from_numpy(row)
        n = corpus.answers[i]
        targets[r, n - 1 : len(row) - 1] = torch.from_numpy(row[n:])
    return ids, targets


def answer_loss(model: LlamaForCausalLM, ids: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Summed cross-entropy of the answer tokens; the vocabulary is computed where a target counts and nowhere else."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        hidden = model.model(ids).last_hidden_state
        counts = targets >= 0
        logits = model.lm_head(hidden[counts])
    return functional.cross_entropy(logits.float(), targets[counts], reduction="sum")


def learning_rate(step: int, recipe: Recipe) -> float:
    """Factor on the peak rates: linear warm-up, then cosine to 2 %."""
    if step < recipe.warmup:
        return (step + 1) / recipe.warmup
    progress = (step - recipe.warmup) / max(1, recipe.steps - recipe.warmup)
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def optimisers(model: LlamaForCausalLM, recipe: Recipe) -> list[torch.optim.Optimizer]:
    hidden = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name]
    chosen = {id(p) for p in hidden}
    rest = [p for p in model.parameters() if id(p) not in chosen]
    return [
        torch.optim.Muon(hidden, lr=recipe.muon_lr, weight_decay=0.01, momentum=0.95),
        torch.optim.AdamW(rest, lr=recipe.adam_lr, betas=(0.9, 0.95), weight_decay=0.0),
    ]


def train(rank: int, corpus: Corpus, recipe: Recipe, tokenizer: PreTrainedTokenizerFast, out: Path, port: int) -> None:
    """One rank's loop; rank 0 reports and saves."""
    torch.set_num_threads(1)
    if recipe.processes > 1:
        dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=recipe.processes)
    torch.manual_seed(recipe.seed)
    model = LlamaForCausalLM(model_config(recipe, tokenizer))
    parameters = list(model.parameters())
    optims = optimisers(model, recipe)
    peaks = [group["lr"] for optim in optims for group in optim.param_groups]
    started, recent = time.monotonic(), []
    for step, indices in enumerate(batches(corpus, recipe, rank)):
        ids, targets = collate(corpus, indices)
        loss = answer_loss(model, ids, targets)
        loss.backward()
        total = torch.tensor([loss.item(), float((targets >= 0).sum())])
        flat = torch.cat([p.grad.reshape(-1) for p in parameters if p.grad is not None] + [total])
        if recipe.processes > 1:
            dist.all_reduce(flat)
        num_targets = flat[-1].item()
        recent.append(flat[-2].item() / num_targets)
        flat.div_(num_targets)
        flat[:-2].mul_(min(1.0, 1.0 / (flat[:-2].norm().item() + 1e-6)))
        scatter(flat, parameters)
        factor = learning_rate(step, recipe)
        for group, peak in zip((g for o in optims for g in o.param_groups), peaks, strict=True):
            group["lr"] = peak * factor
        for optim in optims:
            optim.step()
            optim.zero_grad(set_to_none=False)
        if rank == 0 and (step + 1) % 50 == 0:
            print(
                f"step {step + 1}/{recipe.steps} loss {np.mean(recent[-50:]):.4f} {time.monotonic() - started:.0f}s",
                flush=True,
            )
        if rank == 0 and ((step + 1) % 500 == 0 or step + 1 == recipe.steps):
            save(model, tokenizer, recipe, out)
    if recipe.processes > 1:
        dist.destroy_process_group()


def scatter(flat: torch.Tensor, parameters: list[torch.nn.Parameter]) -> None:
    """Write the averaged flat gradient back into the parameters."""
    at = 0
    for p in parameters:
        if p.grad is not None:
            p.grad.copy_(flat[at : at + p.numel()].view_as(p))
            at += p.numel()


def model_config(recipe: Recipe, tokenizer: PreTrainedTokenizerFast) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=recipe.vocab_size,
        hidden_size=recipe.hidden_size,
        intermediate_size=recipe.intermediate_size,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        num_key_value_heads=recipe.kv_heads,
        head_dim=recipe.hidden_size // recipe.heads,
        max_position_embeddings=recipe.max_positions,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def save(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, recipe: Recipe, out: Path) -> None:
    """Weights are kept in half precision: they are the shipped package data, and float32 adds nothing that was trained."""
    half = LlamaForCausalLM(model.config)
    half.load_state_dict(model.state_dict())
    half.to(torch.float16).save_pretrained(out)
    tokenizer.save_pretrained(out)
    versions = {"torch": torch.__version__}
    (out / "recipe.json").write_text(json.dumps({**asdict(recipe), "versions": versions}, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    for name, value in asdict(Recipe()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    parser.add_argument("--port", type=int, default=29511)
    args = vars(parser.parse_args())
    out, port = args.pop("out"), args.pop("port")
    recipe = Recipe(**args)
    out.mkdir(parents=True, exist_ok=True)
    texts = (text for i in range(40_000) for text in _texts(draw(random.Random(f"{recipe.seed}/tokenizer/{i}"))))
    tokenizer = train_tokenizer(texts, recipe.vocab_size)
    corpus = build_corpus(tokenizer, recipe)
    print(f"{len(corpus.tokens) / 1e6:.1f} M tokens in {recipe.examples} examples", flush=True)
    mp.start_processes(train, (corpus, recipe, tokenizer, out, port), nprocs=recipe.processes, start_method="fork")


def _texts(demonstration: Demonstration) -> tuple[str, str]:
    return demonstration.question.text, demonstration.answer_text


if __name__ == "__main__":
    main()
