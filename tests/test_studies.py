"""The training studies at toy size: what their rows hold, and that nothing is trained twice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer

from estimator.baselines.base import Case
from estimator.engines.base import Sampling
from estimator.loading import read_card
from estimator.types import Grader, Question
from tests.conftest import tiny_model
from tests.training_data import WORDS, answer_to, labels_of, save_base
from training import studies, study_runs
from training.evaluation.plan import Plan
from training.evaluation.rows import COLUMNS
from training.evaluation.tables import training_studies
from training.labels import data_hash
from training.studies import SHARES, data_amounts, label_kinds, leave_one_kind_out, techniques, transfer
from training.study_runs import StudyContext, case_rows
from training.variants import _as_qwen3, _without_layers


@pytest.fixture(scope="module")
def context(tiny_tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> StudyContext:
    folder = tmp_path_factory.mktemp("studies")
    base = save_base(folder / "base", "llama", tiny_tokenizer)
    tokenizer = AutoTokenizer.from_pretrained(base)
    cases = [
        Case(
            Question(f"{n} {word}", (str(n + 3),), Grader.NUMBER, "tiny"),
            answer_to(tokenizer, n, word).upto(i),
            word == WORDS[0],
        )
        for n in range(30, 40)
        for word in WORDS
        for i in range(3)
    ]
    rows = labels_of(tokenizer)
    return StudyContext(base, rows, [], cases[:30], cases[30:], folder / "runs", budget=16_000, draws=20, processes=1)


def test_techniques_are_compared_on_the_same_cases_and_trained_once(
    context: StudyContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = techniques(context)
    assert {r["method"] for r in rows} == {
        "soft readout",
        "value head",
        *(f"IFT, {s}" for s in ("expectation", "greedy text", "sampled text")),
    }
    assert {r["position"] for r in rows} == {"question", "first", "average", "complete"}
    assert all(tuple(r)[: len(COLUMNS)] == COLUMNS and r["study"] == "techniques" for r in rows)
    spent = {r["trained_tokens"] for r in rows if "trained_tokens" in r}
    assert len(spent) == 1
    assert all(r["n"] == 10 or r["method"].endswith("text") for r in rows)

    def again(*_: Any, **__: Any) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(study_runs, "finetune", again)
    kept = ("method", "position", "kind", "n", "ece", "auroc", "brier")
    assert [[r[k] for k in kept] for r in techniques(context)] == [[r[k] for k in kept] for r in rows]


def test_the_amounts_of_data_grow_and_are_named(context: StudyContext) -> None:
    rows = data_amounts(context)
    names = list(dict.fromkeys(r["method"] for r in rows))
    counts = [int(name.split()[0]) for name in names]
    assert counts == sorted(set(counts)) and counts[-1] == 20 and len(counts) <= len(SHARES)


def of_two_kinds(context: StudyContext) -> StudyContext:
    """Questions about sheep are of one kind, those about pens of another."""

    def kind(text: str) -> str:
        return next(word for word in WORDS if word in text)

    cases = [replace(c, question=replace(c.question, kind=kind(c.question.text))) for c in context.test_cases]
    labels = [replace(r, kind=WORDS[int(r.question_id[1:]) % 2]) for r in context.labels]
    asked = [
        Question(f"How many {word} are {n} and 4?", (str(n + 4),), kind=word, id=f"{word} {n}")
        for n in range(8)
        for word in WORDS
    ]
    few = {"budget": 4_000, "sampled": 800, "variant_steps": 2, "folder": context.folder / "kinds"}
    return replace(context, labels=labels, questions=asked, test_cases=cases, sampling=Sampling(max_tokens=20), **few)


def test_a_kind_that_was_left_out_is_judged_beside_one_that_was_not(context: StudyContext) -> None:
    here = of_two_kinds(context)
    rows = leave_one_kind_out(here)
    assert {(r["method"], r["kind"]) for r in rows} == {(m, k) for m in ("all kinds", "this kind left out") for k in WORDS}
    learnt = read_card(here.folder / f"without-{WORDS[0]}").data_hash
    assert learnt == data_hash([r for r in here.labels if r.kind != WORDS[0]])


def test_label_kinds_cost_the_same_samples(context: StudyContext, monkeypatch: pytest.MonkeyPatch) -> None:
    seeds, within = [], studies._within

    def watched(*arguments: Any) -> Any:
        seeds.append(arguments[-1])
        return within(*arguments)

    monkeypatch.setattr(studies, "_within", watched)
    monkeypatch.setattr(studies, "BATCHES", dict.fromkeys(studies.BATCHES, 1))
    spent = {r["method"]: r["sampled_tokens"] for r in label_kinds(of_two_kinds(context))}
    assert spent.keys() == {"labels: one sample", "labels: algorithm 1", "labels: half of each"}
    assert len(set(seeds)) == 4  # or the half of each would have the same samples twice
    assert all(tokens >= 800 for tokens in list(spent.values())[:2]) and spent["labels: one sample"] <= 800 + 3 * 20


def test_labels_of_other_models_are_compared(context: StudyContext) -> None:
    rows = transfer(of_two_kinds(context))
    assert {r["method"] for r in rows} == {"own labels", "smaller model, same family", "other family"}
    assert all(0 <= r["accuracy"] <= 1 and 0 <= r["agreement"] <= 1 for r in rows)


def test_a_value_that_is_not_there_is_left_out_and_counted(context: StudyContext) -> None:
    cases = context.test_cases
    values = np.full(len(cases), 0.5)
    values[[i for i, c in enumerate(cases) if not c.answer.segments]] = np.nan
    found = {r["position"]: r["n"] for r in case_rows(context, "techniques", "text", cases, values, kinds=["all"])}
    assert found == {"question": 0, "first": 10, "average": 10, "complete": 10}


def test_variants_of_a_base_keep_its_weights_and_still_compute() -> None:
    model = tiny_model("llama", 300, 2)
    ids = torch.arange(20)[None]
    less, other = _without_layers(model), _as_qwen3(model)
    assert (less.config.num_hidden_layers, other.config.model_type) == (1, "qwen3")
    with torch.inference_mode():
        outputs = [m(input_ids=ids).logits for m in (model, less, other)]
    assert all(o.isfinite().all() for o in outputs)
    assert not torch.allclose(outputs[0], outputs[1]) and not torch.allclose(outputs[0], outputs[2])
    for name, value in model.state_dict().items():
        assert torch.equal(other.state_dict()[name], value)


def test_studies_that_take_questions_from_one_end_get_every_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    """The split is in the order of its kinds."""
    monkeypatch.setattr(training_studies, "sample_answers", lambda *args: [])
    asked = [Question(f"{kind} {n}", kind=kind) for kind in ("arithmetic", "fact", "choice") for n in range(40)]
    evidence: Any = SimpleNamespace(
        splits=SimpleNamespace(study=asked),
        plan=Plan(seeds=(77, 78)),
        loaded=SimpleNamespace(model="embedded"),
        held_out=SimpleNamespace(cases=[]),
        cases=SimpleNamespace(cases=[]),
        store=SimpleNamespace(folder=Path("nowhere"), say=print),
    )
    engine: Any = SimpleNamespace(threads=1)
    drawn = training_studies._context(evidence, engine).questions
    assert sorted(q.text for q in drawn) == sorted(q.text for q in asked)
    for part in (drawn[:40], drawn[-40:]):
        assert all(sum(q.kind == kind for q in part) >= 5 for kind in ("arithmetic", "fact", "choice"))
