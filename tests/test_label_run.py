"""A labelling run on disk: killed at any point it comes out the same, and what it leaves is what the world can read."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from estimator.engines.base import EngineError
from estimator.engines.scripted import ScriptedEngine
from tests.label_double import SETTINGS, asked, files, run_in
from training import atomic
from training.label_run import RunError
from training.labels import data_hash, read_labels

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("made") / "labels"
    run_in(out).run()
    return out


def test_killed_ten_times_at_random_points_nothing_is_lost_and_nothing_twice(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    command = [sys.executable, "-m", "tests.label_double", str(whole), str(killed), "10", "3"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    ends = ast.literal_eval(done.stdout)
    assert ends == [-9] * 10 + [0], ends
    assert files(killed) == files(whole)


def test_cut_off_before_any_file_takes_its_place(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if killed between writing and renaming each file in turn, the last ones included."""
    replace = os.replace

    class CutOff(BaseException):
        pass

    def cut_at(last: int) -> None:
        numbers = iter(range(1, last))

        def replaced(*paths: Any) -> None:
            if next(numbers, None) is None:
                raise CutOff
            replace(*paths)

        monkeypatch.setattr(atomic.os, "replace", replaced)

    for cut_offs in range(20):
        cut_at(cut_offs + 1)
        try:
            run_in(tmp_path / "labels").run()
        except CutOff:
            continue
        break
    assert cut_offs >= 7
    assert files(tmp_path / "labels") == files(made)


def test_a_finished_run_is_not_run_again(made: Path) -> None:
    before, run = files(made), run_in(made)
    report = run.run()
    assert isinstance(run.engine, ScriptedEngine) and run.engine.calls == 0
    assert files(made) == before and report == json.loads((made / "report.json").read_text())


@pytest.mark.parametrize(
    ("change", "named"), [({"k": 5}, "k 4 there, 5 here"), ({"seed": 1}, "seed 0 there"), ({"count": 9}, "questions 16 there")]
)
def test_other_settings_are_refused_and_named(made: Path, change: dict[str, int], named: str) -> None:
    before, changed = files(made), dict[str, Any](change)
    with pytest.raises(RunError, match=named):
        run_in(made, **changed).run()
    assert files(made) == before


def test_a_folder_with_something_else_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("x")
    with pytest.raises(RunError, match="not empty"):
        run_in(tmp_path).run()


def test_datasets_opens_it_and_no_question_is_in_both_splits(made: Path, tmp_path: Path) -> None:
    from datasets import load_dataset

    opened: Any = load_dataset(str(made), cache_dir=str(tmp_path))
    assert set(opened) == {"train", "held_out"}
    rows = [*opened["train"], *opened["held_out"]]
    assert len(rows) == len(read_labels(made)) and all(r["split"] == s for s in opened for r in opened[s])
    assert not {r["question"] for r in opened["train"]} & {r["question"] for r in opened["held_out"]}
    assert {r["question"] for r in rows} == {q.text for q in asked()}
    one: Any = load_dataset("parquet", data_files=str(made / "data" / "train.parquet"), cache_dir=str(tmp_path), split="train")
    assert one.to_list() == opened["train"].to_list()


def test_report_counts_and_hash_are_those_of_the_rows(made: Path) -> None:
    rows, report = read_labels(made), json.loads((made / "report.json").read_text())
    assert report["data_hash"] == data_hash(rows)
    assert report["samples"]["drawn"] <= report["samples"]["bound"] == 4 * (1 + 2 * 2) * 16
    assert report["points"] == sum(len(r.points) for r in rows)
    for kind, figures in report["kinds"].items():
        counted = [c / k for r in rows if r.kind == kind and r.source == "monte_carlo" for _, c, k in r.points]
        assert figures["points"] == len(counted) == sum(figures["histogram"])
        assert figures["mean"] == pytest.approx(sum(counted) / len(counted))
    for word in (report["data_hash"], report["questions_hash"], "base b", "seed 0", "split: held_out"):
        assert word in (made / "README.md").read_text()


def test_every_question_is_labelled_once_with_all_its_samples_and_complete_answers_are_balanced(made: Path) -> None:
    rows = read_labels(made)
    counted = [r for r in rows if r.source == "monte_carlo" and r.points[0][0] == r.num_prompt_tokens]
    assert Counter(r.question_id for r in counted) == {q.id: 1 for q in asked()}
    assert all(r.points[0][2] == SETTINGS.k for r in counted)
    complete = Counter((r.question_id, r.points[0][1]) for r in rows if r.source == "complete")
    assert set(complete.values()) == {1}  # of at most two a question, one right and one wrong
    assert len({(r.question_id, r.source, r.token_ids, r.points) for r in rows if r.source != "sampled"}) == sum(
        r.source != "sampled" for r in rows
    )


def test_llama_factory_gets_the_papers_instruction_with_the_stated_confidence(made: Path) -> None:
    folder = made / "llama_factory"
    info, rows = json.loads((folder / "dataset_info.json").read_text()), read_labels(made)
    assert {i["formatting"] for i in info.values()} == {"sharegpt"}
    turns = [json.loads(x)["messages"] for i in info.values() for x in (folder / i["file_name"]).read_text().splitlines()]
    assert len(turns) == sum(len(r.points) for r in rows)
    for user, assistant in turns:
        assert (user["role"], assistant["role"]) == ("user", "assistant")
        assert user["content"].startswith("Below is a question and some steps: Question: What is ")
        assert 0 <= float(assistant["content"].removeprefix("Conf:")) <= 1


def test_an_engine_without_hidden_states_needs_a_named_model(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="--embed"):
        run_in(tmp_path / "labels", ScriptedEngine).run()
    report = run_in(tmp_path / "one", ScriptedEngine, k=0, one_sample=2).run()
    assert set(report["sources"]) == {"sampled", "complete"}


def test_partial_answers_can_be_compared_by_a_sentence_model(tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizer

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "aaa", "bbb", "ccc", "so", *"0123"]
    (tmp_path / "vocab.txt").write_text("\n".join(words))
    tokenizer = BertTokenizer(str(tmp_path / "vocab.txt"))
    sizes: dict[str, Any] = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    BertModel(BertConfig(vocab_size=len(words), **sizes)).save_pretrained(tmp_path / "bert")
    tokenizer.save_pretrained(tmp_path / "bert")
    word_vectors = Transformer(str(tmp_path / "bert"))
    SentenceTransformer(modules=[word_vectors, Pooling(16)]).save(str(tmp_path / "model"))
    run = run_in(tmp_path / "labels", ScriptedEngine, embed=str(tmp_path / "model"))
    assert run.run()["sources"]["monte_carlo"] >= 16
    with pytest.raises(EngineError, match="no sentence-transformers model"):
        run_in(tmp_path / "none", ScriptedEngine, embed=str(tmp_path / "missing")).run()
    began = time.monotonic()
    with pytest.raises(EngineError, match="no sentence-transformers model 'of-nobody'"):
        run_in(tmp_path / "nobody", ScriptedEngine, embed="of-nobody").run()
    assert time.monotonic() - began < 20, "told at once"
