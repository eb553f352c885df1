"""What the studies share: a context, an estimator trained within its budget, and the report rows of what it says."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from estimator.artefacts import Technique
from estimator.baselines.base import Case
from estimator.calibration import Platt
from estimator.engines.base import Sampling
from estimator.engines.local import LocalEngine
from estimator.levels import mean
from estimator.loading import local_engine, read_card
from estimator.scorers.readout import Readout, readout_of
from estimator.signals import state_of
from estimator.types import Question
from training.evaluation.rows import Row, calibration, ranking, row
from training.finetune import finetune, made_so
from training.labelling import DEFAULT_SAMPLING
from training.labels import Labelled
from training.parallel import default_processes
from training.recipe import FinetuneRecipe, read_record

Values = NDArray[np.float64]
PLACES = ("question", "first", "average", "complete")
LOOKS = 1_000_000  # steps between looks: a study measures at the end and nowhere else


@dataclass(frozen=True)
class StudyContext:
    """What the studies learn from and measure on.

    ``labels`` are of the train split and ``questions`` of the same split, for the studies that sample labels of their own;
    ``fit_cases`` (for recalibration; may be empty) and ``test_cases`` are prefixes of sampled answers to other questions. Each
    training gets ``budget`` tokens, and labels made anew get ``sampled`` generated tokens. ``most`` cases are read, whole
    questions drawn with ``seed``. ``sampling`` is how answers are drawn. ``folder`` keeps the adapters: a study
    that was stopped goes on.
    """

    base: Path
    labels: Sequence[Labelled]
    questions: Sequence[Question]
    fit_cases: Sequence[Case]
    test_cases: Sequence[Case]
    folder: Path
    seed: int = 0
    budget: int = 200_000
    sampled: int = 125_000
    most: int = 2_000
    draws: int = 200
    variant_steps: int = 40
    processes: int = field(default_factory=default_processes)
    sampling: Sampling = DEFAULT_SAMPLING
    say: Callable[[str], None] = lambda line: None

    def recipe(self, technique: Technique = "soft") -> FinetuneRecipe:
        """The shipped recipe with its schedule laid out for the budget. ``extra_points``, which one technique alone can read,
        is off: all learn from the same labels."""
        tokens = min(FinetuneRecipe.tokens_per_step, max(256, self.budget // 10))
        steps = max(1, self.budget // tokens)
        return FinetuneRecipe(
            seed=self.seed,
            technique=technique,
            budget=self.budget,
            extra_points=0,
            tokens_per_step=tokens,
            warmup=max(1, steps // 10),
            every=LOOKS,
            processes=self.processes,
        )


@dataclass(frozen=True)
class Estimator:
    """A trained adapter on its engine; ``trained`` and ``seconds`` are the tokens and the time that its training took."""

    engine: LocalEngine
    readout: Readout
    trained: int
    seconds: float

    def values(self, cases: Sequence[Case]) -> Values:
        """The adapter's confidence for each case: the mean of its distribution over the levels."""
        return np.asarray(mean(self.readout.levels([c.answer for c in cases])), float)


def estimator(
    context: StudyContext, name: str, labels: Sequence[Labelled], technique: Technique = "soft", base: Path | None = None
) -> Estimator:
    """An estimator trained on ``labels`` within the budget; kept in ``context.folder / name``."""
    base, out, recipe = base or context.base, context.folder / name, context.recipe(technique)
    if not made_so(out, base, labels, recipe):
        context.say(f"training {name} on {len(labels)} texts")
        finetune(base, labels, out, recipe, report=lambda progress: None)
    card, record = read_card(out), read_record(out)
    engine = local_engine(base, out, card, name=name, threads=context.processes)
    return Estimator(engine, readout_of(engine, card, out), record.steps * recipe.tokens_per_step, record.seconds)


def chosen(context: StudyContext, cases: Sequence[Case]) -> list[Case]:
    """At most about ``context.most`` cases: all of some questions, the same ones in every study."""
    names = sorted({c.question.text for c in cases})
    share = min(1.0, context.most / max(1, len(cases)))
    kept = np.random.default_rng(context.seed).permutation(len(names))[: max(1, round(share * len(names)))]
    wanted = {names[i] for i in kept}
    return [c for c in cases if c.question.text in wanted]


def measured(
    context: StudyContext,
    table: str,
    study: str,
    method: str,
    made: Estimator,
    kinds: Iterable[str] | None = None,
    **more: object,
) -> list[Row]:
    """Rows of an estimator on the test cases, by kind and place, with what its training took."""
    cases = chosen(context, context.test_cases)
    started = time.monotonic()
    values, before = made.values(cases), made.engine.usage.scored
    cost = {"seconds": (time.monotonic() - started) / len(cases), "tokens": before / len(cases)}
    fit_cases = chosen(context, context.fit_cases) if context.fit_cases else []
    platt = Platt.fit(made.values(fit_cases), [c.correct for c in fit_cases], logit=True) if fit_cases else None
    own = {"study": study, "trained_tokens": made.trained, "trained_seconds": round(made.seconds, 1)} | cost | more
    return case_rows(context, table, method, cases, values, platt, kinds, **own)


def case_rows(
    context: StudyContext,
    table: str,
    method: str,
    cases: Sequence[Case],
    values: Values,
    platt: Platt | None = None,
    kinds: Iterable[str] | None = None,
    **own: object,
) -> list[Row]:
    """Rows of given values: ECE, AUROC and Brier against how the answers ended, with intervals by question. A value that is not
    there (nan) is left out, and ``n`` says so."""
    outcome = np.array([c.correct for c in cases], float)
    asked = np.unique([c.question.text for c in cases], return_inverse=True)[1]
    out = []
    for kind in kinds or ("all", *dict.fromkeys(c.question.kind for c in cases)):
        for place in PLACES:
            there = [i for i, c in enumerate(cases) if kind in ("all", c.question.kind) and place in _places(c)]
            at = np.array([i for i in there if np.isfinite(values[i])], int)
            if there and not len(at):
                out.append(row(table, kind, place, method, 0, **own))
            elif there:
                figures = calibration(values[at], outcome[at], asked[at], context.draws)
                figures |= ranking(values[at], outcome[at], asked[at], context.draws)
                if platt is not None:
                    after = calibration(platt(values[at]), outcome[at], asked[at], context.draws)
                    figures |= {k.replace("ece", "ece_platt"): v for k, v in after.items() if k.startswith("ece")}
                out.append(row(table, kind, place, method, len(at), **figures, **own))
    return out


def _places(case: Case) -> tuple[str, ...]:
    """``first`` is p(1), ``average`` all positions inside the answer."""
    state = state_of(case.answer)
    if state != "partial":
        return (state,)
    return ("first", "average") if len(case.answer.segments) == 1 else ("average",)
