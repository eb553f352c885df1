"""How the shipped estimator was made: one command a stage, seeded, each stage reading what the one before left.

``python -m training.pretrain --out runs/base`` makes the base; then ``python -m training.embedded labels adapter combine
intervals opinions --base runs/base --runs runs`` makes labels, adapter, combination, its intervals and the weights of second
opinions.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from estimator.artefacts import COMBINER, model_hash
from estimator.calibration import read_combiner
from estimator.engines.base import Sampling
from estimator.engines.local import LocalEngine
from estimator.loading import local_engine, read_card
from estimator.scorers.finece import CombinedScorer
from estimator.types import Answer, Question
from training.combine import fit, labelled_prefixes, prefixes, read, with_intervals
from training.datasets import read_questions
from training.finetune import finetune
from training.labelling import Sampled, monte_carlo_labels, off_policy_labels, one_sample_labels, sample_answers
from training.labels import HELD_OUT, Labelled, data_hash, read_labels, write_labels
from training.opinions import fit_opinions, hear
from training.questions import KINDS, item_of, questions, unanswerable
from training.recipe import FinetuneRecipe

STAGES = ("labels", "adapter", "combine", "intervals", "opinions", "install", "questions")
LABELS = "labels.parquet"
HELD_OUT_SHARE = 0.03
RECIPE = FinetuneRecipe(epochs=1.7, tokens_per_step=5_000, every=250, patience=20)  # see LOG.md


@dataclass(frozen=True)
class Amounts:
    """How many questions of each kind, and how many samples each. ``sampled`` and ``more``: questions and answers for
    one-sample labels, in two draws; ``off_policy``: word problems of which two answers are begun at temperature ``hot``;
    ``gsm8k`` (with ``gsm8k_answers`` each) and ``unanswerable`` (with one): questions that it can hardly or cannot answer;
    ``monte_carlo``: questions for Algorithm 1 with its k, m, T; ``fit``: questions of the combination's split, with
    ``fit_answers`` each, ``fit_oracle`` of their prefixes with ``oracle_k`` fresh samples, and ``fit_unanswerable`` questions
    that it cannot answer, and as many of GSM8K, of which it solves few, with ``fit_gsm8k_answers`` each, the further ones as
    complete answers alone: there it is decided what is given out, and a wrong answer costs most; ``intervals``: questions of
    each kind of that split with one answer each, all of whose prefixes are labelled with ``intervals_k`` fresh samples (nothing
    but intervals is fitted on these); ``most_opinions``: that an answer can be held against; ``choosing``: questions of each
    kind, of the combination's split, to choose the start policy on, and ``tuning``: of the policy's own, to tune it on.
    ``intervals``, ``choosing`` and ``tuning`` are drawn with seeds of their own."""

    sampled: tuple[tuple[int, int], ...] = ((17_000, 2), (5_400, 4), (9_000, 3))
    more: tuple[tuple[int, int], ...] = ((30_000, 2), (5_400, 2), (9_000, 2))
    off_policy: int = 15_000
    hot: float = 1.5
    monte_carlo: tuple[int, ...] = (400, 250, 250)
    k: int = 12
    clusters: int = 2
    truncations: int = 3
    gsm8k: int = 1200
    gsm8k_answers: int = 12
    unanswerable: int = 12_000
    fit: tuple[int, ...] = (900, 700, 700)
    fit_answers: int = 8
    fit_oracle: int = 900
    oracle_k: int = 64
    fit_unanswerable: int = 300
    fit_gsm8k_answers: int = 24
    intervals: int = 250
    intervals_k: int = 32
    intervals_seed: int = 301
    most_opinions: int = 4
    choosing: int = 200
    choosing_seed: int = 44
    tuning: int = 400
    tuning_seed: int = 34
    seed: int = 21


def make_labels(engine: LocalEngine, amounts: Amounts, gsm8k: Path | None) -> list[Labelled]:
    """All labels of the train split: one-sample labels of many answers, Monte Carlo labels of fewer questions."""
    rows: list[Labelled] = []
    for kind, (count, n) in zip(KINDS, amounts.sampled, strict=True):
        batch = questions(kind, "train", count, amounts.seed)
        rows += _one_sample(engine, batch, n, amounts.seed)
    rng = np.random.default_rng(amounts.seed)
    rows += _one_sample(engine, unanswerable("train", amounts.unanswerable, amounts.seed), 1, amounts.seed)
    if gsm8k is not None:
        rows += _one_sample(engine, read_questions(gsm8k)[: amounts.gsm8k], amounts.gsm8k_answers, amounts.seed)
    for kind, count in zip(KINDS, amounts.monte_carlo, strict=True):
        batch = questions(kind, "train", count, amounts.seed + 1)
        made = monte_carlo_labels(
            engine, batch, k=amounts.k, clusters=amounts.clusters, truncations=amounts.truncations, seed=amounts.seed
        )
        bound = amounts.k * (1 + amounts.clusters * amounts.truncations) * count
        print(f"{kind}: {made.drawn} samples drawn, k(1 + mT) allows {bound}", flush=True)
        rows += made.labels
        rows += one_sample_labels([made.answers[i] for i in rng.permutation(len(made.answers))[: 3 * count]])
    for kind, (count, n) in zip(KINDS, amounts.more, strict=True):
        rows += _one_sample(engine, questions(kind, "train", count, amounts.seed + 2), n, amounts.seed + 2)
    return rows


def make_off_policy(engine: LocalEngine, amounts: Amounts) -> list[Labelled]:
    """Labels of word problems' answers that went wrong more often than the model's own: what a wrong step looks like."""
    batch = questions("arithmetic", "train", amounts.off_policy, amounts.seed + 3)
    hot = Sampling(temperature=amounts.hot, max_tokens=200)
    return off_policy_labels(engine, batch, 2, amounts.seed + 3, hot)


def hold_out_items(rows: Sequence[Labelled], share: float, seed: int) -> list[Labelled]:
    """The same rows, those of ``share`` of the items held out: what was seen in another phrasing says nothing of new items."""
    items = sorted({item_of(r.question_id) for r in rows})
    chosen = np.random.default_rng(seed).random(len(items)) < share
    held = {item for item, c in zip(items, chosen, strict=True) if c}
    return [replace(r, split=HELD_OUT) if item_of(r.question_id) in held else r for r in rows]


def _one_sample(engine: LocalEngine, batch: Sequence[Question], n: int, seed: int) -> list[Labelled]:
    started = time.monotonic()
    groups = sample_answers(engine, batch, n, seed)
    flat = [s for group in groups for s in group]
    share = np.mean([s.correct for s in flat])
    print(f"{batch[0].kind}: {len(flat)} answers, {share:.3f} right, {time.monotonic() - started:.0f}s", flush=True)
    return one_sample_labels(flat)


def fit_rows(engine: LocalEngine, amounts: Amounts, gsm8k: Path | None) -> list[tuple[Answer, int, int]]:
    """(answer in progress, correct, k) of the combination's own split: answerable questions, some of their prefixes with fresh
    Monte Carlo counts, and questions that it cannot answer."""
    seed, n = amounts.seed, amounts.fit_answers
    asked = [q for kind, count in zip(KINDS, amounts.fit, strict=True) for q in questions(kind, "fit", count, seed)]
    answered = sample_answers(engine, asked, n, seed)
    rows = labelled_prefixes(engine, answered, oracle=amounts.fit_oracle, oracle_k=amounts.oracle_k, seed=seed)
    beyond = sample_answers(engine, unanswerable("fit", amounts.fit_unanswerable, seed), n, seed)
    ends: list[Sampled] = []
    if gsm8k is not None:
        hard = read_questions(gsm8k)[amounts.gsm8k : amounts.gsm8k + amounts.fit_unanswerable]
        groups = sample_answers(engine, hard, amounts.fit_gsm8k_answers, seed)
        beyond += [group[:n] for group in groups]
        ends = [s for group in groups for s in group[n:]]
    whole = [(s.answer, int(s.correct), 1) for s in ends]
    return rows + prefixes([s for group in beyond for s in group]) + whole


def policy_questions(split: str, count: int, seed: int) -> list[dict[str, object]]:
    """``count`` questions of each kind, mixed, as ``controller tune`` reads them."""
    rows = [q for kind in KINDS for q in questions(kind, split, count, seed)]
    order = np.random.default_rng(seed).permutation(len(rows))
    return [
        {
            "id": q.id,
            "kind": q.kind,
            "question": q.text,
            "answers": list(q.answers[-1:] if q.kind == "choice" else q.answers),  # the word of a choice, not its letter
            "grader": "number" if q.kind == "arithmetic" else "alias",
        }
        for q in (rows[i] for i in order)
    ]


def combine(base: Path, adapter: Path, amounts: Amounts, gsm8k: Path | None) -> None:
    """Fit the combination and put it beside the adapter."""
    engine = local_engine(base, adapter, read_card(adapter), name="embedded", threads=2)
    combiner = fit(
        read(engine, fit_rows(engine, amounts, gsm8k)),
        base_hash=model_hash(base),
        adapter_hash=model_hash(adapter),
        data_hash=read_card(adapter).data_hash,
        seed=amounts.seed,
    )
    (adapter / COMBINER).write_text(combiner.model_dump_json(indent=1) + "\n")


def fit_intervals(base: Path, adapter: Path, amounts: Amounts) -> None:
    """Fit how wide the combination's intervals are, and put it in its place: confidences stay what they are."""
    combiner = read_combiner(adapter / COMBINER)
    engine = local_engine(base, adapter, read_card(adapter), name="embedded", threads=2)
    seed = amounts.intervals_seed
    asked = [q for kind in KINDS for q in questions(kind, "fit", amounts.intervals, seed)]
    answered = sample_answers(engine, asked, 1, seed)
    every = sum(len(s.answer.segments) for group in answered for s in group)
    rows = labelled_prefixes(engine, answered, oracle=every, oracle_k=amounts.intervals_k, seed=seed)
    shares = [row for row in rows if row[2] == amounts.intervals_k]
    (adapter / COMBINER).write_text(with_intervals(combiner, read(engine, shares)).model_dump_json(indent=1) + "\n")


def weigh_opinions(base: Path, adapter: Path, amounts: Amounts) -> None:
    """Fit how second opinions count, on fresh answers to questions of the combination's split, and put it beside the
    combination."""
    card, combiner = read_card(adapter), read_combiner(adapter / COMBINER)
    engine = local_engine(base, adapter, card, name="embedded", threads=2)
    seed = amounts.seed + 4
    asked = [q for kind, count in zip(KINDS, amounts.fit, strict=True) for q in questions(kind, "fit", count, seed)]
    groups = sample_answers(engine, asked, amounts.most_opinions + 1, seed)
    opinions = fit_opinions(hear(groups, CombinedScorer(engine, combiner)))
    (adapter / COMBINER).write_text(combiner.model_copy(update={"opinions": opinions}).model_dump_json(indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stages", nargs="+", choices=STAGES)
    parser.add_argument("--base", type=Path, default=Path("runs/base"))
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--out", type=Path, default=Path("estimator/embedded"))
    parser.add_argument("--gsm8k", type=Path, help="GSM8K training questions (JSONL), as examples of what it cannot do")
    args = parser.parse_args()
    labels, adapter, amounts = args.runs / LABELS, args.runs / "adapter", Amounts()
    args.runs.mkdir(parents=True, exist_ok=True)
    for stage in args.stages:
        started = time.monotonic()
        if stage == "labels":
            engine = local_engine(args.base, None, None, name="embedded", threads=2)
            made = make_labels(engine, amounts, args.gsm8k)
            # the monitor looks at texts as the model writes them, so none of the others are held out
            rows = hold_out_items(made, HELD_OUT_SHARE, amounts.seed) + make_off_policy(engine, amounts)
            write_labels(labels, rows)
            print(f"{len(rows)} labelled texts, {data_hash(rows)}", flush=True)
        elif stage == "adapter":
            adapter.mkdir(parents=True, exist_ok=True)
            finetune(args.base, read_labels(labels), adapter, RECIPE)
        elif stage == "combine":
            combine(args.base, adapter, amounts, args.gsm8k)
        elif stage == "intervals":
            fit_intervals(args.base, adapter, amounts)
        elif stage == "opinions":
            weigh_opinions(args.base, adapter, amounts)
        elif stage == "questions":
            choosing = policy_questions("fit", amounts.choosing, amounts.choosing_seed)
            tuning = policy_questions("policy", amounts.tuning, amounts.tuning_seed)
            for name, rows in (("choosing.jsonl", choosing), ("tuning.jsonl", tuning)):
                (args.runs / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
        else:
            shutil.copytree(args.base, args.out / "base", dirs_exist_ok=True)
            shutil.copytree(adapter, args.out / "adapter", dirs_exist_ok=True)
        print(f"{stage}: {time.monotonic() - started:.0f}s", flush=True)


if __name__ == "__main__":
    main()
