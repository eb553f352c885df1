"""``controller train``: what it makes, what it prints, and what it refuses."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from controller.settings import load_settings
from controller.training import FITTED_ON
from estimator.artefacts import COMBINER, model_hash
from estimator.loading import load
from tests.cli_double import invoke
from tests.training_data import answer_to, labels_of, save_base
from training import labelling
from training.combine import labelled_prefixes
from training.labelling import sample_answers
from training.labels import write_labels

QUICK = ("--processes", "1", "--epochs", "1", "--rank", "4", "--dropout", "0.1", "--tokens-per-step", "800", "--every", "1")


@pytest.fixture(scope="module")
def made(tiny_tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A base, and labels that were made with it."""
    folder = tmp_path_factory.mktemp("train")
    base = save_base(folder / "base", "qwen3", tiny_tokenizer)
    rows = labels_of(AutoTokenizer.from_pretrained(base))
    write_labels(folder / "labels.parquet", rows, {"hashes": {"base": model_hash(base)}})
    return base, folder / "labels.parquet"


def train(made: tuple[Path, Path], out: Path, *more: Any, data: Path | None = None) -> Any:
    return invoke("train", data or made[1], "--out", out, "--model", made[0], *QUICK, *more)


def test_it_makes_an_estimator_for_each_seed_and_says_so_as_json(made: tuple[Path, Path], tmp_path: Path) -> None:
    done = train(made, tmp_path / "out", "--seeds", "3,4", "--json")
    assert done.exit_code == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["technique"] == "soft" and report["base"] == model_hash(made[0])
    assert [a["seed"] for a in report["adapters"]] == [3, 4] and not any(a["combined"] for a in report["adapters"])
    assert "step 1/" in done.stderr and "ece" in done.stderr
    first, second = (Path(a["path"]) for a in report["adapters"])
    assert model_hash(first) != model_hash(second)
    assert json.loads((first / "adapter_config.json").read_text())["lora_dropout"] == 0.1
    assert load_settings(None, model=str(made[0])).model == load(str(made[0]), str(first)).model
    again = train(made, tmp_path / "out", "--seeds", "3,4", "--resume", "--json")
    assert again.exit_code == 0 and json.loads(again.stdout) == report


def test_with_questions_it_is_a_complete_estimator(
    made: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(labelling, "is_correct", lambda question, text: len(text) % 2 == 0)
    monkeypatch.setattr("controller.training.ORACLE", 4)
    asked = [{"question": f"What is {n} times 2?", "answer": 2 * n} for n in range(30)]
    (tmp_path / "q.jsonl").write_text("\n".join(map(json.dumps, asked)))
    done = train(made, tmp_path / "out", "--technique", "value-head", "--combine", tmp_path / "q.jsonl", "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["adapters"][0]["combined"]
    loaded = load(str(made[0]), str(tmp_path / "out"))
    assert not loaded.warnings and loaded.scorer.name == "finece"
    answer = answer_to(AutoTokenizer.from_pretrained(made[0]), 7, "sheep")
    assert all(0 <= c.value <= 1 for c in loaded.scorer.score([answer.upto(i) for i in range(3)]))


def test_going_on_with_other_questions_fits_the_combination_again(
    made: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(labelling, "is_correct", lambda question, text: len(text) % 2 == 0)
    monkeypatch.setattr("controller.training.ORACLE", 4)
    for name, factor in (("a", 2), ("b", 3)):
        asked = [{"question": f"What is {n} times {factor}?", "answer": factor * n} for n in range(30)]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, asked)))
    out = tmp_path / "out"

    def combined_on(name: str, *more: str) -> tuple[bytes, bool]:
        """The combination there is, and whether it is said to have been fitted again."""
        done = train(made, out, "--combine", tmp_path / f"{name}.jsonl", *more, "--json")
        assert done.exit_code == 0 and json.loads(done.stdout)["adapters"][0]["combined"], done.stderr
        return (out / COMBINER).read_bytes(), "is fitted again" in done.stderr

    first, _ = combined_on("a")
    adapter = model_hash(out)
    assert combined_on("a", "--resume") == (first, False)
    other, again = combined_on("b", "--resume")
    assert other != first and again
    (out / FITTED_ON).unlink()  # as in an estimator of an earlier version
    assert combined_on("b", "--resume") == (other, True)
    (out / COMBINER).write_bytes(first)  # a record of another combination says nothing of this one
    assert combined_on("b", "--resume") == (other, True)
    assert combined_on("b", "--resume") == (other, False)
    assert model_hash(out) == adapter and not load(str(made[0]), str(out)).warnings


def test_answers_that_are_all_wrong_combine_nothing_and_lose_nothing(made: tuple[Path, Path], tmp_path: Path) -> None:
    asked = [{"question": f"What is {n} times 2?", "answer": "never"} for n in range(30)]
    (tmp_path / "q.jsonl").write_text("\n".join(map(json.dumps, asked)))
    done = train(made, tmp_path / "out", "--combine", tmp_path / "q.jsonl")
    assert done.exit_code == 1 and "sampled answers are wrong" in done.stderr
    assert load(str(made[0]), str(tmp_path / "out")).scorer.name == "adapter"


def test_a_question_that_no_context_holds_is_named_before_anything_is_trained(made: tuple[Path, Path], tmp_path: Path) -> None:
    asked = [{"question": f"What is {n} times 2?", "answer": "4"} for n in range(30)]
    asked[7]["question"] = "What is 3 times 2? " * 900
    (tmp_path / "q.jsonl").write_text("\n".join(map(json.dumps, asked)))
    done = train(made, tmp_path / "out", "--combine", tmp_path / "q.jsonl")
    assert done.exit_code == 2 and "question 8 of 30 ('q-7') is too long for the context" in done.stderr
    assert not (tmp_path / "out").exists()


def test_the_combination_is_fitted_on_answers_drawn_as_the_labels_were(
    made: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(labelling, "is_correct", lambda question, text: len(text) % 2 == 0)
    monkeypatch.setattr("controller.training.ORACLE", 4)
    drawn = {"temperature": 0.7, "max_tokens": 24, "position": "periodic:5"}
    rows = labels_of(AutoTokenizer.from_pretrained(made[0]))
    write_labels(tmp_path / "labels.parquet", rows, {"hashes": {"base": model_hash(made[0])}, "settings": drawn})
    asked = [{"question": f"What is {n} times 2?", "answer": "never"} for n in range(30)]
    (tmp_path / "q.jsonl").write_text("\n".join(map(json.dumps, asked)))
    seen: list[tuple[str, Any]] = []

    def watched(call: Any, **names: int) -> Any:
        def inner(*args: Any, **options: Any) -> Any:
            seen.extend((name, options[name] if name in options else args[at]) for name, at in names.items())
            return call(*args, **options)

        return inner

    monkeypatch.setattr("controller.training.sample_answers", watched(sample_answers, sampling=4, position=5))
    monkeypatch.setattr("controller.training.labelled_prefixes", watched(labelled_prefixes, sampling=2))
    train(made, tmp_path / "out", "--combine", tmp_path / "q.jsonl", data=tmp_path / "labels.parquet")
    assert [(name, str(value)) for name, value in seen if name == "position"] == [("position", "periodic:5")]
    samplings = [value for name, value in seen if name == "sampling"]
    assert [(s.temperature, s.max_tokens) for s in samplings] == [(0.7, 24)] * 3  # the answers, and each half's completions


def refused(done: Any, code: int, match: str) -> None:
    assert done.exit_code == code, done.stderr
    assert match in done.stderr and "Traceback" not in done.stderr and done.stdout == ""


def test_what_is_wrong_with_the_data_is_said(made: tuple[Path, Path], tmp_path: Path, tiny_tokenizer: Any) -> None:
    refused(train(made, tmp_path / "out", data=tmp_path / "none"), 2, "controller label makes them")
    (tmp_path / "text.parquet").write_text("no parquet")
    refused(train(made, tmp_path / "out", data=tmp_path / "text.parquet"), 2, "holds no labels")
    (tmp_path / "folder").mkdir()
    refused(train(made, tmp_path / "out", data=tmp_path / "folder"), 2, "no labels in")
    write_labels(tmp_path / "empty.parquet", [])
    refused(train(made, tmp_path / "out", data=tmp_path / "empty.parquet"), 2, "no labelled text")
    write_labels(tmp_path / "foreign.parquet", labels_of(tiny_tokenizer))  # another chat template
    refused(train(made, tmp_path / "out", data=tmp_path / "foreign.parquet"), 2, "made with another model")
    rows = labels_of(AutoTokenizer.from_pretrained(made[0]))
    write_labels(tmp_path / "twin.parquet", rows, {"hashes": {"base": "0123456789abcdef"}})
    refused(train(made, tmp_path / "out", data=tmp_path / "twin.parquet"), 2, "--transfer")
    assert not (tmp_path / "out").exists()


def test_a_folder_in_use_is_not_written_over(made: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    refused(train(made, out, "--resume"), 2, "nothing to resume")
    assert train(made, out).exit_code == 0
    before = model_hash(out)
    refused(train(made, out), 2, "--resume goes on, --overwrite replaces it")
    refused(train(made, out, "--resume", "--overwrite"), 2, "give one of them")
    refused(train(made, out, "--resume", "--technique", "ift"), 2, "another base, data or recipe")
    assert train(made, out, "--resume").exit_code == 0 and model_hash(out) == before
    assert train(made, out, "--overwrite", "--seeds", "9").exit_code == 0 and model_hash(out) != before
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").write_text("mine")
    refused(train(made, tmp_path / "other", "--overwrite"), 2, "other files")
    assert (tmp_path / "other" / "mine.txt").read_text() == "mine"
    several = tmp_path / "several"
    (several / "seed-6").mkdir(parents=True)
    (several / "seed-6" / "notes.txt").write_text("mine")
    shutil.copytree(out, several / "seed-5")
    refused(train(made, several, "--overwrite", "--seeds", "5,6"), 2, "seed-6 holds other files")
    assert model_hash(several / "seed-5") == model_hash(out)
    (tmp_path / "mix.jsonl").write_text("no JSON")
    before = model_hash(out)
    refused(train(made, out, "--overwrite", "--replay", tmp_path / "mix.jsonl"), 2, "mix.jsonl:1")
    assert model_hash(out) == before
    (tmp_path / "killed").mkdir()  # while it wrote its first checkpoint
    (tmp_path / "killed" / ".checkpoint.pt.partial").write_text("half")
    assert train(made, tmp_path / "killed").exit_code == 0
    (tmp_path / "file").write_text("")
    refused(train(made, tmp_path / "file" / "out"), 1, "cannot write")


def test_what_else_lies_in_an_estimators_folder_is_never_lost(
    made: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    assert train(made, out).exit_code == 0
    before = model_hash(out)
    asked = [{"question": f"What is {n} times 2?", "answer": 2 * n} for n in range(30)]
    questions, labels, policy = out / "q.jsonl", out / "labels", out / "policy.toml"
    questions.write_text("\n".join(map(json.dumps, asked)))
    refused(train(made, out, "--overwrite", "--combine", questions), 2, "beside the estimator (q.jsonl)")
    questions.rename(tmp_path / "q.jsonl")
    (labels / "data").mkdir(parents=True)
    shutil.copy(made[1], labels / "data" / "train.parquet")
    policy.write_text("accept = 0.4\n")
    monkeypatch.chdir(out)
    for folder in (out, Path("."), Path("../out")):
        refused(train(made, folder, "--overwrite", data=Path("labels")), 2, "beside the estimator (labels and 1 more)")
    assert (labels / "data" / "train.parquet").exists() and policy.exists() and model_hash(out) == before
    labels.rename(tmp_path / "labels")
    policy.unlink()
    done = train(made, Path("."), "--overwrite", "--seeds", "9", data=Path("../labels"))
    assert done.exit_code == 0 and model_hash(out) != before


@pytest.mark.parametrize(
    ("more", "match"),
    [
        (("--technique", "magic"), "unknown technique"),
        (("--seeds", "1,x"), "no list of different seeds"),
        (("--seeds", "1,01"), "no list of different seeds"),
        (("--seeds", "9" * 40), "no list of different seeds"),
        (("--replay", "nowhere.jsonl"), "nowhere.jsonl"),
        (("--combine", "nowhere.jsonl"), "nowhere.jsonl"),
        (("--epochs", "inf"), "--epochs"),
        (("--epochs", "nan"), "--epochs"),
        (("--lr", "inf"), "--lr"),
        (("--lr", "nan"), "--lr"),
        (("--dropout", "nan"), "--dropout"),
        (("--mixed", "nan", "--replay", "nowhere.jsonl"), "--mixed is a share"),
        (("--mixed", "3"), "give --replay or --general"),
    ],
)
def test_options_that_make_no_sense_are_named(made: tuple[Path, Path], tmp_path: Path, more: Any, match: str) -> None:
    refused(train(made, tmp_path / "out", *more), 2, match)


def test_questions_that_were_trained_on_are_no_test(made: tuple[Path, Path], tmp_path: Path) -> None:
    asked = [{"question": f"How many {'pens' if n % 2 else 'sheep'} are {n} and 3?", "answer": n + 3} for n in range(30)]
    (tmp_path / "q.jsonl").write_text("\n".join(map(json.dumps, asked)))
    refused(train(made, tmp_path / "out", "--combine", tmp_path / "q.jsonl"), 2, "were trained on")
