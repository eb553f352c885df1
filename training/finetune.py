"""Train the estimator: a LoRA adapter on the base that says how likely the base is to finish correctly (paper, section 4.2).

How it says so is a technique (``training.techniques``). The base itself is never changed; the adapter directory is plain
LoRA as vLLM loads it, with the card that loading checks. A run that was killed goes on from its last checkpoint and ends
with the same adapter as one that was not.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

from estimator.artefacts import model_hash
from estimator.engines.vocabulary import read_end_ids
from estimator.loading import quiet_peft
from estimator.prompts import prompt_frame
from training.checkpoints import State, load_state, remove_state, save_state
from training.held_out import HeldOut, look
from training.labels import HELD_OUT, TRAIN, Labelled, data_hash
from training.mixing import Exchange, Step, answer_loss, schedule
from training.model_card import write_card
from training.parallel import launch, length_batches, share_gradients
from training.recipe import RECORD, FinetuneRecipe, Progress, Report, Trained, finished, print_line, read_record
from training.techniques import Net, technique
from training.techniques.base import TrainingError, num_prompt

RECENT = 100
LARGE = 1_000_000_000  # parameters from which activations are computed again instead of kept


@dataclass(frozen=True)
class Job:
    """What the processes of a run share. ``run`` names everything that decides the result; ``mixtures`` are the exchanges of
    each mixed file."""

    base: Path
    rows: list[Labelled]
    monitor: list[Labelled]
    mixtures: list[list[Exchange]]
    out: Path
    recipe: FinetuneRecipe
    run: str
    state: State
    report: Report


def finetune(
    base: Path,
    rows: Sequence[Labelled],
    out: Path,
    recipe: FinetuneRecipe,
    *,
    mixtures: Sequence[list[Exchange]] = (),
    temperature: float = 1.0,
    resume: bool = False,
    report: Report = print_line,
) -> Trained:
    """Train on ``rows``, whose answers were sampled at ``temperature``, and write the adapter directory. Raises TrainingError
    where the data cannot be learnt from or was made with another base, CheckpointError where there is nothing to ``resume``."""
    check_rows(base, rows)
    train, monitor = split(rows, recipe)
    out.mkdir(parents=True, exist_ok=True)
    run = _name_of(base, rows, mixtures, recipe)
    state = load_state(out, run) if resume else State()
    launch(_train, (Job(base, train, monitor, list(mixtures), out, recipe, run, state, report),), recipe.processes)
    trained = read_record(out)
    write_card(base, rows, out, asdict(recipe), trained.figures, temperature)
    remove_state(out)
    return trained


def made_so(
    out: Path, base: Path, rows: Sequence[Labelled], recipe: FinetuneRecipe, mixtures: Sequence[list[Exchange]] = ()
) -> bool:
    """Whether ``out`` holds the finished adapter of this very run."""
    return finished(out) and read_record(out).run == _name_of(base, rows, mixtures, recipe)


def check_rows(base: Path, rows: Sequence[Labelled]) -> None:
    """That every text was made with this base's tokenizer and prompt; TrainingError names the first that was not."""
    if not rows:
        raise TrainingError("the data holds no labelled text")
    tokenizer = AutoTokenizer.from_pretrained(base)
    frame, most = prompt_frame(tokenizer), len(tokenizer)
    for row in rows:
        try:
            frame.question_of(row.token_ids[: num_prompt(row)])
            known = max(row.token_ids) < most
        except ValueError:
            known = False
        if not known:
            name = row.question_id or "the first text"
            raise TrainingError(f"the data was made with another model ({name} is no text of {base}): label with this one")


def split(rows: Sequence[Labelled], recipe: FinetuneRecipe) -> tuple[list[Labelled], list[Labelled]]:
    """Rows to train on and rows of the held-out questions: as the data says, or else ``recipe.held_out`` of the questions. No
    question is on both sides."""
    if any(r.split == HELD_OUT for r in rows) and any(r.split == TRAIN for r in rows):
        return [r for r in rows if r.split == TRAIN], [r for r in rows if r.split == HELD_OUT]
    names = sorted({r.question_id for r in rows})
    if len(names) < 2:
        raise TrainingError("the data holds one question, and one is needed to hold out: label more questions")
    rng = np.random.default_rng(recipe.seed)
    chosen = rng.random(len(names)) < recipe.held_out
    if chosen.all() or not chosen.any():
        chosen = np.arange(len(names)) == rng.integers(len(names))
    held = {n for n, c in zip(names, chosen, strict=True) if c}
    train = [r for r in rows if r.question_id not in held]
    return train, [r for r in rows if r.question_id in held]


def _name_of(base: Path, rows: Sequence[Labelled], mixtures: Sequence[list[Exchange]], recipe: FinetuneRecipe) -> str:
    mixed = [[asdict(e) for e in exchanges] for exchanges in mixtures]
    parts = [model_hash(base), data_hash(rows), json.dumps(mixed), json.dumps(asdict(recipe))]
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:16]


def load_net(base: Path, recipe: FinetuneRecipe) -> Net:
    """The base with a fresh LoRA on all linear layers of its blocks, on the GPU where there is one and one process runs."""
    gpu = torch.cuda.is_available() and recipe.processes == 1
    torch.manual_seed(recipe.seed)
    attention = "sdpa" if gpu else "eager"  # on short rows a CPU's plain products beat its flash kernel and its way back
    dtype = torch.bfloat16 if gpu else torch.float32
    model: Any = AutoModelForCausalLM.from_pretrained(base, dtype=dtype, attn_implementation=attention)
    model.to("cuda" if gpu else "cpu")
    config = LoraConfig(
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        lora_dropout=recipe.dropout,
        target_modules=linear_layers(model),
        task_type="CAUSAL_LM",
    )
    with quiet_peft():
        peft = get_peft_model(model, config)
    if sum(p.numel() for p in model.parameters()) >= LARGE:
        model.enable_input_require_grads()
        model.gradient_checkpointing_enable({"use_reentrant": False})
        model.train()
    return Net(model, peft)


def linear_layers(model: Any) -> list[str]:
    """Names of the linear layers of any architecture, the output embedding left out."""
    output = model.get_output_embeddings()
    found = [n for n, m in model.named_modules() if isinstance(m, torch.nn.Linear) and m is not output]
    if not found:
        raise TrainingError(f"{type(model).__name__} has no linear layers that a LoRA could go on")
    return sorted({name.rpartition(".")[2] for name in found})


@dataclass
class Run:
    """One process's part of a run, between its steps."""

    job: Job
    net: Net
    end_ids: frozenset[int]  # the base's
    sets: list[Sequence[Any]]
    method: Any
    parameters: list[torch.nn.Parameter]
    optimiser: torch.optim.Optimizer
    plan: list[Step]
    rng: np.random.Generator
    state: State = field(default_factory=State)


def _train(rank: int, job: Job) -> None:
    run = _prepare(rank, job)
    recipe, state = job.recipe, run.state
    started = time.monotonic() - state.seconds
    for step in range(state.step, len(run.plan)):
        if _over(run):  # stopped early, and then killed before it had saved what it kept
            break
        state.losses = [*state.losses[1 - RECENT :], _step(run, rank, step)]
        state.step, state.seconds = step + 1, time.monotonic() - started
        seen = None
        if state.step % recipe.every == 0 or state.step == len(run.plan):
            run.net.peft.eval()
            seen = look(run.method, job.monitor, run.end_ids, rank, recipe.processes)
            _remember(run, seen)
        if rank == 0:
            job.report(Progress(state.step, len(run.plan), float(np.mean(state.losses)), state.seconds, seen, _over(run)))
            if seen is not None:
                save_state(job.out, job.run, state)
    dist.barrier()
    if rank == 0:
        _save(run)


def _over(run: Run) -> bool:
    patience = run.job.recipe.patience
    return run.state.step == len(run.plan) or bool(patience and run.state.stale >= patience)


def _prepare(rank: int, job: Job) -> Run:
    """The model, its optimiser and the plan, as they were when the state was written."""
    recipe, state = job.recipe, job.state
    net = load_net(job.base, recipe)
    tokenizer = AutoTokenizer.from_pretrained(job.base)
    method = technique(recipe.technique, net, tokenizer, recipe.extra_points)
    trained = [p for p in net.peft.parameters() if p.requires_grad] + list(method.head.parameters() if method.head else ())
    optimiser = torch.optim.AdamW(trained, lr=recipe.lr, betas=(0.9, recipe.beta2), weight_decay=0.0)
    sets: list[Sequence[Any]] = [method.examples(job.rows), *job.mixtures]
    lengths = [np.array([method.length(e) for e in sets[0]])]
    lengths += [np.array([len(e.token_ids) for e in exchanges]) for exchanges in job.mixtures]
    rng = np.random.default_rng((recipe.seed, rank))
    ends = read_end_ids(job.base, tokenizer)
    run = Run(job, net, ends, sets, method, trained, optimiser, _plan(lengths, recipe), rng, state)
    if state.step:
        _restore(trained, state.weights)
        optimiser.load_state_dict(state.optimiser)
        for step in run.plan[: state.step]:
            if step.source == 0:
                method.draw([sets[0][i] for i in step.indices[rank]], run.rng)
    return run


def _plan(lengths: list[Any], recipe: FinetuneRecipe) -> list[Step]:
    tokens = recipe.tokens_per_step // recipe.processes
    if recipe.budget:
        steps = recipe.budget // recipe.tokens_per_step
    else:
        steps = int(len(length_batches(lengths[0], tokens, recipe.seed)) * recipe.epochs) // recipe.processes
    share = recipe.mixed if len(lengths) > 1 else 0.0
    return schedule(lengths, share, steps=max(1, steps), tokens=tokens, processes=recipe.processes, seed=recipe.seed)


def _step(run: Run, rank: int, step: int) -> float:
    """One optimiser step; the mean loss over all processes' items."""
    recipe, planned = run.job.recipe, run.plan[step]
    batch = [run.sets[planned.source][i] for i in planned.indices[rank]]
    run.net.peft.train()
    torch.manual_seed((recipe.seed + step) * recipe.processes + rank)  # dropout by step, so that a resumed run draws the same
    if planned.source == 0:
        loss, count = run.method.loss(batch, run.method.draw(batch, run.rng))
    else:
        loss, count = answer_loss(run.net, batch)
    loss.backward()
    mean = share_gradients(run.parameters, loss.item(), count)
    if not np.isfinite(mean):
        raise TrainingError(f"the loss is no finite number at step {step + 1}: take a lower learning rate")
    factor = min(1.0, (step + 1) / recipe.warmup) * max(0.02, 1 - step / len(run.plan))
    run.optimiser.param_groups[0]["lr"] = recipe.lr * factor
    run.optimiser.step()
    run.optimiser.zero_grad()
    return mean


def _remember(run: Run, seen: HeldOut) -> None:
    """Keep the state of a look, and the best one where the recipe asks for it."""
    state = run.state
    state.weights = [p.detach().cpu().clone() for p in run.parameters]
    state.optimiser = run.optimiser.state_dict()
    figures = {name: asdict(f) for name, f in seen.figures.items()}
    loss = float(np.mean(state.losses))
    state.history.append({"step": state.step, "loss": loss, "score": seen.score, "figures": figures})
    if seen.score < state.best_score:
        state.best_score, state.best_step, state.stale = seen.score, state.step, 0
        state.best = state.weights if run.job.recipe.patience else None
    else:
        state.stale += 1


def _restore(parameters: Sequence[torch.nn.Parameter], values: Sequence[torch.Tensor]) -> None:
    with torch.no_grad():
        for parameter, value in zip(parameters, values, strict=True):
            parameter.copy_(value)


def _save(run: Run) -> None:
    """Half precision is what is shipped: the adapter's rounding is far below its error."""
    state, out = run.state, run.job.out
    if state.best is not None:
        _restore(run.parameters, state.best)
    kept = state.best_step if state.best is not None else state.step
    stopped = "end" if state.step == len(run.plan) else "early"
    trained = Trained(state.step, kept, stopped, state.seconds, state.history, run.job.run)
    run.method.save(out)
    run.net.peft.half().save_pretrained(str(out))
    (out / RECORD).write_text(json.dumps(asdict(trained), indent=1) + "\n")
