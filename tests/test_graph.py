"""The machine: each way through it, without and with a look-ahead."""

from __future__ import annotations

import pytest

from graphs.events import LookaheadEvent, RevisionEvent, SegmentEvent
from graphs.policy import Policy
from tests.scenarios import BAD, GOOD, QUESTION, of, run, scene, texts

# Each way through


def test_a_good_answer_is_written_and_given_out():
    result, events = run(scene(GOOD), Policy())
    assert (result.outcome, result.answer, result.confidence) == ("answered", "5", 0.9)
    assert texts(result) == GOOD
    assert [p.decision for p in result.paragraphs] == ["continue", "continue", "finish"]
    length = len("\n\n".join(GOOD)) + 1
    assert result.tokens == {"answer": length, "revised": 0, "lookahead": 0, "scoring": 0}
    assert sum(p.tokens for p in result.paragraphs) == length
    assert events[0].event == "header" and events[-1] == result


def test_a_step_that_loses_confidence_is_written_again():
    result, events = run(scene(BAD, GOOD), Policy())
    assert result.answer == "5" and texts(result) == GOOD
    [revision] = of(RevisionEvent, events)
    assert revision.kept == "new" and revision.cut == 1 and revision.rejected == [BAD[1] + "\n\n"]
    assert (revision.rejected_score, revision.kept_score) == (0.1, 0.9)
    assert result.tokens["revised"] == len(GOOD[1]) + 2


def test_a_worse_revision_is_rejected_and_the_old_segments_come_back():
    worse = ["Add the numbers.", "That is awful: 7.", "#### 7"]
    values = {"Add": 0.9, "wrong": 0.5, "####": 0.45, "awful": 0.05}
    result, events = run(scene(BAD, worse, values=values), Policy(max_revisions=1))
    [revision] = of(RevisionEvent, events)
    assert revision.kept == "old" and revision.cut == 1 and revision.rejected == ["That is awful: 7.\n\n"]
    assert result.outcome == "abstained" and result.answer is None
    assert texts(result) == BAD and result.confidence == 0.45
    assert "below the acceptance threshold" in result.reason


def test_a_partial_answer_beyond_revising_ends_at_its_best_prefix():
    for revisions in (0, 2):
        result, _ = run(scene(BAD), Policy(max_revisions=revisions, abstain=0.2))
        assert result.outcome == "abstained" and result.answer is None and result.confidence == 0.1
        assert texts(result) == BAD[:1] and "0.10 is below 0.20" in result.reason


def test_a_hopeless_question_is_given_up_before_anything_is_written():
    engine, scorer = scene(GOOD, values={"What": 0.01})
    result, _ = run((engine, scorer), Policy(give_up=0.05))
    assert result.outcome == "abstained" and result.paragraphs == [] and engine.usage.generated == 0


def test_a_spent_budget_keeps_what_is_written():
    result, _ = run(scene(GOOD), Policy(budget=25))
    assert result.outcome == "budget_spent" and result.answer is None
    assert "".join(p.text for p in result.paragraphs) == "\n\n".join(GOOD)[:25]


def test_a_complete_text_without_an_answer_is_an_abstention():
    result, _ = run(scene(["Add the numbers.", "That is right, and done."]), Policy())
    assert result.outcome == "abstained" and result.answer is None
    assert result.reason == "the answer is complete but states no final answer"
    assert len(result.paragraphs) == 2


def test_a_segment_longer_than_its_limit_simply_goes_on():
    result, events = run(scene(["x" * 600, "#### 5"], values={"x": 0.8}), Policy(budget=2000))
    assert result.answer == "5"
    assert [s.stop for s in of(SegmentEvent, events)] == ["length", "length", "position", "end"]


# Look-ahead


def test_the_best_look_ahead_branch_is_taken_over_without_new_work():
    engine, scorer = scene(BAD, GOOD)
    result, events = run((engine, scorer), Policy(width=2, depth=1))
    assert texts(result) == GOOD
    segments = of(SegmentEvent, events)
    assert all(s.reused for s in segments)
    ahead = of(LookaheadEvent, events)
    assert result.tokens["lookahead"] == sum(e.tokens for e in ahead) == engine.usage.generated
    assert result.tokens["answer"] == 0
    assert scorer.calls == [1, 2, 2, 2]  # the question, and one call a look-ahead: no branch is scored twice
    assert ahead[1].adjusted == pytest.approx(0.5 * 0.6 + 0.5 * (0.1 + 0.9) / 2)
    assert result.paragraphs[0].adjusted == ahead[1].adjusted and result.paragraphs[0].confidence == 0.6


def test_what_a_look_ahead_saw_behind_the_branch_that_is_kept_is_not_drawn_again(monkeypatch):
    long = ["Add the numbers.", "Two and three.", "That is right: 5.", "#### 5"]
    engine, scorer = scene(long)
    drawn, sample = [], engine.sample

    def spied(requests, sampling):
        drawn.extend((r.prefix, r.first_index + i) for r in requests for i in range(r.n))
        return sample(requests, sampling)

    monkeypatch.setattr(engine, "sample", spied)
    result, events = run((engine, scorer), Policy(width=2, depth=2, accept=0, revise=0, abstain=0, drop=0, budget=3000))
    assert result.answer == "5" and len(drawn) == len(set(drawn)) and len(scorer.calls) == 5
    assert result.tokens["lookahead"] == engine.usage.generated == sum(e.tokens for e in of(LookaheadEvent, events))
    assert all(c.tokens for e in of(LookaheadEvent, events) for b in e.branches for c in b.children), "they stay in the record"


def test_without_room_for_a_look_ahead_the_answer_still_goes_on():
    result, events = run(scene(GOOD), Policy(width=3, depth=1, budget=60))
    assert result.answer == "5" and of(LookaheadEvent, events) == []


def test_a_revision_is_another_sample_than_the_look_ahead_saw():
    third = ["Add the numbers.", "That is surely right: 5.", "#### 5"]
    values = {"Add": 0.6, "wrong": 0.1, "#### 6": 0.1, "surely": 0.9}
    _, events = run(scene(BAD, BAD, third, values=values), Policy(width=2, depth=1, alpha=1.0))
    revised = [s for s in of(SegmentEvent, events) if s.purpose == "revision"]
    assert revised and revised[0].text.strip() == third[1] and revised[0].attempt == 1


@pytest.mark.parametrize("width", [0, 2])
def test_a_context_that_fills_up_ends_the_run_and_is_no_error(width: int) -> None:
    prompt = len(scene(GOOD)[0].prompt_ids(QUESTION))
    whole = prompt + len("\n\n".join(GOOD)) + 1
    policy = Policy(width=width, depth=width, revise=0.0, drop=0.0, abstain=0.0, accept=0.0)
    for context in range(prompt, whole + 3):
        result, events = run(scene(GOOD, GOOD, max_context=context), policy)
        fits = context > whole  # one token is kept for reading the estimator behind the last one
        assert result.outcome == ("answered" if fits else "budget_spent")
        assert fits or "context is full" in result.reason
        written = sum(len(e.token_ids) for e in of(SegmentEvent, events))
        assert prompt + written < max(context, prompt + 1)
