"""The pieces of the evaluation: cases, intervals, recalibration, look-ahead, what is kept of a stopped run."""

from __future__ import annotations

import copy
import gzip
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator import metrics
from estimator.baselines.base import Case
from estimator.positions import Position, PositionKind, break_table, cut, recut
from estimator.types import Answer, Grader, Question, Segment, StopReason
from training.evaluation.cases import PLACES, Cases, spread
from training.evaluation.intervals import auroc_figure, draw_weights, drawn_auroc, ece_figure, mean_figure, percentiles
from training.evaluation.methods import Measured, recalibrate
from training.evaluation.ours import own_methods
from training.evaluation.plan import QUICK, Plan
from training.evaluation.rows import COLUMNS, row
from training.evaluation.run import _asked
from training.evaluation.splits import TooFew, from_questions, generated
from training.evaluation.store import Store
from training.evaluation.tables import drift, look_ahead
from training.evaluation.tables.accuracy import _vote
from training.evaluation.tables.main import floor
from training.evaluation.tables.positions import token_ratios
from training.evaluation.tables.stopping import course_of
from training.labelling import Sampled

RNG = np.random.default_rng(5)


def segment(*token_ids: int, last: bool = False) -> Segment:
    stop = StopReason.END if last else StopReason.POSITION
    return Segment(token_ids, (-0.5,) * len(token_ids), (1.0,) * len(token_ids), stop)


def sampled(text: str, paragraphs: int, correct: bool, kind: str = "arithmetic") -> Sampled:
    parts = tuple(segment(n, n + 1, last=n == paragraphs - 1) for n in range(paragraphs))
    return Sampled(Question(text, kind=kind), Answer((9,), parts), correct)


def many(n: int = 60) -> Cases:
    made = [sampled(f"question {i // 2}", 1 + i % 4, i % 3 == 0, ("fact", "choice")[i % 2]) for i in range(n)]
    return spread(made, [i % 3 for i in range(n)])


@given(st.integers(0, 2**16), st.integers(2, 40), st.booleans())
def test_the_intervals_are_those_of_the_plain_bootstrap(seed: int, n: int, tied: bool) -> None:
    rng = np.random.default_rng(seed)
    confidence = rng.random(n).round(1) if tied else rng.random(n)
    outcome, questions = (rng.random(n) < 0.5).astype(float), rng.integers(0, max(1, n // 2), n)
    for ours, metric in ((ece_figure, metrics.ece), (auroc_figure, metrics.auroc)):
        got, plain = ours(confidence, outcome, questions, 30), metrics.bootstrap(metric, confidence, outcome, questions, 30)
        assert got.value == pytest.approx(plain.value, abs=1e-12, nan_ok=True)
        if math.isfinite(plain.value):
            assert (got.low, got.high) == pytest.approx((plain.low, plain.high), abs=1e-12)


def test_a_change_of_what_is_not_defined_has_no_interval() -> None:
    values, right = np.array([0.2, 0.7, 0.9]), np.ones(3)
    drawn = drawn_auroc(values, right, draw_weights(np.arange(3), 20))
    assert np.isnan(percentiles(drawn - drawn)).all()


def test_an_answer_has_every_place_that_it_can_have() -> None:
    cases = spread([sampled("long", 4, True), sampled("short", 1, False), sampled("two", 2, True)], [0, 0, 0])
    texts = {place: [cases.spots[i].case.question.text for i in cases.where(place)] for place in PLACES}
    assert texts["question"] == texts["complete"] == ["long", "short", "two"]
    assert texts["first"] == texts["penultimate"] == ["long", "two"]
    assert texts["average"] == ["long"] * 3 + ["two"]
    assert [cases.spots[i].written for i in cases.where("penultimate")] == [3, 1]
    assert all(cases.spots[i].state == "complete" for i in cases.where("complete"))


def test_an_answer_whose_tokens_ran_out_is_left_out_and_counted() -> None:
    cut_off = Sampled(Question("endless"), Answer((9,), (Segment((1,), (-1.0,), (0.0,), StopReason.LENGTH),)), False)
    cases = spread([cut_off, sampled("short", 1, True)], [0, 0])
    assert cases.unfinished == 1
    assert {s.case.question.text for s in cases.spots} == {"short"}


def test_an_answer_cut_anew_is_the_same_answer() -> None:
    answer = sampled("long", 5, True).answer
    again = recut(answer, Position(PositionKind.PERIODIC, every=3), break_table(["a"] * 9))
    assert again.token_ids == answer.token_ids and again.finished
    assert [len(s.token_ids) for s in again.segments] == [3, 3, 3, 1]


def test_an_answer_without_entropies_is_not_cut_by_them() -> None:
    whole, table = Segment((1, 2, 3), (-1.0,) * 3, (), StopReason.END), break_table(["a"] * 9)
    assert [len(s.token_ids) for s in cut(whole, Position(PositionKind.PERIODIC, every=2), table)] == [2, 1]
    with pytest.raises(ValueError, match="without entropies"):
        cut(whole, Position(PositionKind.ENTROPY), table)


def test_the_token_ratio_grows_from_nothing_to_all() -> None:
    cases = spread([sampled("long", 4, True)], [0])
    assert token_ratios(cases).tolist() == [0, 0.25, 0.5, 0.75, 1]


def test_recalibration_repairs_what_is_monotone_and_leaves_the_order() -> None:
    cases = spread([sampled(f"q{i}", 1, RNG.random() < i / 400) for i in range(400)], [0] * 400)
    at = cases.where("complete")
    truth = np.full(len(cases.spots), np.nan)
    truth[at] = np.arange(400) / 400
    bent = truth**4 * 0.5
    fixed = recalibrate(bent, cases, bent, cases, logit=True, group=lambda s: s.state)
    assert metrics.ece(fixed[at], cases.correct[at]) < 0.06 < metrics.ece(bent[at], cases.correct[at])
    assert (np.argsort(fixed[at], kind="stable") == np.argsort(bent[at], kind="stable")).all()


def test_a_group_is_recalibrated_by_its_own_kind_alone() -> None:
    cases = many()
    values = np.where([s.case.question.kind == "fact" for s in cases.spots], 0.9, 0.1)
    flipped = cases.correct * np.where(values > 0.5, 1, 0)
    held_out = Cases(tuple(replace(s, case=Case(s.case.question, s.case.answer, bool(c))) for s, c in zip(cases.spots, flipped, strict=True)))  # fmt: skip  # noqa: E501
    by_kind = recalibrate(values, held_out, values, cases, logit=True, group=lambda s: s.case.question.kind)
    rate = cases.correct[values > 0.5].mean()
    assert by_kind[values > 0.5] == pytest.approx(rate, abs=0.03)
    assert (by_kind[values < 0.5] < 0.05).all()


def test_a_group_without_a_case_to_fit_on_has_no_recalibrated_value() -> None:
    cases = many()
    facts = Cases(tuple(s for s in cases.spots if s.case.question.kind == "fact"))
    values = np.linspace(0, 1, len(cases.spots))
    got = recalibrate(
        np.linspace(0, 1, len(facts.spots)), facts, values, cases, logit=True, group=lambda s: s.case.question.kind
    )
    assert np.isnan(got).tolist() == [s.case.question.kind != "fact" for s in cases.spots]


def test_a_row_has_every_column_in_order_and_no_number_that_is_none() -> None:
    made = row(
        "bci", "all", "w=1, d=1", "FineCE", 3, brier=float("nan"), auroc=np.float64(0.5), alpha=0.25, seeds=[float("inf")]
    )
    assert list(made)[: len(COLUMNS)] == list(COLUMNS)
    assert made["brier"] is None and made["ece"] is None and made["seeds"] == [None]
    assert made["auroc"] == 0.5 and made["alpha"] == 0.25


def test_the_floor_is_the_ece_of_outcomes_drawn_from_the_confidences() -> None:
    assert floor(np.array([0.0, 1.0] * 50)) == 0
    assert floor(np.full(20, 0.5)) > floor(np.full(2000, 0.5)) > 0


def test_the_same_questions_with_another_reference_are_another_evaluation() -> None:
    splits = generated(Plan(per_kind=2, learn=2, platt=2, more=0, study=0))
    first = splits.learn[0]
    for changed in (replace(first, answers=("5",)), replace(first, kind="other"), replace(first, grader=Grader.CHOICE)):
        assert _asked(replace(splits, learn=(changed, *splits.learn[1:]))) != _asked(splits)


def test_an_answer_that_was_cut_off_has_no_vote() -> None:
    def said(text: str, stop: StopReason, correct: bool) -> Sampled:
        answer = Answer((9,), (Segment((1, 2), (-0.1, -0.2), (0.5, 0.5), stop),))
        return Sampled(Question("q", ("12",), Grader.NUMBER), answer, correct, text)

    cut_off, whole = said("#### 1", StopReason.LENGTH, False), said("#### 12", StopReason.END, True)
    assert _vote([cut_off, cut_off, whole], np.ones(3)) is whole
    assert _vote([cut_off, whole, said("#### 12.0", StopReason.END, True)], np.ones(3)) is whole


def test_signals_that_were_not_fitted_for_a_state_are_not_asked_there(embedded: Any) -> None:
    scorer: Any = copy.copy(embedded.scorer)
    fitted = {k: v for k, v in scorer.combiner.signals.items() if k != "partial"}
    scorer.combiner = scorer.combiner.model_copy(update={"signals": fitted})
    [alone] = [m for m in own_methods(scorer) if m.name == "signals"]
    assert alone.states == {"complete"}


TREE = [0.4, 0.2, 0, [[0.8, 0.1, 5, [[1.0, 0.3, 3, []]]], [0.6, 0.5, 7, []]]]


@pytest.mark.parametrize(
    ("width", "depth", "expected"),
    [
        (0, 0, 0.4),
        (1, 1, 0.5 * 0.4 + 0.5 * 0.8),
        (2, 1, 0.5 * 0.4 + 0.5 * 0.7),
        (2, 2, 0.5 * 0.4 + 0.5 * ((0.5 * 0.8 + 0.5 * 1.0) + 0.6) / 2),
        (3, 3, 0.5 * 0.4 + 0.5 * ((0.5 * 0.8 + 0.5 * 1.0) + 0.6) / 2),
    ],
)
def test_a_tree_serves_every_smaller_width_and_depth(width: int, depth: int, expected: float) -> None:
    assert look_ahead.fold(TREE, "FineCE", width, depth, 0.5) == pytest.approx(expected)


def test_alpha_believes_the_future_where_it_knows_and_the_present_where_it_does_not() -> None:
    correct = np.array([1.0, 0.0] * 40)
    seeing = [[0.5, 0.5, 0, [[c, c, 1, []]]] for c in correct]
    blind = [[c, c, 0, [[0.5, 0.5, 1, []]]] for c in correct]
    assert look_ahead.fit_alpha(seeing, correct, "FineCE", 1, 1)[0] == 0
    assert look_ahead.fit_alpha(blind, correct, "FineCE", 1, 1)[0] == 1


def measured(values: np.ndarray) -> Measured:
    return Measured("FineCE", "", True, False, values, values, values, values * 0, values * 0)


def test_a_martingale_has_no_drift_and_a_hopeful_score_has() -> None:
    made, values = [], []
    for i in range(300):
        path = [0.5, *np.clip(0.5 + RNG.choice([-0.2, 0.2], 3).cumsum(), 0, 1)]
        ended = bool(RNG.random() < path[-1])
        made.append(sampled(f"q{i}", 4, ended))
        values += [*path, float(ended)]
    cases = spread(made, [0] * len(made))
    fair, hopeful = np.array(values), np.array(values) + np.tile(np.linspace(0, 0.2, 5), 300)
    for scores, drifts in ((fair, False), (hopeful, True)):
        for made_row in drift.change_rows("all", measured(scores), cases, 200):
            assert (made_row["drift_low"] > 0) == drifts
            assert drifts or made_row["drift_high"] >= 0


@pytest.mark.parametrize("keep", [0.5, 0.9, 1.0])
def test_giving_up_early_keeps_the_share_that_was_asked_for_and_saves_what_is_left_to_write(keep: float) -> None:
    made = [sampled(f"q{i}", int(RNG.integers(1, 5)), bool(RNG.random() < 0.5)) for i in range(60)]
    cases = spread(made, [0] * len(made))
    values = np.round(RNG.random(len(cases.spots)), 2)
    values[RNG.random(len(values)) < 0.1] = np.nan
    course = course_of(measured(values), cases, "all")
    assert course is not None
    weights = RNG.integers(0, 3, len(made)).astype(float)
    saved, threshold, _ = course.saved(keep, weights)

    def give_up_below(t: float) -> tuple[float, float]:
        """By hand: the share of the right answers that is kept, and of the tokens that is saved."""
        kept = whole = written = 0.0
        for weight, one in zip(weights, made, strict=True):
            spots = [i for i, s in enumerate(cases.spots) if s.case.question.text == one.question.text]
            sizes = [len(cases.spots[i].case.answer.token_ids) - 1 for i in spots]
            stop = next((n for n, i in enumerate(spots[:-1]) if values[i] < t), len(spots) - 1)
            kept += weight * one.correct * (stop == len(spots) - 1)
            whole, written = whole + weight * sizes[-1], written + weight * sizes[stop]
        return kept / sum(w * m.correct for w, m in zip(weights, made, strict=True)), 1 - written / whole

    kept, by_hand = give_up_below(threshold)
    assert kept >= keep - 1e-9 and saved == pytest.approx(by_hand)
    assert give_up_below(threshold + 0.2)[0] < keep


def test_a_mean_is_drawn_by_question() -> None:
    repeated, once = np.repeat([0.0, 1.0], 50), np.array([0.0, 1.0])
    wide = mean_figure(repeated, np.repeat([0, 1], 50), 200)
    assert (wide.low, wide.high) == (0, 1)
    assert mean_figure(repeated, np.arange(100), 200).high < 0.7
    assert mean_figure(once, np.arange(2), 200).value == 0.5


def test_what_is_done_is_not_done_again(tmp_path: Path) -> None:
    done: list[str] = []

    def make() -> list[float]:
        done.append("once")
        return [0.1 + 0.2, float("nan")]

    for _ in range(2):
        kept = Store(tmp_path, {"seed": 1}, lambda line: None).keep("a stage", make)
        assert kept[0] == 0.1 + 0.2 and math.isnan(kept[1])
    assert done == ["once"]
    Store(tmp_path, {"seed": 2}, lambda line: None).keep("a stage", make)
    assert done == ["once", "once"]


def test_the_time_of_a_stage_from_an_earlier_run_counts_once(tmp_path: Path) -> None:
    first, second = (Store(tmp_path, {}, lambda line: None) for _ in range(2))
    for store in (first, second):
        for _ in range(4):
            store.keep("a stage", lambda: sum(range(1000)))
    assert first.saved == 0  # this run's own time is measured from its start to its end
    [kept] = first.folder.iterdir()
    with gzip.open(kept, "rt") as file:
        assert second.saved == json.load(file)["seconds"] > 0


def test_a_stage_that_was_interrupted_leaves_nothing_behind(tmp_path: Path) -> None:
    store = Store(tmp_path, {}, lambda line: None)

    def interrupted() -> Any:
        raise KeyboardInterrupt

    store.keep("first", lambda: [1])
    with pytest.raises(KeyboardInterrupt):
        store.keep("second", interrupted)
    [kept] = store.folder.iterdir()
    with gzip.open(kept, "rt") as file:
        assert json.load(file)["made"] == [1]
    assert store.keep("second", lambda: [2]) == [2]


def test_no_generated_question_is_on_two_sides() -> None:
    splits = generated(QUICK)
    learnt = [{q.text for q in part} for part in (splits.learn, (*splits.platt, *splits.more_platt))]
    test, more = ({q.text for q in part} for part in (sum(splits.tests, ()), splits.more))
    assert not (learnt[0] & learnt[1] or (learnt[0] | learnt[1]) & (test | more) or test & more)
    assert len(splits.tests) == 3 and splits.kinds == ("arithmetic", "fact", "choice")


def test_a_file_is_split_the_same_way_in_any_order() -> None:
    asked = [Question(f"What is {i}?", kind="mine") for i in range(100)]
    there, back = from_questions(asked, QUICK), from_questions(asked[::-1], QUICK)
    assert there == back
    parts = [{q.text for q in part} for part in (there.learn, there.platt, there.tests[0], there.more)]
    assert sum(map(len, parts)) == len(set().union(*parts)), "no question twice"
    assert len(there.tests[0]) == len(QUICK.seeds) * QUICK.per_kind
    with pytest.raises(TooFew, match="39 questions are too few"):
        from_questions(asked[:39], QUICK)


def test_more_answers_are_of_questions_that_a_file_has_left_or_not_measured() -> None:
    asked = [Question(f"What is {i}?", kind="mine") for i in range(100)]
    few = replace(QUICK, per_kind=4)
    left = 60 - 12
    assert len(from_questions(asked, replace(few, more=30)).more) == 30
    assert len(from_questions(asked, replace(few, more=300)).more) == left
    assert from_questions(asked, replace(few, per_kind=17, more=300)).more == (), "nine more are worth less than the test"
    assert from_questions(asked, replace(few, more=0)).more == ()
    two_kinds = [Question(f"What is {i}?", kind="rare" if i < 20 else "mine") for i in range(100)]
    assert from_questions(two_kinds, replace(few, more=300)).more == (), "all of one kind would pass for all kinds"


def test_no_further_questions_are_made_where_none_are_wanted() -> None:
    splits = generated(replace(QUICK, more=0))
    assert splits.more == splits.more_platt == () and splits.tests
