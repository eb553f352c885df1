"""Choosing the start policy: what is told of stopping early is what happens when that policy runs, and nothing is chosen by
chance or at the cost of right answers."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.assemble import Run
from controller.choosing import AS_GIVEN, WAYS, Choice, Wanted, candidates, choose, way_of
from controller.errors import Failure
from controller.stopping import Recorded, recorded, replayed, stop_early, to_the_end
from controller.trials import Machine, choose_start, tune
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
from tests.scenarios import OPINIONS, adding_one, by_chance, policies

PLAIN = Policy(accept=0.5, revise=0.0, drop=0.0, abstain=0.0, max_revisions=0)
QUESTIONS = [Question(f"What is {i} + 1?", (str(i + 1),), Grader.NUMBER) for i in range(40)]
WANTED = Wanted(0.1)
STRICTEST = Machine.strictest


def made_of(script: dict[str, list[list[str]]], confidence) -> Loaded:
    """``confidence`` is of an answer's text, its question included, and of its number of paragraphs."""
    engine = ScriptedEngine(script)
    scorer = ScriptedScorer(lambda a: confidence(engine.decode(a.token_ids), len(a.segments)), opinions=OPINIONS)
    return Loaded(engine, scorer, "m", "e", {"base": "b", "adapter": "a", "prompt": "p"})


def world(confidence: dict[int, tuple[float, float, float]], wrong: set[int]) -> Loaded:
    """A model that answers each question in two paragraphs; its confidences are of the question, the first and the second."""
    script = {q.text: [[f"Let me add one to {i}.", f"#### {-1 if i in wrong else i + 1}"]] for i, q in enumerate(QUESTIONS)}
    places = {q.text: confidence[i] for i, q in enumerate(QUESTIONS)}
    return made_of(script, lambda text, written: next(v for q, v in places.items() if q in text)[written])


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


def chosen(loaded: Loaded, start: Policy = PLAIN, wanted: Wanted = WANTED, **options) -> Choice:
    return choose_start(Machine(Run(loaded, start, 0)), start, QUESTIONS, wanted, **options)


@settings(max_examples=25, deadline=None)
@given(policies(), st.integers(0, 999), st.sets(st.integers(0, 11)), st.sampled_from([0.0, 0.05, 0.3]), st.floats(0.1, 0.6))
def test_what_is_told_is_what_happens_under_the_chosen_policy(start: Policy, salt: int, wrong: set[int], lose, max_error):
    """Whatever the policy does: revisions and fresh answers say something else, looking ahead goes on with the best."""
    asked = QUESTIONS[:12]
    loaded = made_of(adding_one(asked, wrong), lambda text, _: by_chance(salt, text))
    try:
        choice = choose_start(Machine(Run(loaded, start, 0)), start, asked, Wanted(max_error, lose))
    except Failure:
        return
    [way] = choice.ways
    Policy.model_validate(way.policy.model_dump())
    assert (way.stopping.right, way.stopping.wrong, way.stopping.tokens) == pytest.approx(really(loaded, way.policy, asked))
    assert way.whole.right - way.stopping.right <= lose * way.whole.right and way.stopping.tokens <= way.whole.tokens
    assert way.whole.wrong <= max_error * way.whole.answered
    if way.policy.max_revisions:
        assert (way.policy.revise, way.policy.drop) == (start.revise, start.drop)


def test_hopeless_answers_are_given_up_and_no_right_one_is():
    choice = chosen(hopeless_half())
    way = choice.chosen
    assert way.policy.give_up == 0 and 0.05 < way.policy.abstain <= 0.4
    assert way.stopping.right == way.whole.right == 20 and way.stopping.tokens < way.whole.tokens


def test_a_loose_limit_stops_no_less():
    """Where nearly any answer may be given out ``accept`` is low, and rises with what is stopped below."""
    strict, loose = chosen(hopeless_half()).chosen, chosen(hopeless_half(), wanted=Wanted(0.6)).chosen
    assert loose.policy.accept >= loose.policy.abstain == strict.policy.abstain > 0.05
    assert loose.stopping.tokens == strict.stopping.tokens


def test_where_stopping_early_would_lose_too_much_it_is_left():
    """The right answers look worst on the way."""
    hard = dict.fromkeys(range(10), (0.01, 0.01, 0.9)) | dict.fromkeys(range(10, 20), (0.5, 0.5, 0.9))
    loaded = world(hard | dict.fromkeys(range(20, 40), (0.5, 0.5, 0.1)), set(range(20, 40)))
    way = chosen(loaded).chosen
    assert (way.policy.give_up, way.policy.abstain) == (0.0, 0.0) and way.stopping == way.whole
    may_lose_half = chosen(loaded, wanted=Wanted(0.1, lose=0.5)).chosen
    assert may_lose_half.stopping.right == 10 and may_lose_half.stopping.tokens < way.stopping.tokens


def test_no_threshold_that_keeps_the_error_is_told_and_ends_it():
    with pytest.raises(Failure, match="on the 40 questions to choose on no threshold keeps the error at 0.1"):
        chosen(world(dict.fromkeys(range(40), (0.5, 0.5, 0.5)), set(range(0, 40, 2))))


def test_a_start_policy_that_stops_early_already_is_chosen_for_anew():
    before = PLAIN.model_copy(update={"give_up": 0.3, "abstain": 0.45, "revise": 0.45})
    assert chosen(hopeless_half(), before).chosen == chosen(hopeless_half()).chosen


def test_several_at_a_time_choose_and_tune_the_same():
    """With twins, as on a server: each question has one of its own, and more than one is under way."""
    loaded, busy, most = hopeless_half(), [0], [0]
    lock, sample = threading.Lock(), loaded.engine.sample

    def counted(requests, sampling):
        with lock:
            busy[0] += 1
            most[0] = max(most[0], busy[0])
        try:
            threading.Event().wait(0.001)
            return sample(requests, sampling)
        finally:
            with lock:
                busy[0] -= 1

    loaded.engine.sample = counted  # type: ignore[method-assign]
    run = Run(loaded, PLAIN, 0)
    for work in (
        lambda n: choose_start(Machine(run, n), PLAIN, QUESTIONS, WANTED),
        lambda n: tune(Machine(run, n), PLAIN, QUESTIONS, 0.2, 0.2),
    ):
        most[0] = 0
        assert work(4) == work(1)
        most[0] = 0
        work(4)
        assert 1 < most[0] <= 4


def test_the_ways_are_tried_that_the_estimator_can_weigh_and_each_once():
    tried = candidates(PLAIN, STRICTEST, [1, 2], ways=True)
    assert list(tried)[0] == AS_GIVEN and "go on" not in tried and {"ask once", "ask twice"} <= set(tried)
    assert "ask 3 times" not in tried and "ask 4 times" not in tried
    assert list(candidates(PLAIN, STRICTEST, [1, 2], ways=False)) == [AS_GIVEN]
    everything = candidates(Policy(temperature=0.7, opinions=5), STRICTEST, [1, 2, 3, 4], ways=True)
    assert set(everything) == {AS_GIVEN, *WAYS} and all(p.temperature == 0.7 for p in everything.values())


@settings(max_examples=30, deadline=None)
@given(policies(), st.booleans())
def test_whatever_the_start_policy_the_ways_that_are_tried_are_policies(start: Policy, greedy: bool):
    if greedy:
        start = start.model_copy(update={"temperature": 0.0, "opinions": 0})
    tried = candidates(start, STRICTEST, [1, 2, 3, 4], ways=True)
    assert "go on" in tried or tried[AS_GIVEN].max_revisions == 0
    assert all(Policy.model_validate(p.model_dump()) == p for p in tried.values())
    assert not greedy or all(p.opinions == 0 for p in tried.values())


def ran(policy: Policy, answered: int, tokens: int, skip: int = 0) -> list[Recorded]:
    """Records of 40 runs of which some end in right answers that it is sure of, each of so many tokens and a few."""
    right = range(skip, skip + answered)
    script = {q.text: [["x" * tokens, f"#### {i + 1 if i in right else -1}"]] for i, q in enumerate(QUESTIONS)}
    loaded = made_of(script, lambda text, written: 0.5 if written < 2 else 0.1 if "#### -1" in text else 0.9)
    runs = []
    for question in QUESTIONS:
        events: list[Event] = []
        solve(question.text, loaded.engine, loaded.scorer, policy.model_copy(update={"accept": 1.0}), emit=events.append)
        runs.append(recorded(question, events, (1.0, *grid(0.0)), loaded.engine.decode))
    return runs


DEAR = PLAIN.model_copy(update={"budget": 1000})


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
    ways = [way_of("cheap", PLAIN, ran(PLAIN, 20, 10), WANTED), way_of("dear", DEAR, ran(DEAR, answered, tokens, skip), WANTED)]
    choice = choose(ways, QUESTIONS, WANTED)
    assert choice.chosen.name == ("dear" if better else "cheap")
    assert [(w.name, w.whole.right, w.whole.wrong) for w in choice.ways] == [("cheap", 20, 0), ("dear", answered, 0)]


def test_tokens_that_a_way_would_not_write_are_not_its_cost():
    """Under the strictest threshold every complete answer is revised; at its own most are given out at once."""
    script = {q.text: [[f"#### {i + 1 if i < 30 else -1}"], [f"#### {i + 1}"]] for i, q in enumerate(QUESTIONS)}
    loaded = made_of(script, lambda text, written: 0.1 if "#### -1" in text else (0.9 if written else 0.5))
    choice = chosen(loaded, wanted=Wanted(0.05), ways=True)
    ways = {w.name: w for w in choice.ways}
    assert choice.chosen.name == "revise at end" and choice.chosen.stopping.right == 40
    for way in ways.values():
        assert way.stopping.tokens == pytest.approx(really(loaded, way.policy)[2])


def test_a_policy_that_revises_gives_up_what_is_beyond_it_and_revises_as_before():
    start = PLAIN.model_copy(update={"revise": 0.1, "max_revisions": 2, "accept": 0.9})
    loaded = world({i: (0.9, 0.9, 0.9) if i < 30 else (0.4, 0.2, 0.1) for i in range(40)}, set(range(30, 40)))
    way = chosen(loaded, start).chosen
    assert way.policy.revise == 0.1 and way.policy.max_revisions == 2 and way.policy.give_up > 0.4
    assert way.stopping.right == 30 and way.stopping.tokens < way.whole.tokens


def test_a_way_that_keeps_the_error_at_no_threshold_is_not_chosen_and_still_tells_what_plain_generation_takes():
    ways = [way_of("none", PLAIN, ran(PLAIN, 0, 10), WANTED), way_of("one", DEAR, ran(DEAR, 1, 20), WANTED)]
    dear = way_of("dear", DEAR, ran(DEAR, 30, 60), WANTED)
    assert ways[0].too_wrong and choose(ways, QUESTIONS, WANTED).chosen.name == "one"
    choice = choose([*ways, dear], QUESTIONS, WANTED)
    assert choice.chosen.name == "one" and choice.too_dear(dear), "2.5 times what the first takes is less"


def test_where_everything_is_too_dear_the_cheapest_is_taken():
    ways = [way_of("cheap", PLAIN, ran(PLAIN, 20, 10), WANTED), way_of("dear", DEAR, ran(DEAR, 30, 20), WANTED)]
    choice = choose(ways, QUESTIONS, Wanted(0.1, most_tokens=0.01))
    assert choice.chosen.name == "cheap" and all(map(choice.too_dear, ways))


@pytest.mark.parametrize("lose", [0.0, 0.05, 0.5])
def test_early_stopping_never_costs_more_than_it_may(lose: float):
    """Half of the right answers look as hopeless on the way as the wrong ones."""
    values = {i: (0.5, 0.05 if i % 2 else 0.4, 0.9 if i < 20 else 0.1) for i in range(40)}
    loaded = world(values, set(range(20, 40)))
    runs = []
    for question in QUESTIONS:
        events: list[Event] = []
        strict = PLAIN.model_copy(update={"accept": STRICTEST})
        solve(question.text, loaded.engine, loaded.scorer, strict, emit=events.append)
        runs.append(recorded(question, events, (STRICTEST, *grid(0.0)), loaded.engine.decode))
    whole = replayed(to_the_end(PLAIN), runs)
    policy, outcome = stop_early(to_the_end(PLAIN), runs, lose)
    assert outcome == replayed(policy, runs) and whole.right == 20
    assert (outcome.right, policy.abstain) == ((20, 0.0) if lose < 0.5 else (10, policy.abstain))
    assert (outcome.tokens < whole.tokens) == (lose == 0.5)


def test_what_is_stopped_below_a_confidence_is_not_given_out_below_it():
    """Nearly any answer may be given out, so that accept is low; the hopeless half is told by its first paragraph."""
    loaded = world({i: (0.4, 0.9, 0.05) if i < 30 else (0.4, 0.03, 0.02) for i in range(40)}, set(range(30, 40)))
    way = chosen(loaded, wanted=Wanted(0.6, lose=0)).chosen
    assert way.whole.answered == 40 and way.whole.right == way.stopping.right == 30
    assert way.policy.accept >= way.policy.abstain > 0.03


def test_below_abstain_nobody_is_asked():
    """Whether an answer is complete or not, in doubt or not."""
    asking = PLAIN.model_copy(update={"opinions": 1})
    loaded = world({i: (0.5, 0.5, 0.9) if i < 20 else (0.5, 0.5, 0.2) for i in range(40)}, set(range(20, 40)))
    way = chosen(loaded, asking).chosen
    assert way.policy.abstain > 0.2 and way.stopping.right == 20 and way.stopping.tokens < way.whole.tokens
