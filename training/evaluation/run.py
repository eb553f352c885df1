"""The whole evaluation, read from top to bottom."""

from __future__ import annotations

import platform
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from estimator.baselines import baselines
from estimator.baselines.base import Baseline, BaselineError
from estimator.baselines.stated import Stating
from estimator.engines.base import Engine, EngineError, EngineUnreachable
from estimator.engines.local import LocalEngine
from estimator.loading import EMBEDDED, Loaded, base_dir
from training.evaluation.cases import Cases, gather
from training.evaluation.clock import ClockedPool
from training.evaluation.drafts import drafts
from training.evaluation.evidence import Evidence
from training.evaluation.methods import Measured, measure
from training.evaluation.opinions import opinions
from training.evaluation.ours import Oracle, own_methods
from training.evaluation.plan import Plan
from training.evaluation.rows import Row
from training.evaluation.splits import Splits
from training.evaluation.store import Say, Store
from training.evaluation.tables import (
    accepted,
    accuracy,
    curves,
    drift,
    look_ahead,
    main,
    more,
    open_ended,
    positions,
    stopping,
    temperature,
    training_studies,
)
from training.verbal import CARD, FormatRecipe, examples, format_stating, train_format

SCHEMA = 1  # of the report
STAGES = 2  # of what is kept while it is made; raised also where the same answers are graded or read otherwise
FEW = (4,)  # samples of self-consistency, beside those of the pool: as many as our drafts and opinions take
TABLES: dict[str, Callable[[Evidence], list[Row]]] = {
    "question, process, outcome": main.rows,
    "more answers": more.rows,
    "positions": positions.rows,
    "accuracy": accuracy.rows,
    "filter": accepted.rows,
    "stopping": stopping.rows,
    "bci": look_ahead.rows,
    "drift": drift.rows,
    "open": open_ended.rows,
    "temperature": temperature.rows,
    "curves": curves.rows,
    "transfer, techniques": training_studies.rows,
}


def evaluate(loaded: Loaded, splits: Splits, plan: Plan, out: Path, say: Say) -> dict[str, Any]:
    """The report: ``meta`` and ``rows`` (``rows.COLUMNS`` first). What is done is kept under ``out``, so that a run that was
    stopped goes on. A server shows neither hidden states nor weights: what needs them is left out, and the report says so."""
    started = time.monotonic()
    facts = {"hashes": loaded.hashes, "plan": asdict(plan), "questions": _asked(splits), "stages": STAGES}
    evidence = collect(loaded, splits, plan, Store(out, facts, say))
    rows: list[Row] = []
    for name, table in TABLES.items():
        rows += table(evidence)
        say(f"table {name}: done")
    return {"meta": _meta(loaded, plan, evidence, time.monotonic() - started + evidence.store.saved), "rows": rows}


def collect(loaded: Loaded, splits: Splits, plan: Plan, store: Store) -> Evidence:
    """Sample the answers, then let every method score them."""
    engine, first = loaded.engine, plan.seeds[0]
    learn = gather(engine, store, "learn", [(first, splits.learn)], plan.sampling())
    held_out = gather(engine, store, "recalibration", [(first, splits.platt)], plan.sampling())
    by_entropy = replace(plan.sampling(), entropies=True)  # these are cut by entropy too
    cases = gather(engine, store, "test", list(zip(plan.seeds, splits.tests, strict=True)), by_entropy)
    pool = ClockedPool(engine, plan.samples, plan.temperature, seed=first + 2, max_tokens=plan.max_tokens)
    stating = taught(loaded, engine, learn, store, plan.format_steps)
    ours = [*own_methods(loaded.scorer), *drafts(loaded.scorer, pool), *opinions(loaded.scorer, pool)]
    few = [k for k in FEW if k <= pool.k]
    methods: list[Baseline] = [*ours, *baselines(engine, pool, stating, consistency=few, seed=first)]

    left_out: dict[str, str] = {}

    def again(names: list[str], name: str, others: Cases, own_platt: Cases | None = None) -> list[Measured]:
        platt = (held_out, "recalibration") if own_platt is None else (own_platt, f"recalibration, {name}")
        out = []
        for method in (m for m in methods if m.name in names):
            try:
                out.append(measure(method, pool, store, learn.cases, platt[0], others, name, platt[1]))
            except EngineUnreachable:
                raise
            except (BaselineError, EngineError) as error:  # it needs what this model or these questions do not give
                left_out[method.name] = str(error)
                store.say(f"{method.name} is left out: {error}")
        return out

    measured = again([m.name for m in methods], "test", cases)
    oracle = measure(Oracle(engine, plan.oracle, max(plan.seeds) + 1, plan.sampling()), pool, store, (), None, cases)
    speaker = stating.engine if stating is not None and isinstance(stating.engine, LocalEngine) else None
    return Evidence(loaded, engine, plan, splits, store, held_out, cases, tuple(measured), oracle, speaker, again, left_out)


def taught(loaded: Loaded, engine: Engine, learn: Cases, store: Store, steps: int) -> Stating | None:
    """The embedded model never saw a stated confidence, so a copy of it learns the format, and the format alone; other models
    are asked in words (None)."""
    if loaded.model != EMBEDDED or not isinstance(engine, LocalEngine):
        return None
    base, adapter = base_dir(loaded.model), store.folder / "format"
    if not (adapter / CARD).exists():
        answers = [learn.spots[i].case.answer for i in learn.where("complete")]
        train_format(base, examples(engine, answers, seed=0), adapter, FormatRecipe(steps=steps))
        store.say("the format of stated confidences is learnt")
    return format_stating(base, adapter, threads=engine.threads)


def _asked(splits: Splits) -> list[list[Any]]:
    """All of the questions that the figures depend on: with another reference the same answer is graded otherwise."""
    parts = (splits.learn, splits.platt, *splits.tests, splits.more, splits.more_platt)
    return [[[q.kind, q.text, list(q.answers), q.grader.value] for q in part] for part in parts]


def _meta(loaded: Loaded, plan: Plan, evidence: Evidence, seconds: float) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA,
        "model": loaded.model,
        "estimator": loaded.estimator,
        "hashes": loaded.hashes,
        "plan": asdict(plan) | {"seeds": list(plan.seeds)},
        "questions": dict(Counter({q.text: q.kind for test in evidence.splits.tests for q in test}.values())),
        "answers": len(evidence.cases.where("complete")),
        "unfinished": evidence.cases.unfinished,
        "methods": {m.name: m.source for m in (*evidence.methods, evidence.oracle)},
        "left_out": evidence.left_out,
        "seconds": round(seconds, 1),
        "versions": {name: version(name) for name in ("torch", "transformers", "peft", "numpy")}
        | {"python": platform.python_version()},
    }
