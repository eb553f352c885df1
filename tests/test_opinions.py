"""Second opinions: what they say of an answer, how the machine asks for them, and that their weights can be learnt."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator.calibration import OPINION_INPUTS
from estimator.metrics import auroc, ece
from estimator.opinions import Opinion, in_doubt, inputs, weigh
from estimator.scorers.scripted import ScriptedScorer
from estimator.types import Answer, Confidence, Question, Segment, StopReason
from graphs.consultation import Heard, held_against
from graphs.events import DecisionEvent, OpinionsEvent, ScoreEvent, SegmentEvent
from graphs.policy import Policy
from graphs.thresholds import outcomes_at
from graphs.what_if import what_if
from tests.scenarios import BAD, GOOD, OPINIONS, as_trace, of, run, scene, texts
from training.labelling import Sampled, sample_answers
from training.opinions import fit_opinions, hear
from training.questions import questions

DOUBTED = {"Add": 0.6, "right": 0.7, "wrong": 0.4}
ONE, TWO = Policy(opinions=1, max_revisions=0, accept=0.6), Policy(opinions=2, max_revisions=0, accept=0.6)
some = st.builds(Opinion, st.sampled_from([None, "5", "6", "7"]), st.floats(0, 1))


# What they say


def test_inputs_are_shares_and_sums_over_the_others() -> None:
    others = [Opinion("5", 0.8), Opinion("6", 0.4), Opinion("7", 0.3), Opinion("6", 0.1), Opinion(None, 0.9)]
    found = inputs(Opinion("5", 0.5), others)
    np.testing.assert_allclose(found, [0.0, 1 / 5, 0.8 / 5, 0.8 / 5, 0.5 / 5])
    assert len(found) == len(OPINION_INPUTS)


def test_who_states_nothing_agrees_with_nobody_also_in_the_record() -> None:
    segment = Segment((1,), (-1.0,), (0.0,), StopReason.END)
    others = [Heard(Answer((0,), (segment,)), said or "", said, Confidence(0.5, 0.5, 0.5)) for said in (None, "?", "5")]
    scorer = ScriptedScorer(lambda _: 0.5, opinions=OPINIONS)
    for said, agreeing in (("?", [False, False, False]), ("5", [False, False, True])):
        held = held_against(said, 0.5, others, scorer)
        assert [o.agrees for o in held.records()] == agreeing
        assert inputs(held.own, [o.opinion for o in others])[1] == sum(agreeing) / 3


@given(some, st.lists(some, min_size=1, max_size=3), st.randoms())
def test_the_order_of_the_others_does_not_matter_and_who_says_nothing_has_no_confidence(own, others, random) -> None:
    weighed = weigh([own, *others], OPINIONS)
    order = random.sample(range(len(others)), len(others))
    again = weigh([own, *(others[i] for i in order)], OPINIONS)
    assert again == pytest.approx([weighed[0], *(weighed[1 + i] for i in order)])
    assert all((o.meaning is not None) or w == 0 for o, w in zip([own, *others], weighed, strict=True))


@given(some, st.lists(some, min_size=1, max_size=2), st.integers(0, 2))
def test_what_was_cut_off_is_neither_for_nor_against(own, others, place) -> None:
    cut_off, place = Opinion(None, 0.0, ended=False), min(place, len(others))
    weighed = weigh([own, *others[:place], cut_off, *others[place:]], OPINIONS)
    assert weighed.pop(1 + place) == 0 and weighed == weigh([own, *others], OPINIONS)
    assert weigh([own, cut_off], OPINIONS) == [own.confidence, 0]


def test_the_shipped_weights_believe_an_answer_more_where_others_agree(embedded: Any) -> None:
    fitted = embedded.scorer.opinions
    assert set(fitted) == {1, 2, 3, 4}
    for count in fitted:
        same, other = Opinion("5", 0.5), Opinion("6", 0.5)
        ladder = [weigh([same, *[same] * n, *[other] * (count - n)], fitted)[0] for n in range(count + 1)]
        assert ladder == sorted(ladder) and ladder[-1] > 0.5 > ladder[0]
        assert weigh([same, *[Opinion("5", 0.9)] * count], fitted)[0] > ladder[-1], "a surer one that agrees counts more"


# How the machine asks for them


def test_an_answer_that_others_confirm_is_given_out() -> None:
    result, events = run(scene(GOOD, GOOD, values=DOUBTED | {"right": 0.5}), ONE)
    [heard] = of(OpinionsEvent, events)
    assert (result.outcome, result.answer) == ("answered", "5") and texts(result) == GOOD
    assert heard.kept == 0 and heard.others[0].agrees and heard.others[0].answer == "5"
    assert result.confidence == heard.weighed == result.paragraphs[-1].adjusted == pytest.approx(1 / (1 + np.exp(-1.5)))
    assert [d.action for d in of(DecisionEvent, events)][-2:] == ["consult", "finish"]
    assert [p.decision for p in result.paragraphs] == ["continue", "continue", "finish"]


def test_a_surer_answer_takes_the_place_of_the_one_in_doubt_with_its_paragraphs_and_their_scores() -> None:
    result, events = run(scene(BAD, GOOD, GOOD, values=DOUBTED), replace_policy(ONE, accept=0.5))
    [heard] = of(OpinionsEvent, events)
    assert (result.answer, texts(result)) == ("5", GOOD)
    assert heard.kept == 1 and not heard.others[0].agrees and heard.weighed < heard.others[0].weighed
    assert [p.confidence for p in result.paragraphs] == [0.6, 0.7, 0.7] and result.confidence == heard.others[0].weighed
    taken = [e for e in of(SegmentEvent, events) if e.purpose == "opinion"]
    assert [e.index for e in taken] == [0, 1, 2] and all(e.reused for e in taken)
    assert [e.score.value for e in of(ScoreEvent, events)][-3:] == [0.6, 0.7, 0.7]
    assert result.tokens["lookahead"] == heard.tokens == sum(p.tokens for p in result.paragraphs)


@pytest.mark.parametrize(("value", "asked"), [(0.05, False), (0.1, True), (0.89, True), (0.9, False)])
def test_only_an_answer_in_doubt_is_held_against_others(value: float, asked: bool) -> None:
    _, events = run(scene(GOOD, GOOD, values={"Add": value, "right": value}), replace_policy(ONE, abstain=0.0, revise=0.0))
    assert bool(of(OpinionsEvent, events)) == asked


def test_what_states_nothing_is_not_held_against_others_and_speaks_against_nobody() -> None:
    silent = ["Add the numbers.", "That is right, and done."]
    assert of(OpinionsEvent, run(scene(silent, GOOD, values=DOUBTED), ONE)[1]) == []
    engine, scorer = scene(GOOD, silent, GOOD, values=DOUBTED)
    [heard] = of(OpinionsEvent, run((engine, scorer), TWO)[1])
    assert [o.answer for o in heard.others] in (["5", None], [None, "5"])
    assert [(o.score is None, o.weighed == 0) for o in heard.others if o.answer is None] == [(True, True)]


def test_an_answer_that_was_held_against_others_is_not_written_again() -> None:
    policy = Policy(opinions=1, max_revisions=2, accept=0.99, revise=0.0, drop=0.0, abstain=0.0)
    result, events = run(scene(GOOD, BAD, GOOD, values=DOUBTED), policy)
    assert len(of(OpinionsEvent, events)) == 1 and of(DecisionEvent, events)[-1].revisions == 0
    assert result.outcome == "abstained" and result.reason.endswith("below the acceptance threshold 0.99, fresh answers heard")


def test_an_answer_that_was_written_again_can_be_held_against_others() -> None:
    policy = Policy(opinions=1, max_revisions=1, accept=0.5, revise=0.0, drop=0.0, abstain=0.0)
    hopeless = {"Add": 0.6, "wrong": 0.05, "right": 0.7}
    result, events = run(scene(BAD, GOOD, GOOD, values=hopeless), policy)
    assert result.answer == "5" and of(DecisionEvent, events)[-1].revisions == 1 and len(of(OpinionsEvent, events)) == 1


def test_they_need_a_budget_that_lets_each_be_as_long_as_what_was_written() -> None:
    length = len("\n\n".join(GOOD)) + 1
    for budget, asked in ((3 * length, True), (3 * length - 1, False)):
        result, events = run(scene(GOOD, values=DOUBTED), replace_policy(TWO, budget=budget))
        assert bool(of(OpinionsEvent, events)) == asked and result.outcome == "answered"


def test_no_scorer_is_asked_about_nothing() -> None:
    """An answer of a single paragraph has no place inside to score, and of answers that say nothing there is none to read."""

    def scored(answers: list[Answer]) -> list[Confidence]:
        assert answers, "some scorers cannot read nothing"
        return plain.score(answers)

    for others in ([["#### 5"]], [["nothing at all"]]):
        engine, plain = scene(["#### 6"], *others, *others, values={"What": 0.5, "#### 6": 0.2, "#### 5": 0.8})
        scorer = ScriptedScorer(plain.confidence, opinions=OPINIONS)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(scorer, "score", scored)
            _, events = run((engine, scorer), replace_policy(ONE, accept=0.3, revise=0.0, abstain=0.0))
        [heard] = of(OpinionsEvent, events)
        assert heard.kept == (1 if others == [["#### 5"]] else 0)


def test_what_the_budget_cuts_off_is_neither_for_nor_against() -> None:
    """Else an answer would look surer the less its rivals were let speak."""
    rival = ["Add the numbers, which takes a while to write down in full.", "That is wrong: 6.", "#### 6"]
    length = len("\n\n".join(GOOD)) + 1
    tight = replace_policy(ONE, budget=2 * length, accept=0.6, revise=0.0, drop=0.0, abstain=0.0)
    result, events = run(scene(GOOD, rival, rival, values=DOUBTED), tight)
    [heard] = of(OpinionsEvent, events)
    assert not heard.others[0].finished and heard.others[0].weighed == 0 and heard.weighed == result.confidence == 0.7
    two = replace_policy(TWO, budget=3 * length, accept=0.6, revise=0.0, drop=0.0, abstain=0.0)
    [heard] = of(OpinionsEvent, run(scene(GOOD, rival, GOOD, values=DOUBTED), two)[1])
    assert sorted(o.finished for o in heard.others) == [False, True], "1000 and 1001 of three scripted answers"
    own, confirmed = Opinion("5", 0.7), [Opinion("5", 0.7)]
    assert heard.weighed == weigh([own, *confirmed], OPINIONS)[0], "as if the one had been asked alone"


def test_an_answer_stays_where_another_is_no_surer_than_rounding() -> None:
    near = {"Add": 0.6, "right": 0.7, "again": 0.70001}
    result, events = run(scene(GOOD, GOOD, ["Add again.", "#### 5"], values=near), ONE)
    [heard] = of(OpinionsEvent, events)
    assert heard.kept == 0 and texts(result) == GOOD


def test_doubt_that_the_budget_lets_nobody_answer_is_told() -> None:
    length = len("\n\n".join(GOOD)) + 1
    result, _ = run(scene(GOOD, values=DOUBTED), replace_policy(TWO, budget=2 * length))
    assert result.reason.endswith("reaches the acceptance threshold 0.60, in doubt, with no budget for fresh answers")


def test_an_estimator_that_cannot_weigh_them_is_an_error_that_says_so() -> None:
    engine, scorer = scene(GOOD)
    unfitted = ScriptedScorer(scorer.confidence)
    with pytest.raises(ValueError, match=r"opinions = 1, and the estimator can weigh none: controller train --combine"):
        run((engine, unfitted), ONE)
    with pytest.raises(ValueError, match=r"opinions = 5, and the estimator can weigh 1, 2, 3: ask for one of these"):
        run((engine, scorer), replace_policy(ONE, opinions=5))


def test_greedy_opinions_are_refused() -> None:
    with pytest.raises(ValueError, match="temperature 0"):
        Policy(opinions=1, temperature=0.0)


# What a record of them tells


def test_thresholds_are_those_of_the_confidence_after_the_opinions() -> None:
    parts = scene(BAD, GOOD, GOOD, values=DOUBTED)
    _, events = run(parts, replace_policy(ONE, accept=1.0, revise=0.0, abstain=0.0, drop=0.0))
    [heard] = of(OpinionsEvent, events)
    kept = heard.others[0].weighed
    assert outcomes_at(events, kept).answer == "5"
    assert outcomes_at(events, 0.4).answer == "5", "the doubted 6, at 0.4, was never accepted"
    assert outcomes_at(events, min(1.0, kept + 0.01)).outcome == "abstained"


def test_what_if_nobody_had_been_asked_and_what_if_others_had_been() -> None:
    _, events = run(scene(GOOD, GOOD, values=DOUBTED), ONE)
    alone = what_if(as_trace(events), replace_policy(ONE, opinions=0))
    assert alone[-1].outcome == "answered" and alone[-1].saved_tokens == of(OpinionsEvent, events)[0].tokens
    more = what_if(as_trace(events), TWO)
    assert more[-1].text == "would have asked for second opinions at paragraph 3 with opinions = 2: unknown from this trace"
    _, silent = run(scene(GOOD, GOOD, values=DOUBTED), replace_policy(ONE, opinions=0))
    asked = what_if(as_trace(silent), ONE)
    assert not asked[-1].known and asked[-1].text.startswith("would have asked for second opinions at paragraph 3")


# That their weights can be learnt


def test_weights_learn_that_right_answers_agree_and_stay_calibrated() -> None:
    train, test = world(1500, 0), world(1500, 1)
    scorer = ScriptedScorer(lambda answer: answer.segments[0].logprobs[0])
    fitted = fit_opinions(hear(train, scorer))
    assert set(fitted) == {1, 2}
    heard = hear(test, scorer)
    right = np.array([group[0][1] for group in heard], float)
    alone = np.array([group[0][0].confidence for group in heard])
    both = np.array([weigh([o for o, _ in group], fitted)[0] for group in heard])
    assert auroc(both, right) > auroc(alone, right) + 0.05
    assert ece(both, right) < 0.05


def test_what_is_kept_of_those_in_doubt_is_calibrated() -> None:
    """The surest of several errs upwards, unless the fit allows for it."""
    scorer = ScriptedScorer(lambda answer: answer.segments[0].logprobs[0])
    fitted = fit_opinions(hear(world(3000, 0), scorer))
    kept = []
    for group in hear(world(3000, 1), scorer):
        if in_doubt(group[0][0].confidence):
            weighed = weigh([o for o, _ in group], fitted)
            best = weighed.index(max(weighed))
            kept.append((weighed[best], group[best][1]))
    values, right = np.array(kept, float).T
    assert len(kept) > 1000 and ece(values, right) < 0.04 and abs(values.mean() - right.mean()) < 0.02


def test_what_was_cut_off_says_nothing_in_the_fit_either() -> None:
    """Neither that it agrees nor that it does not: as if it had not been drawn."""
    scorer = ScriptedScorer(lambda answer: answer.segments[0].logprobs[0])
    groups = hear(world(1500, 0), scorer)
    cut_off = (Opinion(None, 0.0, ended=False), False)
    assert {1: fit_opinions(groups)[1]} == {1: fit_opinions([[group[0], cut_off, *group[1:]] for group in groups])[1]}
    assert fit_opinions([[group[0], cut_off, cut_off] for group in groups]) == {}


def test_nothing_is_fitted_on_too_few_answers_or_a_single_one() -> None:
    scorer = ScriptedScorer(lambda answer: answer.segments[0].logprobs[0])
    assert fit_opinions(hear(world(20, 0), scorer)) == {} == fit_opinions(hear([g[:1] for g in world(500, 0)], scorer))
    assert fit_opinions([]) == {}


def world(count: int, seed: int) -> list[list[Sampled]]:
    """Three answers to each question, right as often as the question is easy and otherwise one of nine; the confidence, which
    is put where the log-probability stands, knows the question's ease only vaguely."""
    rng = np.random.default_rng(seed)
    groups = []
    for i in range(count):
        ease, question = rng.uniform(), Question(f"q{i}")
        vague = float(np.clip(ease + rng.normal(scale=0.3), 0.02, 0.98))
        rights = rng.random(3) < ease
        said = [5 if right else int(rng.integers(10, 19)) for right in rights]
        segment = Segment((1,), (vague,), (0.0,), StopReason.END)
        answer = Answer((0,), (segment,))
        groups.append([Sampled(question, answer, bool(r), f"#### {s}") for r, s in zip(rights, said, strict=True)])
    return groups


def test_the_shipped_weights_rank_better_than_the_score_alone(embedded: Any) -> None:
    """On questions of the test split, all three kinds together."""
    asked = [q for kind in ("arithmetic", "fact", "choice") for q in questions(kind, "test", 100, 5)]
    groups = sample_answers(embedded.engine, asked, 3, 5)
    heard = hear(groups, embedded.scorer)
    right = np.array([g[0][1] for g in heard], float)
    alone = np.array([g[0][0].confidence for g in heard])
    both = np.array([weigh([o for o, _ in g], embedded.scorer.opinions)[0] for g in heard])
    assert auroc(both, right) > auroc(alone, right) and ece(both, right) < 0.1  # a perfect one shows up to .07 at this n


def replace_policy(policy: Policy, **changes: Any) -> Policy:
    return Policy.model_validate(policy.model_dump() | changes)
