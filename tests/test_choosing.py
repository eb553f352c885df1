"""Choosing the start policy: what is told of stopping early is what happens when that policy runs, and nothing is chosen by
chance or at the cost of right answers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.assemble import Run
from controller.choosing import AS_GIVEN, MOST_TOKENS, WAYS, Choice, Recorded, candidates, choose, open_ended, recorded
from controller.trials import choose_start
from controller.tune import grid
from estimator.answers import is_right
from estimator.engines.scripted import ScriptedEngine
from estimator.loading import Loaded
from estimator.scorers.scripted import ScriptedScorer
from estimator.types import Grader, Question
from graphs.events import Event
from graphs.policy import Policy
from graphs.reasoning import solve
from graphs.what_if import tokens_generated
from tests.scenarios import OPINIONS, policies

PLAIN = Policy(accept=0.5, revise=0.0, drop=0.0, abstain=0.0, max_revisions=0)
QUESTIONS = [Question(f"What is {i} + 1?", (str(i + 1),), Grader.NUMBER) for i in range(40)]


def world(confidence: dict[int, tuple[float, float, float]], wrong: set[int]) -> Loaded:
    """A model that answers each question in two paragraphs; its confidences are of the question, the first and the second."""

    def said(i: int) -> list[str]:
        return [f"Let me add one to {i}.", f"#### {-1 if i in wrong else i + 1}"]

    engine = ScriptedEngine({q.text: [said(i)] for i, q in enumerate(QUESTIONS)})
    places = {q.text: confidence[i] for i, q in enumerate(QUESTIONS)}

    def score(answer) -> float:
        text = engine.decode(answer.token_ids)
        return next(v for q, v in places.items() if q in text)[len(answer.segments)]

    return Loaded(engine, ScriptedScorer(score, opinions=OPINIONS), "m", "e", {"base": "b", "adapter": "a", "prompt": "p"})


def hopeless_half() -> Loaded:
    """The model is right and sure about half of the questions; of the others it is wrong, and the first paragraph shows it."""
    return world({i: (0.4, 0.9, 0.9) if i < 20 else (0.4, 0.05, 0.1) for i in range(40)}, set(range(20, 40)))


def really(loaded: Loaded, policy: Policy, questions=QUESTIONS) -> tuple[int, int, float]:
    """Right and wrong answers given out and tokens a question, of runs under the policy itself."""
    right = wrong = tokens = 0
    for question in questions:
        events: list[Event] = []
        result = solve(question.text, loaded.engine, loaded.scorer, policy, emit=events.append)
        tokens += tokens_generated(events)
        if result.outcome == "answered":
            ok = is_right(question, str(result.answer))
            right, wrong = right + ok, wrong + (not ok)
    return right, wrong, tokens / len(questions)


def chosen(loaded: Loaded, start: Policy = PLAIN, **options) -> Choice:
    return choose_start(Run(loaded, start, 0), QUESTIONS, 0.1, **options)


@settings(max_examples=25, deadline=None)
@given(
    policies(look_ahead=False),
    st.lists(st.tuples(*[st.floats(0, 1)] * 3), min_size=40, max_size=40),
    st.sets(st.integers(0, 39), max_size=12),
    st.sampled_from([0.0, 0.05, 0.3]),
)
def test_what_is_told_is_what_happens_under_the_chosen_policy(start, values, wrong, lose):
    loaded = world(dict(enumerate(values)), wrong)
    start = start.model_copy(update={"budget": 1000, "position": "paragraph"})
    choice = chosen(loaded, start, lose=lose)
    if choice.stopping is None or choice.without is None:
        assert choice.ways[0].threshold is None and choice.policy == open_ended(start)
        return
    Policy.model_validate(choice.policy.model_dump())
    told = (choice.stopping.right, choice.stopping.wrong, choice.stopping.tokens)
    assert told == pytest.approx(really(loaded, choice.policy))
    before = open_ended(start).model_copy(update={"accept": choice.policy.accept})
    assert (choice.without.right, choice.without.wrong, choice.without.tokens) == pytest.approx(really(loaded, before))
    assert choice.without.right - choice.stopping.right <= lose * choice.without.right
    assert choice.stopping.tokens <= choice.without.tokens


def test_hopeless_answers_are_given_up_and_no_right_one_is():
    choice = chosen(hopeless_half())
    assert choice.stopping is not None and choice.without is not None
    assert choice.stopping.give_up == 0 and 0.05 < choice.stopping.abstain <= 0.4
    assert choice.stopping.right == choice.without.right == 20 and choice.stopping.tokens < choice.without.tokens


def test_where_stopping_early_would_lose_too_much_it_is_left():
    """The right answers look worst on the way."""
    choice = chosen(world({i: (0.01, 0.01, 0.9) if i < 20 else (0.5, 0.5, 0.1) for i in range(40)}, set(range(20, 40))))
    assert choice.stopping is not None and choice.without is not None
    assert (choice.stopping.give_up, choice.stopping.abstain) == (0.0, 0.0)
    assert choice.stopping.tokens == choice.without.tokens


def test_no_threshold_that_keeps_the_error_means_nothing_is_chosen():
    choice = chosen(world(dict.fromkeys(range(40), (0.5, 0.5, 0.5)), set(range(0, 40, 2))))
    assert choice.stopping is None and choice.ways[0].answered == 0 and choice.policy == PLAIN


def test_a_start_policy_that_stops_early_already_is_chosen_for_anew():
    before = PLAIN.model_copy(update={"give_up": 0.3, "abstain": 0.45, "revise": 0.45})
    assert chosen(hopeless_half(), before).policy == chosen(hopeless_half()).policy


def test_several_at_a_time_choose_the_same():
    assert chosen(hopeless_half(), ways=True, concurrency=4) == chosen(hopeless_half(), ways=True)


def test_the_ways_are_tried_that_the_estimator_can_weigh_and_each_once():
    tried = candidates(PLAIN, [1, 2], ways=True)
    assert list(tried)[0] == AS_GIVEN and "go on" not in tried and {"ask once", "ask twice"} <= set(tried)
    assert "ask 3 times" not in tried and "ask 4 times" not in tried
    assert list(candidates(PLAIN, [1, 2], ways=False)) == [AS_GIVEN]
    everything = candidates(Policy(temperature=0.7, opinions=5), [1, 2, 3, 4], ways=True)
    assert set(everything) == {AS_GIVEN, *WAYS} and all(p.temperature == 0.7 for p in everything.values())


DEAR = PLAIN.model_copy(update={"budget": 1000})


def ran(policy: Policy, answered: int, tokens: int, skip: int = 0) -> list[Recorded]:
    """Records of 40 runs of which some end in right answers, each of so many tokens."""
    loaded = world(dict.fromkeys(range(40), (0.5, 0.5, 0.5)), set())
    runs = []
    for i, question in enumerate(QUESTIONS):
        events: list[Event] = []
        solve(question.text, loaded.engine, loaded.scorer, policy.model_copy(update={"accept": 1.0}), emit=events.append)
        made = recorded(events, grid(0.0), loaded.engine.decode)
        given = skip <= i < skip + answered
        ends = tuple(replace(e, outcome="answered" if given else "abstained", answer=str(i + 1)) for e in made.endings)
        first = next(n for n, e in enumerate(events) if e.event == "segment")
        events[first] = events[first].model_copy(update={"token_ids": [0] * tokens})
        runs.append(replace(recorded(events, grid(0.0), loaded.engine.decode), endings=ends))
    return runs


@pytest.mark.parametrize(
    ("answered", "tokens", "skip", "better"),
    [
        (30, 20, 0, True),  # ten more for twice the tokens: beyond chance
        (22, 20, 0, True),  # two more, and none fewer: one standard error is 1.4
        (21, 20, 0, False),  # one more is chance
        (22, 20, 18, False),  # two more, where most of the answered are others
        (30, 200, 0, False),  # costs too much
    ],
)
def test_a_dearer_way_is_taken_where_it_answers_more_beyond_chance_and_is_affordable(answered, tokens, skip, better):
    runs = {"cheap": ran(PLAIN, 20, 10), "dear": ran(DEAR, answered, tokens, skip)}
    choice = choose({"cheap": PLAIN, "dear": DEAR}, runs, QUESTIONS, 0.1)
    assert choice.chosen == ("dear" if better else "cheap") and MOST_TOKENS == 2.5
    assert [(w.name, w.answered) for w in choice.ways] == [("cheap", 20), ("dear", answered)]
