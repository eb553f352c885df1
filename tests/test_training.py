"""Training an estimator: techniques and architectures, resuming, early stopping, mixing. Small models, real files."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer

from estimator.levels import LEVEL_VALUES
from estimator.loading import LoadError, load
from estimator.scorers.ift import TO_LEVELS, VALUES, StatedText
from tests.training_data import FAST, WORDS, answer_to, labels_of, save_base
from training import finetune as finetuning
from training import held_out
from training.checkpoints import FILE, CheckpointError
from training.finetune import finetune
from training.labels import Labelled
from training.mixing import MixtureError, read_exchanges, schedule
from training.recipe import finished
from training.techniques.base import TrainingError


@pytest.fixture(scope="module", params=["llama", "qwen2", "qwen3"])
def base(request: pytest.FixtureRequest, tiny_tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_base(tmp_path_factory.mktemp(request.param), request.param, tiny_tokenizer)


@pytest.fixture(scope="module")
def llama(tiny_tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_base(tmp_path_factory.mktemp("base"), "llama", tiny_tokenizer)


def silent(progress: Any) -> None:
    """No report."""


@pytest.mark.parametrize("technique", ["soft", "value_head", "ift"])
def test_each_technique_learns_what_decides_success_on_each_architecture(base: Path, technique: Any, tmp_path: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(base)
    # slower than FAST: at its rate some of these random models stay where they begin, which ones depends on the processor
    recipe = replace(FAST, technique=technique, epochs=45, lr=4e-3, warmup=10)
    trained = finetune(base, labels_of(tokenizer), tmp_path, recipe, report=silent)
    assert trained.stopped == "end" and set(trained.figures) == {"all", "question", "partial", "complete"}
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    assert config["modules_to_save"] is None and set(config["target_modules"]) >= {"q_proj", "v_proj", "down_proj"}
    assert str(base) not in (tmp_path / "adapter_config.json").read_text()

    loaded = load(str(base), str(tmp_path))
    assert "--combine" in loaded.warnings[0]
    answers = {word: [answer_to(tokenizer, n, word).upto(i) for n in (31, 47) for i in range(2)] for word in WORDS}
    right, wrong = (np.array([c.value for c in loaded.scorer.score(answers[word])]) for word in WORDS)
    assert right.mean() > 0.7 and wrong.mean() < 0.3


def test_stated_values_keep_their_mean_on_the_levels() -> None:
    np.testing.assert_allclose(TO_LEVELS @ LEVEL_VALUES, np.clip(VALUES, LEVEL_VALUES[0], LEVEL_VALUES[-1]))


def test_a_tuned_model_writes_what_its_expectation_says(llama: Path, tmp_path: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(llama)
    finetune(llama, labels_of(tokenizer), tmp_path, replace(FAST, technique="ift", epochs=30), report=silent)
    loaded = load(str(llama), str(tmp_path))
    readout = StatedText(loaded.engine)  # pyright: ignore[reportArgumentType]
    answers = [answer_to(tokenizer, n, word) for n in (31, 47) for word in WORDS]
    greedy = readout.state(answers)
    assert [v is not None and v > 0.5 for v in greedy] == [True, False, True, False]
    assert readout.state(answers, temperature=1.0, seed=3) == readout.state(answers, temperature=1.0, seed=3)


def _train_slowly(base: Path, out: Path) -> None:
    finetune(base, labels_of(AutoTokenizer.from_pretrained(base)), out, CHECKED, report=lambda _: time.sleep(0.2))


CHECKED = replace(FAST, every=2, patience=50, epochs=6)


@pytest.mark.parametrize("technique", ["soft"])
def test_a_killed_run_goes_on_to_the_same_adapter(llama: Path, technique: str, tmp_path: Path) -> None:
    rows = labels_of(AutoTokenizer.from_pretrained(llama))
    whole = finetune(llama, rows, tmp_path / "whole", CHECKED, report=silent)
    process = multiprocessing.get_context("spawn").Process(target=_train_slowly, args=(llama, tmp_path / "killed"))
    process.start()
    while not (tmp_path / "killed" / FILE).exists():
        assert process.is_alive()
        time.sleep(0.01)
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    assert not finished(tmp_path / "killed")
    with pytest.raises(CheckpointError, match="another base, data or recipe"):
        finetune(llama, rows, tmp_path / "killed", replace(CHECKED, lr=1e-3), resume=True, report=silent)
    resumed = finetune(llama, rows, tmp_path / "killed", CHECKED, resume=True, report=silent)
    weights = "adapter_model.safetensors"
    assert (tmp_path / "killed" / weights).read_bytes() == (tmp_path / "whole" / weights).read_bytes()
    assert resumed.history == whole.history and not (tmp_path / "killed" / FILE).exists()


def test_a_run_that_stopped_early_and_was_killed_before_it_had_saved_trains_no_further(
    llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = labels_of(AutoTokenizer.from_pretrained(llama))
    recipe = replace(FAST, every=1, patience=1, lr=0.5, epochs=6)  # at this rate it soon gets worse
    whole = finetune(llama, rows, tmp_path / "whole", recipe, report=silent)
    assert whole.stopped == "early"

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(finetuning, "_save", killed)
        finetune(llama, rows, tmp_path / "killed", recipe, report=silent)
    resumed = finetune(llama, rows, tmp_path / "killed", recipe, resume=True, report=silent)
    assert (resumed.steps, resumed.kept_step, resumed.history) == (whole.steps, whole.kept_step, whole.history)


class Exact:
    """A technique that says of every prefix the chance that its question has (the first token id, in hundredths)."""

    def levels(self, rows: list[Labelled]) -> torch.Tensor:
        chances = torch.tensor([r.token_ids[0] / 100 for r in rows for _ in r.points], dtype=torch.float64)
        low = (LEVEL_VALUES[:, None] <= chances.numpy()).sum(0) - 1
        out = torch.zeros(len(chances), len(LEVEL_VALUES), dtype=torch.float64)
        share = (chances - torch.tensor(LEVEL_VALUES)[low]) / (LEVEL_VALUES[1] - LEVEL_VALUES[0])
        out[torch.arange(len(chances)), low] = 1 - share
        out[torch.arange(len(chances)), low + 1] = share
        return out


def test_held_out_figures_are_of_samples_and_not_of_answers_chosen_by_their_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of the complete answers that Algorithm 1 keeps are right, however seldom the model is."""
    monkeypatch.setattr(held_out.dist, "all_gather_object", lambda shares, mine: shares.__setitem__(0, mine))
    rng, rows = np.random.default_rng(0), []
    for chance in rng.integers(8, 60, 300).tolist():
        ids = (chance, 1, 2)
        rows.append(Labelled("q", "k", "monte_carlo", ids, ((1, int(rng.binomial(30, chance / 100)), 30),), 1))
        rows += [Labelled("q", "k", "complete", ids, ((3, right, 1),), 1) for right in (0, 1)]
    exact: Any = Exact()
    seen = held_out.look(exact, rows, {2}, 0, 1)
    assert seen.figures.keys() == {"all", "question"} and seen.figures["all"].n == 300
    assert seen.figures["all"].ece < 0.03 and (seen.figures["all"].auroc or 0) > 0.65
    sampled = [Labelled("q", "k", "sampled", r.token_ids, ((1, 1, 1), (3, 1, 1)), 1) for r in rows]
    assert held_out.look(exact, sampled, {2}, 0, 1).figures.keys() == {"all", "question", "complete"}
    assert held_out.look(exact, sampled, {3}, 0, 1).figures.keys() == {"all", "question", "partial"}, "they were cut off"


def test_it_stops_when_held_out_scores_get_no_better_and_keeps_the_best(llama: Path, tmp_path: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(llama)
    noise = np.random.default_rng(0).integers(0, 2, 60).tolist()
    rows = [
        replace(r, points=tuple((n, noise[i], 1) for n, _, _ in r.points), source="sampled")
        for i, r in enumerate(labels_of(tokenizer, 60)[::2])
    ]
    recipe = replace(FAST, epochs=60, every=2, patience=3, lr=2e-2)
    trained = finetune(llama, rows, tmp_path, recipe, report=silent)
    scores = {h["step"]: h["score"] for h in trained.history}
    assert trained.stopped == "early" and trained.kept_step == min(scores, key=lambda s: scores[s])
    assert trained.steps == trained.kept_step + recipe.every * recipe.patience


def test_labels_of_another_model_are_named(base: Path, tmp_path: Path, tiny_tokenizer: Any) -> None:
    rows = labels_of(tiny_tokenizer)
    foreign = [replace(r, token_ids=(5, *r.token_ids[1:])) for r in rows]
    with pytest.raises(TrainingError, match="made with another model"):
        finetune(base, foreign, tmp_path, FAST, report=silent)
    with pytest.raises(TrainingError, match="no labelled text"):
        finetune(base, [], tmp_path, FAST, report=silent)


def test_one_question_cannot_be_held_out_from_itself(llama: Path, tmp_path: Path) -> None:
    rows = labels_of(AutoTokenizer.from_pretrained(llama))[:2]
    with pytest.raises(TrainingError, match="one question"):
        finetune(llama, rows, tmp_path, FAST, report=silent)


def test_weights_that_are_not_the_cards_are_refused(llama: Path, tmp_path: Path) -> None:
    finetune(llama, labels_of(AutoTokenizer.from_pretrained(llama)), tmp_path, replace(FAST, epochs=1), report=silent)
    path = tmp_path / "adapter_model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    with pytest.raises(LoadError, match="its card is of"):
        load(str(llama), str(tmp_path))


def test_mixed_answers_are_learnt_beside_the_labels(llama: Path, tmp_path: Path) -> None:
    import torch

    tokenizer = AutoTokenizer.from_pretrained(llama)
    file = tmp_path / "replay.jsonl"
    file.write_text("".join(json.dumps({"prompt": f"Say {w}.", "response": f"I say {w}."}) + "\n" for w in WORDS))
    exchanges = read_exchanges(file, tokenizer)
    recipe = replace(FAST, epochs=12, mixed=0.5)
    losses = {}
    for name, mixtures in (("with", [exchanges]), ("without", [])):
        out = tmp_path / name
        finetune(llama, labels_of(tokenizer), out, recipe, mixtures=mixtures, report=silent)
        reader = load(str(llama), str(out)).engine.reader  # pyright: ignore[reportAttributeAccessIssue]
        with torch.inference_mode():
            ids = torch.tensor([exchanges[0].token_ids], device=reader.device)
            targets = ids.clone()
            targets[:, : exchanges[0].num_prompt] = -100
            losses[name] = reader(input_ids=ids, labels=targets).loss.item()
    assert losses["with"] < losses["without"] / 2


@pytest.mark.parametrize(("share", "sets"), [(0.25, 2), (0.5, 3)])
def test_the_schedule_keeps_the_share_and_loses_no_label_step(share: float, sets: int) -> None:
    lengths = [np.full(40, 10)] * sets
    plan = schedule(lengths, share, steps=30, tokens=100, processes=2, seed=1)
    others = [s.source for s in plan if s.source]
    assert len(others) == round(share * len(plan)) and len(plan) - len(others) == 30
    assert set(others) == set(range(1, sets)) and all(len(s.indices) == 2 for s in plan)
    again = schedule(lengths, share, steps=30, tokens=100, processes=2, seed=1)
    assert [s.source for s in again] == [s.source for s in plan]


@pytest.mark.parametrize("text", ["", "{}\n", '{"prompt": "a", "response": ""}\n', "[1]\n", "no json\n"])
def test_a_file_without_exchanges_is_refused(text: str, tmp_path: Path, tiny_tokenizer: Any) -> None:
    (tmp_path / "f.jsonl").write_text(text)
    with pytest.raises(MixtureError, match="f.jsonl"):
        read_exchanges(tmp_path / "f.jsonl", tiny_tokenizer)


def test_exchanges_are_read_with_a_byte_order_mark_and_a_line_separator(tmp_path: Path, tiny_tokenizer: Any) -> None:
    file = tmp_path / "f.jsonl"
    rows = [json.dumps({"prompt": "a\u2028b", "response": text}, ensure_ascii=False) for text in ("c\u2028d", "e\x85f")]
    file.write_text("\n\n".join(rows), encoding="utf-8-sig")
    assert len(read_exchanges(file, tiny_tokenizer)) == 2
    file.write_text("\n\n".join([*rows, "no json"]), encoding="utf-8-sig")
    with pytest.raises(MixtureError, match="f.jsonl:5"):
        read_exchanges(file, tiny_tokenizer)


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
