"""Other bases for the study of labels from another model, made from the base in a few minutes and seeded.

Both keep the base's tokenizer. ``smaller`` leaves out every third layer; ``converted`` puts the weights into the Qwen3
architecture, whose normalised queries and keys change what they compute. Both are then trained a little on the generated
tasks, so that they answer again, worse than the base.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from training.parallel import default_processes, launch, length_batches, share_gradients
from training.pretrain import Phase, Recipe, answer_loss, build_corpus, collate, learning_rate

MIXTURE = Phase(31, (0.4, 0.3, 0.3), examples=6_000, steps=0, stop=0, muon_lr=0.0, adam_lr=1e-3)
WARMUP = 10


def smaller(base: Path, out: Path, steps: int, seed: int) -> Path:
    """The base without every third layer, healed for ``steps`` steps."""
    return _made(base, out, steps, seed, _without_layers)


def converted(base: Path, out: Path, steps: int, seed: int) -> Path:
    """The base's weights in the Qwen3 architecture, healed for ``steps`` steps."""
    return _made(base, out, steps, seed, _as_qwen3)


def _made(base: Path, out: Path, steps: int, seed: int, change: Callable[[Any], Any]) -> Path:
    if not (out / "config.json").exists():
        processes = default_processes()
        launch(_heal, (base, out, steps, seed, change, processes), processes)
    return out


def _without_layers(model: Any) -> Any:
    kept = [i for i in range(model.config.num_hidden_layers) if i % 3 != 1]
    made = AutoModelForCausalLM.from_config(AutoConfig.for_model(**_described(model), num_hidden_layers=len(kept)))
    there = model.state_dict()
    weights = {name: value for name, value in there.items() if ".layers." not in name}
    for place, i in enumerate(kept):
        mine = f".layers.{i}."
        weights |= {name.replace(mine, f".layers.{place}."): value for name, value in there.items() if mine in name}
    made.load_state_dict(weights)
    return made


def _as_qwen3(model: Any) -> Any:
    described = _described(model) | {"model_type": "qwen3", "num_hidden_layers": model.config.num_hidden_layers}
    made = AutoModelForCausalLM.from_config(AutoConfig.for_model(**described))
    made.load_state_dict(made.state_dict() | model.state_dict())
    return made


def _described(model: Any) -> dict[str, Any]:
    """The configuration without what depends on the number of layers or on who wrote it."""
    dropped = ("architectures", "transformers_version", "dtype", "layer_types", "num_hidden_layers")
    return {k: v for k, v in model.config.to_dict().items() if k not in dropped}


def _heal(rank: int, base: Path, out: Path, steps: int, seed: int, change: Callable[[Any], Any], processes: int) -> None:
    """One process's part of a short training on the generated tasks; the first saves."""
    torch.manual_seed(seed)
    device = torch.device("cuda" if torch.cuda.is_available() and processes == 1 else "cpu")
    model = change(AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)).to(device)
    tokenizer = AutoTokenizer.from_pretrained(base)
    phase = replace(MIXTURE, steps=steps, stop=steps, seed=MIXTURE.seed + seed, examples=max(200, 50 * steps))
    corpus = build_corpus(tokenizer, phase)
    lengths = corpus.starts[1:] - corpus.starts[:-1]
    batches = length_batches(lengths, Recipe.tokens_per_step // processes, phase.seed, steps * processes)
    parameters = list(model.parameters())
    # Not Muon, which computes its updates in bfloat16: where a processor has to emulate that, 60 steps took over ten minutes
    # instead of two.
    optim = torch.optim.AdamW(parameters, lr=phase.adam_lr, betas=(0.9, 0.95), weight_decay=0.0)
    for step, indices in enumerate(batches[rank::processes]):
        ids, targets = (t.to(device) for t in collate(corpus, indices))
        loss = answer_loss(model, ids, targets)
        loss.backward()
        share_gradients(parameters, loss.item(), int((targets >= 0).sum()))
        for group in optim.param_groups:
            group["lr"] = phase.adam_lr * learning_rate(step, phase, WARMUP)
        optim.step()
        optim.zero_grad(set_to_none=False)
    if rank == 0:
        tokenizer.save_pretrained(out)
        model.save_pretrained(out)
