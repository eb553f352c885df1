"""The recipe of the shipped estimator: what it holds out says something about items that it has not seen."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from estimator.artefacts import COMBINER
from estimator.calibration import read_combiner
from estimator.loading import embedded_dir, local_engine
from training import embedded, pretrain
from training.embedded import Amounts, fit_intervals, fit_rows, hold_out_items, weigh_opinions
from training.labels import HELD_OUT, TRAIN, Labelled
from training.questions import questions, unanswerable


def test_no_item_is_on_both_sides_in_whatever_words_it_is_asked() -> None:
    asked = [q for kind in ("fact", "choice", "arithmetic") for q in questions(kind, "train", 400, 3)]
    rows = [Labelled(q.id, q.kind, "sampled", (n,), ((1, 1, 1),)) for n, q in enumerate(asked)]
    split = hold_out_items(rows, 0.2, seed=1)
    assert [r.token_ids for r in split] == [r.token_ids for r in rows]
    held, kept = ({_turns_on(r.question_id) for r in split if r.split == side} for side in (HELD_OUT, TRAIN))
    assert not held & kept
    assert 0.15 < len(held) / len(held | kept) < 0.25
    assert len(held) < sum(r.split == HELD_OUT for r in split)  # some items are asked more than once


def _turns_on(question_id: str) -> str:
    """The fact, without its phrasing; a word problem is one of its own."""
    name = question_id.partition("@")[0].partition("#")[0]
    return question_id if name == "arithmetic" else name


def test_no_question_without_an_answer_is_learnt_from_and_asked_in_a_test() -> None:
    amounts = Amounts()
    learnt = {q.text for q in unanswerable("train", amounts.unanswerable, amounts.seed)}
    learnt |= {q.text for q in unanswerable("fit", amounts.fit_unanswerable, amounts.seed)}
    asked = [q.text for q in unanswerable("test", 500, 83)]
    assert not learnt & set(asked) and len(set(asked)) > 450


def test_what_takes_long_is_not_lost_for_want_of_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["embedded", "questions", "--runs", str(tmp_path / "new" / "runs")])
    embedded.main()
    assert (tmp_path / "new" / "runs" / "tuning.jsonl").read_text()


def test_the_base_is_not_trained_on_top_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / pretrain.WEIGHTS).touch()
    monkeypatch.setattr(sys, "argv", ["pretrain", "--out", str(tmp_path)])
    with pytest.raises(SystemExit):
        pretrain.main()
    assert "holds weights already" in capsys.readouterr().err


def test_further_answers_to_what_it_cannot_solve_count_where_they_end(tmp_path: Path) -> None:
    asked = ["Liz ran 13 km on each of 3 days. How far?", "Max has 4 boxes of 12 pens. How many pens?"]
    file = tmp_path / "hard.jsonl"
    file.write_text("".join(json.dumps({"question": q, "answer": "So it is\n#### 7"}) + "\n" for q in asked))
    engine = local_engine(embedded_dir() / "base", None, None, name="embedded")
    amounts = Amounts(gsm8k=0, fit=(5, 4, 4), fit_answers=2, fit_oracle=3, oracle_k=2, fit_unanswerable=2, fit_gsm8k_answers=7)
    prompts = [engine.prompt_ids(q) for q in asked]
    rows = [answer for answer, _, _ in fit_rows(engine, amounts, file) if answer.prompt_ids in prompts]
    assert sum(not answer.segments for answer in rows) == 2 * amounts.fit_answers
    assert sum(answer.finished for answer in rows) == 2 * amounts.fit_gsm8k_answers


def test_weights_of_second_opinions_are_put_beside_the_combination_and_change_nothing_else(tmp_path: Path) -> None:
    adapter = tmp_path / "adapter"
    shutil.copytree(embedded_dir() / "adapter", adapter)
    before = read_combiner(adapter / COMBINER)
    weigh_opinions(embedded_dir() / "base", adapter, Amounts(fit=(60, 30, 30), most_opinions=2))
    after = read_combiner(adapter / COMBINER)
    assert set(after.opinions) == {1, 2} != set(before.opinions)
    assert after.model_copy(update={"opinions": before.opinions}) == before


def test_intervals_are_fitted_anew_and_confidences_stay(tmp_path: Path) -> None:
    adapter = tmp_path / "adapter"
    shutil.copytree(embedded_dir() / "adapter", adapter)
    before = read_combiner(adapter / COMBINER)
    fit_intervals(embedded_dir() / "base", adapter, Amounts(intervals=8))
    after = read_combiner(adapter / COMBINER)
    assert after.identity() == before.identity() and after.mass["later"] != before.mass["later"]
