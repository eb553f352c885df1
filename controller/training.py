"""One run of ``controller train``: what is wrong is said before anything is trained, and then one estimator a seed is made."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from controller import screen, train_view
from controller.certificate import questions_hash
from controller.errors import Failure, UsageError, say
from controller.references import check_fit, graded_questions_from_file
from controller.settings import load_settings
from estimator.artefacts import CARD, COMBINER, identity, model_hash
from estimator.engines.decode import context_of
from estimator.loading import base_dir, local_engine, read_card
from estimator.positions import parse_position
from estimator.prompts import prompt_ids
from estimator.scorers.value_head import HEAD
from estimator.types import Question
from training.atomic import PARTIAL, is_empty, write_text
from training.checkpoints import FILE as CHECKPOINT
from training.combine import check_mixed, fit, labelled_prefixes, read
from training.finetune import check_rows, finetune, made_so, split
from training.labelling import DEFAULT_SAMPLING, sample_answers
from training.labels import DATA, TRAIN, Labelled, read_labels, read_meta
from training.opinions import fit_opinions, hear
from training.parallel import default_processes
from training.recipe import PAPER_OPTIMISER, RECORD, FinetuneRecipe, Trained, finished, read_record
from training.techniques.base import TrainingError, num_prompt

SAMPLES, ORACLE, ORACLE_SAMPLES = 3, 600, 64  # of each question; prefixes with fresh samples, and how many of these
FITTED_ON = "combined_on.json"  # beside the combination: which questions it was fitted on
OWN = (  # all that a run writes; last what marks a folder as an estimator's, for one that was half cleared is one still
    "README.md", "adapter_config.json", "adapter_model.safetensors", HEAD, COMBINER, FITTED_ON, RECORD, CHECKPOINT, CARD,
)  # fmt: skip


@dataclass(frozen=True)
class Request:
    """What was asked for. ``changes`` are the recipe's fields that have options; ``lr``, ``paper`` and ``processes`` decide
    others."""

    data: Path
    out: Path
    technique: str
    seeds: tuple[int, ...]
    combine: Path | None
    mixtures: tuple[Path, ...]
    transfer: bool
    resume: bool
    overwrite: bool
    changes: dict[str, Any]
    lr: float | None
    paper: bool
    processes: int | None

    def recipe(self, seed: int) -> FinetuneRecipe:
        optimiser: dict[str, Any] = dict(PAPER_OPTIMISER) if self.paper else {}
        if self.lr is not None:
            optimiser["lr"] = self.lr
        chosen: dict[str, Any] = {"seed": seed, "technique": self.technique, "processes": self.processes or default_processes()}
        return FinetuneRecipe(**chosen | self.changes | optimiser)

    def folder(self, seed: int) -> Path:
        return self.out if len(self.seeds) == 1 else self.out / f"seed-{seed}"


def run(request: Request, model: str | None, config: Path | None) -> dict[str, Any]:
    """Train, combine where asked, and say what was made: the object of ``train --json``."""
    from transformers import AutoConfig, AutoTokenizer
    from transformers.utils import logging

    from training.mixing import read_exchanges

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    settings = load_settings(config, model=model)
    asked = graded_questions_from_file(request.combine) if request.combine else []
    base = base_dir(settings.model)
    rows = _rows(request, base)
    drawn = _meta_of(request.data).get("settings", {})
    temperature = drawn.get("temperature", 1.0)
    recipes = {seed: request.recipe(seed) for seed in request.seeds}
    tokenizer = AutoTokenizer.from_pretrained(base)
    mixtures = [read_exchanges(path, tokenizer) for path in request.mixtures]
    check_fit(asked, partial(prompt_ids, tokenizer), context_of(AutoConfig.from_pretrained(base).get_text_config()))
    _check_unseen(rows, asked, tokenizer)
    for seed, recipe in recipes.items():
        split(rows, recipe)  # raises where there is nothing to hold out
        out = request.folder(seed)
        if request.resume and finished(out) and not made_so(out, base, rows, recipe, mixtures):
            raise UsageError(f"{out} holds an estimator of another base, data or recipe: give the same, or --overwrite")
    _claim_all(request)  # last, for it may take an old estimator away
    made = []
    for seed, recipe in recipes.items():
        out = request.folder(seed)
        if request.resume and finished(out):
            trained = read_record(out)
        else:
            taken_up = request.resume and (out / CHECKPOINT).exists()
            show = train_view.Show(f"seed {seed}" if len(request.seeds) > 1 else "")
            trained = finetune(
                base, rows, out, recipe, mixtures=mixtures, temperature=temperature, resume=taken_up, report=show
            )
        if asked and not _is_fitted_on(out, asked):
            if (out / COMBINER).exists():
                say(f"the combination in {out} is fitted again: nothing says that it was fitted on {request.combine}")
            with screen.waiting("combining"):
                _combine(base, out, asked, settings.model, settings.threads, seed, drawn)
        made.append(_entry(out, seed, trained))
    return {"technique": request.technique, "model": settings.model, "base": model_hash(base), "adapters": made}


def _rows(request: Request, base: Path) -> list[Labelled]:
    """The labels, if they are there and fit the base."""
    if not request.data.exists():
        raise UsageError(f"no labels at {request.data}: controller label makes them")
    try:
        rows = read_labels(request.data)
        made_with = _meta_of(request.data).get("hashes", {}).get("base")
    except FileNotFoundError as error:
        raise UsageError(str(error)) from None
    except (OSError, ValueError, KeyError, TypeError) as error:  # pyarrow's errors are of these kinds
        raise UsageError(f"{request.data} holds no labels of controller label ({str(error).splitlines()[0][:120]})") from None
    check_rows(base, rows)
    if made_with not in (None, model_hash(base)) and not request.transfer:
        raise TrainingError(
            f"the labels in {request.data} were made with base {made_with}, and this one is {model_hash(base)}: "
            "label with this model, or take another's labels with --transfer"
        )
    return rows


def _meta_of(data: Path) -> dict[str, Any]:
    """What the labels' file says of how they were made; empty where it says nothing."""
    file = data / DATA / f"{TRAIN}.parquet" if data.is_dir() else data
    return read_meta(file) if file.is_file() else {}


def _claim_all(request: Request) -> None:
    folders = [request.folder(seed) for seed in request.seeds]
    if request.overwrite and request.resume:
        raise UsageError("--resume goes on with what is there and --overwrite replaces it: give one of them")
    if request.resume and not any(map(_is_ours, folders)):
        raise UsageError(f"nothing to resume in {request.out}: start without --resume")
    for out in folders:
        _check_free(out, request)
    for out in folders:
        _claim(out)
    if request.overwrite:
        for name in OWN:
            for out in folders:
                (out / name).unlink(missing_ok=True)


def _is_ours(out: Path) -> bool:
    return (out / CARD).exists() or (out / CHECKPOINT).exists()


def _check_free(out: Path, request: Request) -> None:
    """UsageError where something would be lost: an estimator that nobody wants replaced, or what else lies there, such as
    the labels, the questions or a tuned policy."""
    ours, empty = _is_ours(out), not out.exists() or (out.is_dir() and is_empty(out))
    if not (request.resume or empty or (ours and request.overwrite)):
        remedy = "--resume goes on, --overwrite replaces it" if ours else "name another"
        raise UsageError(f"{out} holds {'an estimator or a part of one' if ours else 'other files'}: {remedy}")
    if request.overwrite and not empty and (others := _others(out)):
        more = f" and {len(others) - 1} more" if len(others) > 1 else ""
        raise UsageError(f"{out} holds other files beside the estimator ({others[0]}{more}): move them, or name another folder")


def _others(out: Path) -> list[str]:
    """What lies in an estimator's folder and is no part of it."""
    return sorted(path.name for path in out.iterdir() if path.name not in OWN and not path.name.endswith(PARTIAL))


def _claim(out: Path) -> None:
    """Make ``out``, or say why it cannot be written."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / ".writable").touch()
        (out / ".writable").unlink()
    except OSError as error:
        raise Failure(f"cannot write into {out}: {error.strerror}") from None


def _check_unseen(rows: list[Labelled], asked: list[Question], tokenizer: Any) -> None:
    """A combination fitted on questions that were trained on would trust the adapter too much."""
    known = {row.token_ids[: num_prompt(row)] for row in rows}
    if seen := [q for q in asked if prompt_ids(tokenizer, q.text) in known]:
        raise UsageError(f"{len(seen)} of the questions to combine on were trained on, the first {seen[0].id!r}: take others")


def _combine(
    base: Path, out: Path, asked: list[Question], name: str, threads: int, seed: int, drawn: Mapping[str, Any]
) -> None:
    """Fit the combination, and how second opinions count, on sampled answers to ``asked``, and put them beside the adapter; the
    answers are ``drawn`` as the labels were (temperature, most tokens, positions), where the labels say how."""
    from estimator.scorers.finece import CombinedScorer
    from estimator.scorers.readout import readout_of

    card = read_card(out)
    engine = local_engine(base, out, card, name=name, threads=threads)
    sampling = replace(DEFAULT_SAMPLING, **{k: drawn[k] for k in ("temperature", "max_tokens") if k in drawn})
    drawing: dict[str, Any] = {"oracle_k": ORACLE_SAMPLES, "sampling": sampling}
    position = parse_position(drawn.get("position", "paragraph"))
    groups = sample_answers(engine, asked, SAMPLES, seed, sampling, position)
    check_mixed(groups)
    readout = readout_of(engine, card, out)
    halves = groups[::2], groups[1::2]
    readings = [
        read(engine, labelled_prefixes(engine, half, oracle=ORACLE // 2, **drawing, seed=seed), readout) for half in halves
    ]
    made = partial(fit, base_hash=card.base_hash, adapter_hash=model_hash(out), data_hash=card.data_hash, seed=seed)
    # Of answers that it was fitted on the combination says too much, so each half is heard through the other half's.
    scorers = [CombinedScorer(engine, made(other), readout) for other in reversed(readings)]
    heard = [h for half, scorer in zip(halves, scorers, strict=True) for h in hear(half, scorer)]
    combiner = made([r for half in readings for r in half])
    opinions = fit_opinions(heard)
    write_text(out / COMBINER, combiner.model_copy(update={"opinions": opinions}).model_dump_json(indent=1) + "\n")
    write_text(out / FITTED_ON, json.dumps(_fitted_on(out, asked), indent=1) + "\n")


def _is_fitted_on(out: Path, asked: Sequence[Question]) -> bool:
    """Whether the combination in ``out`` is known to be of these very questions; an older one has no record of its own."""
    try:
        return json.loads((out / FITTED_ON).read_text(encoding="utf-8")) == _fitted_on(out, asked)
    except (OSError, ValueError):
        return False


def _fitted_on(out: Path, asked: Sequence[Question]) -> dict[str, Any]:
    """The record beside a combination. It names both, so that none speaks for another combination than its own."""
    of = identity(read_card(out), model_hash(out), out)
    return {**of, "questions": len(asked), "questions_hash": questions_hash(asked)}


def _entry(out: Path, seed: int, trained: Trained) -> dict[str, Any]:
    return {
        "path": str(out),
        "seed": seed,
        "steps": trained.steps,
        "kept_step": trained.kept_step,
        "stopped": trained.stopped,
        "seconds": round(trained.seconds, 1),
        "held_out": trained.figures,
        "combined": (out / COMBINER).exists(),
    }
