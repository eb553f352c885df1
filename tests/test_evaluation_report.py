"""The report's files, made from rows that need no model."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from estimator.types import Answer, Question, Segment, StopReason
from training.evaluation.cases import Cases, spread
from training.evaluation.methods import Measured
from training.evaluation.rows import row
from training.evaluation.tables import accepted, curves, drift, look_ahead
from training.evaluation.tables.main import table_rows
from training.evaluation.tables.stopping import stopping_rows
from training.labelling import Sampled
from training.report import write_report
from training.report.findings import findings
from training.report.markdown import markdown
from training.report.page import page
from training.report.pictures import PICTURES, pictures
from training.report.tables import all_tables

HOSTILE = "<script>alert(1)</script>|\x1b[31m"


def cases(
    kinds: tuple[str, ...] = ("arithmetic", "fact"), right: float = 0.5, paragraphs: int = 3, questions: int = 80
) -> Cases:
    """Answers of at most ``paragraphs`` paragraphs before the last, of which the share ``right`` ended right."""
    made = []
    for i in range(80):
        stops = [StopReason.POSITION] * (min(i % 3 + 1, paragraphs)) + [StopReason.END]
        parts = tuple(Segment((1, 2), (-0.1, -0.2), (0.5, 0.5), stop) for stop in stops)
        asked = Question(f"question {i % questions}", kind=kinds[i % len(kinds)])
        made.append(Sampled(asked, Answer((9,), parts), i % 8 < 8 * right))
    return spread(made, [i % 3 for i in range(80)])


def measured(name: str, cases: Cases, skill: float, *, samples: bool = False, probability: bool = True) -> Measured:
    """Confidences that know how an answer ends in ``skill`` of cases."""
    rng = np.random.default_rng(len(name))
    knows = rng.random(len(cases.spots)) < skill
    values = np.where(knows, 0.2 + 0.6 * cases.correct, 0.5)
    tokens = np.full(len(values), 900.0 if samples else 40.0)
    return Measured(name, "somebody 2024", probability, samples, values, values, values, tokens, tokens / 1000)


def report(
    ours: float = 0.9, rival: float = 0.3, kinds: tuple[str, ...] = ("arithmetic", "fact"), **answers: Any
) -> dict[str, Any]:
    made = cases(kinds, **answers)
    methods = (
        measured("FineCE (adapter)", made, ours - 0.1),
        measured("FineCE", made, ours),
        measured("LECO", made, rival, probability=False),
        measured("FineCE (1 draft)", made, 1.0, samples=True),
        measured("Self-consistency (k = 30)", made, 0.8, samples=True),
    )
    oracle = measured("oracle", made, 1.0, samples=True)
    evidence: Any = SimpleNamespace(
        cases=made, methods=methods, oracle=oracle, finece=methods[:2], kinds=("all", *kinds), plan=SimpleNamespace(draws=20)
    )
    rows = list(table_rows(made, (*methods, oracle), ("all", *kinds), 20, oracle.raw))
    rows += [r | {"table": "more"} for r in table_rows(made, methods[:3], ("all", *kinds), 20)]
    rows += curves.rows(evidence) + drift.rows(evidence) + accepted.rows(evidence)
    rows += stopping_rows("test", made, [*methods[:3], oracle], ("all", *kinds), 20)
    for width, depth in ((0, 0), (1, 1), (2, 1)):
        own = {
            "ece": 0.05,
            "width": width,
            "depth": depth,
            "alpha": 0.5 if depth else None,
            "ece_oracle": 0.04,
            "chosen": width == 2,
        }
        own |= {"ece_change": -0.01, "ece_change_low": -0.03, "ece_change_high": 0.01, "tokens": 9.0, "auroc": 0.8}
        own |= {"auroc_change": 0.02, "auroc_change_low": 0.01, "auroc_change_high": 0.03}
        rows.append(row("bci", "all", f"w={width}, d={depth}", "FineCE", 40, **own))
    meta = {
        "model": "embedded",
        "estimator": "embedded",
        "hashes": {"base": "b", "adapter": "a"},
        "plan": {"seeds": [1, 2, 3]},
        "questions": dict.fromkeys(kinds, 40),
        "answers": 80,
        "unfinished": 0,
        "methods": {m.name: m.source for m in (*methods, oracle)},
        "left_out": {"P(IK)": "it needs hidden states"},
        "seconds": 60.0,
    }
    return {"meta": meta, "rows": rows}


def test_the_three_files_are_written_and_the_json_is_the_report(tmp_path: Path) -> None:
    made = report()
    assert sorted(p.name for p in write_report(made, tmp_path)) == sorted(p.name for p in tmp_path.iterdir())
    assert json.loads((tmp_path / "report.json").read_text()) == made


@pytest.mark.parametrize("answers", [{"right": 0.0}, {"right": 1.0}, {"paragraphs": 0}, {"right": 0.0, "paragraphs": 0}])
def test_answers_that_all_end_alike_or_have_one_paragraph_make_a_report_too(answers: dict[str, Any], tmp_path: Path) -> None:
    made = report(**answers)
    assert len(write_report(made, tmp_path)) == 3


def test_a_kind_of_which_no_answer_ended_has_no_drift() -> None:
    made = cases(("arithmetic",))
    assert drift.change_rows("fact", measured("FineCE", made, 0.9), made, 20) == []
    assert len(look_ahead.first_spots(Cases(()), 5)) == 0


def test_noise_is_told_only_where_answers_are_to_different_questions() -> None:
    def floors(questions: int) -> list[Any]:
        rows = report(questions=questions)["rows"]
        return [r["ece_floor"] for r in rows if (r["table"], r["kind"], r["method"]) == ("outcome", "all", "FineCE")]

    assert floors(80)[0] > 0 and floors(40) == [None]


@cache
def shown() -> str:
    """The page of the report as it comes; its pictures take seconds to draw."""
    return page(report())


def test_the_page_needs_nothing_else() -> None:
    text = shown()
    assert not re.search(r"<script|<link|<img|@import|url\((?!#)|(?:src|href)=\"(?!#)", text)
    assert text.count("<svg") == len(PICTURES)
    assert "prefers-color-scheme: dark" in text


def test_pictures_follow_the_page_in_light_and_dark() -> None:
    for title, _, svg in pictures(report()):
        fixed = set(re.findall(r"#[0-9a-fA-F]{6}\b", svg))
        assert not fixed, f"{title} has colours of its own: {fixed}"
        assert "var(--ink)" in svg and "<text" in svg


def test_the_same_report_gives_the_same_page() -> None:
    assert page(report()) == shown()


def test_text_from_elsewhere_is_shown_and_not_obeyed() -> None:
    made = report(kinds=("arithmetic", HOSTILE))
    text, lines = page(made), markdown(made).splitlines()
    assert "<script" not in text and "&lt;script&gt;" in text
    assert not any("<script" in line or "\x1b" in line for line in lines)
    for header, rule in zip(lines, lines[1:], strict=False):
        if rule.startswith("|---"):
            assert len(re.findall(r"(?<!\\)\|", header)) == rule.count("|")


def test_a_method_that_is_missing_is_missing_for_a_reason() -> None:
    for text in (shown(), markdown(report())):
        assert "left out: it needs hidden states" in text


def test_drafts_are_ours_and_stand_beside_the_best_method_that_samples() -> None:
    said = [line for line in findings(report()) if "best method that samples, " in line]
    assert len(said) == 4 and all("best method that samples, Self-consistency (k = 30), has AUROC" in line for line in said)
    assert all(", FineCE (1 draft) 1.000 for 900 tokens." in line for line in said)


def test_the_papers_form_is_told_apart_against_the_papers_baselines() -> None:
    def said(ours: float, rival: float) -> str:
        [line] = [line for line in findings(report(ours, rival)) if line.startswith("The adapter alone")]
        return line

    assert "in AUROC in 15 of 15 cells" in said(0.9, 0.3)
    assert "in AUROC in 0 of 15 cells" in said(0.2, 0.9)


def test_more_answers_are_told_with_their_number_and_their_noise() -> None:
    said = [line.removeprefix("On 80 more answers: ") for line in findings(report()) if line.startswith("On 80 more answers: ")]
    assert said[0].startswith("FineCE is ahead") and "in 15 of 15 cells" in said[0]
    assert said[-1].startswith("ECE against how the answers ended") and "(a perfect one: " in said[-1]
    titles = [table.title for table in all_tables(report())]
    assert "More answers (80), after the question" in titles


def test_looking_ahead_is_told_by_the_shape_that_held_out_answers_chose() -> None:
    [said] = [line for line in findings(report()) if line.startswith("Looking ahead")]
    assert "(w=2, d=1, 9 more tokens) does not lower the ECE" in said and "-1.0 % (-3.0 to +1.0)" in said
    assert "ranks better (AUROC +2.0 % (+1.0 to +3.0))" in said


def test_every_row_of_a_main_table_is_shown() -> None:
    made = report()
    for table in all_tables(made):
        assert all(len(line) == len(table.header) for line in table.cells)
    shown = markdown(made)
    for r in made["rows"]:
        if r["table"] in ("question", "process", "outcome") and r["auroc"] is not None:
            assert f"| {r['method']}" in shown or f"**{r['method']}**" in shown


@pytest.mark.parametrize(
    ("ours", "rival", "said"),
    [
        (0.95, 0.1, "in 15 of 15 cells, in 15 of"),
        (0.1, 0.95, "in 0 of 15 cells, in 0 of them by more than the intervals; not for all at"),
    ],
)
def test_the_sentences_say_who_won(ours: float, rival: float, said: str) -> None:
    [auroc] = [line for line in findings(report(ours, rival)) if "in AUROC" in line and line.startswith("FineCE")]
    assert said in auroc


def test_the_brier_score_judges_everybody_and_claims_no_interval() -> None:
    """What is no probability is judged after Platt scaling, as its ECE is."""
    [said] = [line for line in findings(report(0.95, 0.1)) if line.startswith("FineCE is ahead") and "Brier" in line]
    assert said.endswith("in Brier score in 15 of 15 cells.")
    [said] = [line for line in findings(report(0.1, 0.95)) if line.startswith("FineCE is ahead") and "Brier" in line]
    assert "in Brier score in 0 of 15 cells; not for all at question (LECO)" in said


def test_calibration_is_shown_against_outcomes_and_against_the_oracles_shares() -> None:
    """A score that says exactly what the oracle found is as noisy as any against outcomes, and has no error against shares."""
    made = cases(("arithmetic",))
    shares = np.linspace(0.05, 0.95, len(made.spots))
    exact = Measured("FineCE", "us", True, False, shares, shares, shares, shares, shares)
    oracle = Measured("oracle", "us", True, True, shares.copy(), shares, shares, shares, shares)
    ours, limit = list(table_rows(made, (exact, oracle), ("arithmetic",), 20, oracle.raw))[:2]
    assert ours["ece_oracle"] == ours["ece_oracle_high"] == 0 and ours["ece"] > 0.05
    assert "ece_oracle" not in limit, "the oracle is not compared with itself"


def test_it_says_what_giving_up_early_saves_and_beside_what() -> None:
    said = [line for line in findings(report()) if line.startswith("Giving up answers early")]
    assert len(said) == 2 and all("by FineCE, " in line and "by LECO, the best other" in line for line in said)
