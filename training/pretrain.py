"""The recipe of the embedded reasoner: a small Llama trained from scratch on the generated tasks, in four phases.

``python -m training.pretrain --out DIR`` makes tokenizer and weights again from the seed. The first phase is mostly word
problems, the second mostly facts, the third mostly choices, the last a mixture; each goes on from the weights of the one
before with a fresh optimiser. Choices were answered by letter until the last phase, which a model of this size did not learn.
Two processes share each step's batch; Muon moves the hidden matrices, AdamW the rest.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from torch.nn import functional
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from estimator.prompts import prompt_ids, text_ids
from estimator.types import Demonstration
from training.parallel import launch, length_batches, share_gradients
from training.precision import mixed
from training.tasks import draw
from training.tokenizer import END, PAD, train_tokenizer

WEIGHTS = "model.safetensors"


@dataclass(frozen=True)
class Phase:
    """``examples`` demonstrations drawn with ``shares`` (word problems, facts, choices), ``stop`` steps of a schedule that is
    laid out for ``steps``; the peak rates are those of Muon and AdamW."""

    seed: int
    shares: tuple[float, float, float]
    examples: int
    steps: int
    stop: int
    muon_lr: float
    adam_lr: float
    conclusion: str = "word"


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the weights; a step is about ``tokens_per_step`` tokens."""

    seed: int = 11
    vocab_size: int = 3072
    hidden_size: int = 256
    intermediate_size: int = 768
    layers: int = 6
    heads: int = 4
    kv_heads: int = 2
    max_positions: int = 1024
    tokens_per_step: int = 9_000
    warmup: int = 100
    processes: int = 2
    phases: tuple[Phase, ...] = (
        Phase(
            11,
            (0.62, 0.18, 0.20),
            examples=300_000,
            steps=2700,
            stop=1500,
            muon_lr=0.02,
            adam_lr=2e-3,
            conclusion="letter_first",
        ),
        Phase(
            12,
            (0.20, 0.50, 0.30),
            examples=190_000,
            steps=1300,
            stop=1300,
            muon_lr=0.014,
            adam_lr=1.4e-3,
            conclusion="letter_first",
        ),
        Phase(
            13,
            (0.18, 0.12, 0.70),
            examples=70_000,
            steps=560,
            stop=560,
            muon_lr=0.014,
            adam_lr=1.4e-3,
            conclusion="word_first",
        ),
        Phase(14, (0.28, 0.30, 0.42), examples=50_000, steps=360, stop=360, muon_lr=0.012, adam_lr=1.2e-3),
    )


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
    return [*prompt, *answer, end_id(tokenizer)], len(prompt)


def end_id(tokenizer: PreTrainedTokenizerFast) -> int:
    return tokenizer.get_vocab()[END]


def build_corpus(tokenizer: PreTrainedTokenizerFast, phase: Phase) -> Corpus:
    """Example i depends on (seed, i) alone."""
    rows, prompts = [], []
    for demonstration in demonstrations(phase):
        ids, num_prompt = encode(tokenizer, demonstration)
        rows.append(np.asarray(ids, np.uint16))
        prompts.append(num_prompt)
    starts = np.concatenate([[0], np.cumsum([len(r) for r in rows])])
    return Corpus(np.concatenate(rows), starts, np.asarray(prompts))


def demonstrations(phase: Phase) -> Iterator[Demonstration]:
    """What a phase trains on, in order of its index."""
    for i in range(phase.examples):
        yield draw(random.Random(f"{phase.seed}/{i}"), phase.shares, phase.conclusion)


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
    with mixed(ids.device):
        hidden = model.model(ids).last_hidden_state
        counts = targets >= 0
        logits = model.lm_head(hidden[counts])
    return functional.cross_entropy(logits.float(), targets[counts], reduction="sum")


def learning_rate(step: int, phase: Phase, warmup: int) -> float:
    """Factor on the peak rates: linear warm-up, then cosine to 2 %."""
    if step < warmup:
        return (step + 1) / warmup
    progress = (step - warmup) / max(1, phase.steps - warmup)
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def optimisers(model: LlamaForCausalLM, phase: Phase) -> list[torch.optim.Optimizer]:
    hidden = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name]
    chosen = {id(p) for p in hidden}
    rest = [p for p in model.parameters() if id(p) not in chosen]
    return [
        torch.optim.Muon(hidden, lr=phase.muon_lr, weight_decay=0.01, momentum=0.95),
        torch.optim.AdamW(rest, lr=phase.adam_lr, betas=(0.9, 0.95), weight_decay=0.0),
    ]


def train(rank: int, recipe: Recipe, phase: Phase, tokenizer: PreTrainedTokenizerFast, corpus: Corpus, out: Path) -> None:
    """One rank's loop over a phase; rank 0 reports and saves. Goes on from the weights in ``out`` if there are any."""
    torch.manual_seed(phase.seed)
    if (out / WEIGHTS).exists():
        model = LlamaForCausalLM.from_pretrained(out, dtype=torch.float32)
    else:
        model = LlamaForCausalLM(model_config(recipe, tokenizer))
    dist.barrier()  # nobody writes before everybody has read
    parameters, optims = list(model.parameters()), optimisers(model, phase)
    peaks = [group["lr"] for optim in optims for group in optim.param_groups]
    batches = length_batches(
        np.diff(corpus.starts), recipe.tokens_per_step // recipe.processes, phase.seed, phase.stop * recipe.processes
    )
    started, recent = time.monotonic(), []
    for step, indices in enumerate(batches[rank :: recipe.processes]):
        ids, targets = collate(corpus, indices)
        loss = answer_loss(model, ids, targets)
        loss.backward()
        recent.append(share_gradients(parameters, loss.item(), int((targets >= 0).sum())))
        factor = learning_rate(step, phase, recipe.warmup)
        for group, peak in zip((g for o in optims for g in o.param_groups), peaks, strict=True):
            group["lr"] = peak * factor
        for optim in optims:
            optim.step()
            optim.zero_grad(set_to_none=False)
        if rank == 0 and (step + 1) % 50 == 0:
            print(
                f"step {step + 1}/{phase.stop} loss {np.mean(recent[-50:]):.4f} {time.monotonic() - started:.0f}s", flush=True
            )
    if rank == 0:
        save(model, tokenizer, recipe, out)


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
        eos_token_id=end_id(tokenizer),
        pad_token_id=tokenizer.get_vocab()[PAD],
    )


def save(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, recipe: Recipe, out: Path) -> None:
    """Weights are kept in half precision: they are the shipped package data, and float32 adds nothing that was trained."""
    half = LlamaForCausalLM(model.config)
    half.load_state_dict(model.state_dict())
    half.half().save_pretrained(out)
    tokenizer.save_pretrained(out)
    versions = {"torch": torch.__version__}
    (out / "recipe.json").write_text(json.dumps({**asdict(recipe), "versions": versions}, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--phases", type=int, nargs="+", default=[0, 1, 2, 3], help="which phases to run")
    args = parser.parse_args()
    recipe, out = Recipe(), args.out
    if 0 in args.phases and (out / WEIGHTS).exists():
        parser.error(f"{out} holds weights already, and the first phase begins from none: name another folder for --out")
    out.mkdir(parents=True, exist_ok=True)
    if 0 in args.phases:
        tokenizer = train_tokenizer(_tokenizer_texts(recipe), recipe.vocab_size)
    else:
        tokenizer = PreTrainedTokenizerFast.from_pretrained(out)
    for phase in (recipe.phases[i] for i in args.phases):
        corpus = build_corpus(tokenizer, phase)
        print(f"{len(corpus.tokens) / 1e6:.1f} M tokens in {phase.examples} examples", flush=True)
        launch(train, (recipe, phase, tokenizer, corpus, out), recipe.processes)


def _tokenizer_texts(recipe: Recipe) -> Iterator[str]:
    for i in range(40_000):
        demonstration = draw(
            random.Random(f"{recipe.seed}/tokenizer/{i}"), recipe.phases[0].shares, recipe.phases[0].conclusion
        )
        yield demonstration.question.text
        yield demonstration.answer_text


if __name__ == "__main__":
    main()
