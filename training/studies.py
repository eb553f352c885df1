"""The paper's training studies (RQ5, RQ6, RQ7) and two of our own, each a function from a context to report rows.

Every estimator in a study is trained within the same budget of training tokens, and measured on the same cases.
``python -m training.studies --quick`` runs them all at toy size on the embedded model.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from estimator.artefacts import Technique
from estimator.baselines.base import Case
from estimator.engines.local import LocalEngine
from estimator.loading import base_dir, local_engine
from estimator.scorers.ift import StatedText
from estimator.types import Question
from training.evaluation.rows import Row
from training.labelling import complete_labels, monte_carlo_labels, one_sample_labels, sample_answers
from training.labels import Labelled
from training.questions import KINDS, questions
from training.study_runs import StudyContext, case_rows, chosen, estimator, measured
from training.variants import converted, smaller

Make = Callable[[StudyContext, LocalEngine, Sequence[Question], int], list[Labelled]]
NAMES: dict[Technique, str] = {"soft": "soft readout", "value_head": "value head", "ift": "IFT, expectation"}
SHARES = (1 / 64, 1 / 16, 1 / 4, 1.0)
TEMPERATURE = 0.7  # at which a stated confidence is sampled, as the paper's released code does
K, CLUSTERS, TRUNCATIONS, COMPLETE = 12, 2, 3, 6


def techniques(context: StudyContext) -> list[Row]:
    """RQ7: the paper's two techniques and the soft readout, on equal data and at equal training tokens."""
    rows = []
    for name, shown in NAMES.items():
        made = estimator(context, f"technique-{name}", context.labels, name)
        rows += measured(context, "techniques", "techniques", shown, made)
        if isinstance(made.readout, StatedText):
            rows += _stated(context, made.readout)
    return rows


def _stated(context: StudyContext, readout: StatedText) -> list[Row]:
    """The confidences that the tuned model writes. Where it writes none there is no value; ``stated`` is the share with one."""
    cases, rows = chosen(context, context.test_cases), []
    for shown, temperature in (("IFT, greedy text", 0.0), ("IFT, sampled text", TEMPERATURE)):
        texts = readout.state([c.answer for c in cases], temperature=temperature, seed=context.seed)
        values = np.array([np.nan if v is None else v for v in texts])
        stated = float(np.isfinite(values).mean())
        rows += case_rows(context, "techniques", shown, cases, values, study="techniques", stated=stated)
    return rows


def data_amounts(context: StudyContext) -> list[Row]:
    """RQ7: error against the amount of data. Questions are left out, not texts, and the training tokens stay the same."""
    names = sorted({r.question_id for r in context.labels})
    order = np.random.default_rng(context.seed).permutation(len(names))
    rows = []
    for count in sorted({max(4, round(share * len(names))) for share in SHARES}):
        kept = {names[i] for i in order[:count]}
        labels = [r for r in context.labels if r.question_id in kept]
        made = estimator(context, "technique-soft" if len(kept) == len(names) else f"amount-{len(kept)}", labels)
        rows += measured(context, "techniques", "data amounts", f"{len(kept)} questions", made, ["all"], texts=len(labels))
    return rows


def leave_one_kind_out(context: StudyContext) -> list[Row]:
    """RQ5: each kind of question judged by an estimator that never saw it, beside one that saw all."""
    kinds = [k for k in dict.fromkeys(c.question.kind for c in context.test_cases) if any(r.kind == k for r in context.labels)]
    rows = measured(
        context, "transfer", "kind left out", "all kinds", estimator(context, "technique-soft", context.labels), kinds
    )
    for kind in kinds if len(kinds) > 1 else ():
        made = estimator(context, f"without-{kind}", [r for r in context.labels if r.kind != kind])
        rows += measured(context, "transfer", "kind left out", "this kind left out", made, [kind])
    return rows


def transfer(context: StudyContext) -> list[Row]:
    """RQ6: the base judged by an estimator that learnt from another model's labels, beside its own; all get labels of the same
    questions and the same number of samples. ``accuracy`` is the labelling model's, ``agreement`` how often a sample of it and
    one of the base are both right or both wrong."""
    bases = {
        "own labels": context.base,
        "smaller model, same family": smaller(context.base, context.folder / "smaller", context.variant_steps, context.seed),
        "other family": converted(context.base, context.folder / "converted", context.variant_steps, context.seed),
    }
    drawn = {name: _outcomes(context, base, context.seed) for name, base in bases.items()}
    own = _outcomes(context, context.base, context.seed + 1)[1]  # other samples, or own labels would agree with themselves
    rows = []
    for name, (labels, right) in drawn.items():
        made = estimator(context, f"labels-of-{name.replace(', ', '-').replace(' ', '-')}", labels)
        agreement = float((right * own + (1 - right) * (1 - own)).mean())
        study = "labels of another model"
        rows += measured(context, "transfer", study, name, made, None, accuracy=float(right.mean()), agreement=agreement)
    return rows


def _outcomes(context: StudyContext, base: Path, seed: int) -> tuple[list[Labelled], np.ndarray]:
    """One-sample labels by a base of about half of ``context.sampled`` tokens, and the share of right answers by question."""
    engine = local_engine(base, None, None, name=base.name, threads=context.processes)
    asked = context.questions[: max(8, context.sampled // 400)]
    groups = sample_answers(engine, asked, 3, seed, context.sampling)
    return one_sample_labels([s for g in groups for s in g]), np.array([np.mean([s.correct for s in g]) for g in groups])


def label_kinds(context: StudyContext) -> list[Row]:
    """One-sample labels, Algorithm 1 and half of each, at equal sampled tokens (``sampled_tokens``) and equal training."""
    engine = local_engine(context.base, None, None, name="base", threads=context.processes)
    makers: dict[str, Make] = {"one sample": _one_sample, "algorithm 1": _algorithm_1}
    halves, rows = {}, []
    for number, (name, make) in enumerate(makers.items()):
        # Seeds of their own: the same questions under the same seed have the same samples, which a mix would count twice.
        seed = context.seed + 2 * number
        first, spent = _within(context, engine, make, context.questions, context.sampled // 2, seed)
        rest = context.sampled - spent
        second, more = _within(context, engine, make, context.questions[::-1], rest, seed + 1)
        halves[name] = (first, spent)
        made = estimator(context, f"labels-{name.replace(' ', '-')}", [*first, *second])
        rows += measured(context, "techniques", "label kinds", f"labels: {name}", made, ["all"], sampled_tokens=spent + more)
    both = [r for labels, _ in halves.values() for r in labels]
    spent = sum(tokens for _, tokens in halves.values())
    made = estimator(context, "labels-mixed", both)
    return rows + measured(context, "techniques", "label kinds", "labels: half of each", made, ["all"], sampled_tokens=spent)


def _within(
    context: StudyContext, engine: LocalEngine, make: Make, asked: Sequence[Question], tokens: int, seed: int
) -> tuple[list[Labelled], int]:
    """Labels of as many of the questions, in order, as ``tokens`` generated tokens pay for (the last batch may exceed them)."""
    labels: list[Labelled] = []
    start, batch = engine.usage.generated, BATCHES[make]
    for begin in range(0, len(asked), batch):
        if engine.usage.generated - start >= tokens:
            break
        labels += make(context, engine, asked[begin : begin + batch], seed)
    return labels, engine.usage.generated - start


def _one_sample(context: StudyContext, engine: LocalEngine, asked: Sequence[Question], seed: int) -> list[Labelled]:
    return one_sample_labels([s for group in sample_answers(engine, asked, 3, seed, context.sampling) for s in group])


def _algorithm_1(context: StudyContext, engine: LocalEngine, asked: Sequence[Question], seed: int) -> list[Labelled]:
    made = monte_carlo_labels(
        engine, asked, k=K, clusters=CLUSTERS, truncations=TRUNCATIONS, seed=seed, sampling=context.sampling
    )
    return [*made.labels, *complete_labels(made.answers, COMPLETE, seed)]


BATCHES: dict[Make, int] = {_one_sample: 64, _algorithm_1: 4}  # questions at once: about 12,000 tokens either way

STUDIES: dict[str, Callable[[StudyContext], list[Row]]] = {
    "techniques": techniques,
    "data amounts": data_amounts,
    "kind left out": leave_one_kind_out,
    "label kinds": label_kinds,
    "transfer": transfer,
}


def context_of(model: str, folder: Path, quick: bool) -> StudyContext:
    """A context on the generated questions, sampled here and now: a toy one where it has to be ``quick``."""
    base, count = base_dir(model), 12 if quick else 400
    engine = local_engine(base, None, None, name=model, threads=2)
    asked = {split: [q for kind in KINDS for q in questions(kind, split, count, 3)] for split in ("train", "fit", "test")}
    train = [s for g in sample_answers(engine, asked["train"], 4, 0) for s in g]
    cases = {split: _cases(engine, asked[split]) for split in ("fit", "test")}
    mixed = [asked["train"][i] for i in np.random.default_rng(0).permutation(len(asked["train"]))]
    context = StudyContext(base, one_sample_labels(train), mixed, cases["fit"], cases["test"], folder, say=print)
    if not quick:
        return context
    return StudyContext(
        **{**vars(context), "budget": 4_000, "sampled": 2_000, "most": 150, "draws": 50, "variant_steps": 2, "processes": 1}
    )


def _cases(engine: LocalEngine, asked: Sequence[Question]) -> list[Case]:
    done = [g[0] for g in sample_answers(engine, asked, 1, 1) if g[0].answer.finished]
    return [Case(s.question, s.answer.upto(i), s.correct) for s in done for i in range(len(s.answer.segments) + 1)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="toy size: to see that all works")
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--only", nargs="+", choices=list(STUDIES), default=list(STUDIES))
    parser.add_argument("--out", type=Path, help="where the rows go, as JSON")
    args = parser.parse_args()
    with TemporaryDirectory() as folder:
        context, rows = context_of(args.model, Path(folder), args.quick), []
        for name in args.only:
            started = time.monotonic()
            rows += STUDIES[name](context)
            print(f"{name}: {time.monotonic() - started:.0f}s", flush=True)
    for r in rows:
        print(json.dumps({k: v for k, v in r.items() if v is not None}))
    if args.out is not None:
        args.out.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
