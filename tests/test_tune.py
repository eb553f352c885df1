"""Tuning with a guarantee: what the record says of other thresholds is what they do, and the guarantee holds."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from controller.binomial import binomial_cdf, fewest_to_pass, upper_limit
from controller.errors import UsageError
from controller.tune import (
    Count,
    check_chances,
    count_all,
    fixed_sequence,
    graded,
    grid,
    more_right_needed,
    questions_needed,
)
from estimator.types import Grader, Question
from graphs.policy import Policy
from graphs.thresholds import Ending, outcomes_at
from tests.scenarios import BAD, GOOD, World, run, scene, worlds

SETS = 2000


@settings(max_examples=25, deadline=None)
@given(worlds(), st.lists(st.floats(0, 1), max_size=2))
def test_one_strict_run_tells_what_every_threshold_does(world: World, more: list[float]):
    engine, scorer = world.parts()
    _, events = run((engine, scorer), world.policy.model_copy(update={"accept": 1.0}))
    seen = {s for e in events if e.event == "decision" for s in e.scores}
    lowest = world.policy.lowest_accept
    around = {max(seen), math.nextafter(max(seen), 2.0), sorted(seen)[len(seen) // 2]}
    for t in around | set(more) | {lowest, 1.0}:
        if not lowest <= t <= 1.0:
            continue
        derived, known = outcomes_at(events, t, engine.decode), outcomes_at(events, t)
        really, _ = run(world.parts(), Policy.model_validate({**world.policy.model_dump(), "accept": t}))
        assert derived == known == Ending(really.outcome, really.answer, really.confidence)
        assert derived.answered == (really.outcome == "answered")


def test_a_threshold_changes_which_answer_is_given():
    surer = {"Add": 0.6, "right": 0.9, "wrong": 0.5, "#### 6": 0.7}
    _, events = run(scene(BAD, GOOD, values=surer), Policy(accept=1.0))
    assert outcomes_at(events, 0.6) == Ending("answered", "6", 0.7)
    assert outcomes_at(events, 0.8) == Ending("answered", "5", 0.9)
    assert outcomes_at(events, 0.95) == Ending("abstained", None, 0.9)


def test_full_confidence_is_accepted_even_by_the_strictest():
    _, events = run(scene(GOOD, values={"5": 1.0}), Policy(accept=1.0))
    assert outcomes_at(events, 1.0) == outcomes_at(events, 0.5) == Ending("answered", "5", 1.0)


def test_what_the_record_cannot_tell_is_an_error():
    _, events = run(scene(GOOD), Policy(accept=0.95, max_revisions=0))
    for t in (0.96, 0.19):  # stricter than the run; below another threshold
        with pytest.raises(ValueError, match="does not tell"):
            outcomes_at(events, t)
    with pytest.raises(ValueError, match="cut off"):
        outcomes_at(events[:-1], 0.95)
    with pytest.raises(ValueError, match="header"):
        outcomes_at(events[1:], 0.95)
    assert outcomes_at(events[:-1], 0.9).answered  # it had got that far


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1000), st.floats(0, 1), st.floats(0, 1))
def test_binomial_is_that_of_scipy(n: int, share: float, chance: float):
    k = round(share * n)
    assert binomial_cdf(k, n, chance) == pytest.approx(stats.binom.cdf(k, n, chance), rel=1e-8, abs=1e-280)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 1000), st.floats(0, 1), st.floats(0.001, 0.5))
def test_upper_limit_is_clopper_pearson(n: int, share: float, risk: float):
    k = round(share * n)
    wanted = 1.0 if k == n else stats.beta.ppf(1 - risk, k + 1, n - k)
    assert upper_limit(k, n, risk) == pytest.approx(wanted, rel=1e-7)
    assert upper_limit(0, 0, risk) == 1.0 and binomial_cdf(-1, n, 0.5) == 0.0


@pytest.mark.parametrize(("max_error", "risk", "n"), [(0.1, 0.1, 22), (0.1, 0.05, 29), (0.05, 0.05, 59), (0.5, 0.25, 2)])
def test_fewest_that_can_pass(max_error, risk, n):
    assert fewest_to_pass(max_error, risk) == n
    assert binomial_cdf(0, n, max_error) <= risk < binomial_cdf(0, n - 1, max_error)


def test_grid_is_fixed_and_ends_at_the_lowest():
    assert grid(0.97) == (0.99, 0.98, 0.97)
    assert grid(0.975) == (0.99, 0.98)
    assert grid(0.0)[-1] == 0.0 and len(grid(0.0)) == 100
    assert grid(0.995) == ()


def counted(*rows: tuple[int, int]) -> list[Count]:
    return [Count(t, *row) for t, row in zip(grid(0), rows, strict=False)]


def test_sequence_starts_by_number_and_stops_at_the_first_failure():
    tuning = fixed_sequence(counted((0, 0), (21, 0), (22, 0), (40, 0), (50, 9), (90, 0)), 100, 0.1, 0.1)
    assert [t.count.accepted for t in tuning.tested] == [22, 40, 50]  # what follows a failure is never looked at
    assert tuning.chosen == Count(0.96, 40, 0) and tuning.coverage == 0.4
    assert tuning.bound == pytest.approx(stats.beta.ppf(0.9, 1, 40)) and tuning.bound <= 0.1
    assert tuning.p_value == pytest.approx(0.9**40)


def test_a_wrong_answer_at_the_start_is_no_reason_to_start_later():
    tuning = fixed_sequence(counted((22, 1), (90, 0)), 100, 0.1, 0.1)
    assert tuning.chosen is None and len(tuning.tested) == 1
    assert tuning.closest == Count(0.99, 22, 1)
    more = more_right_needed(tuning)
    assert binomial_cdf(1, 22 + more, 0.1) <= 0.1 < binomial_cdf(1, 21 + more, 0.1)
    assert 150 < (questions_needed(tuning) or 0) < 2000


def test_too_few_accepted_everywhere():
    tuning = fixed_sequence(counted((0, 0), (5, 0)), 50, 0.1, 0.1)
    assert tuning.chosen is None and tuning.tested == () and tuning.closest == Count(0.98, 5, 0)
    assert more_right_needed(tuning) == 17 and questions_needed(tuning) == 220
    assert questions_needed(fixed_sequence(counted((30, 15)), 50, 0.1, 0.1)) is None
    assert questions_needed(fixed_sequence(counted((0, 0)), 50, 0.1, 0.1)) is None


def test_a_gap_of_millions_is_found_in_a_few_looks(monkeypatch):
    tuning, looks = fixed_sequence([Count(0.99, 3000, 2000)], 3000, 0.001, 0.1), iter(range(100))
    with monkeypatch.context() as patch:
        patch.setattr("controller.tune.binomial_cdf", lambda *drawn: (next(looks), binomial_cdf(*drawn))[1])
        more = more_right_needed(tuning)
    assert more > 1_000_000 and binomial_cdf(2000, 3000 + more, 0.001) <= 0.1 < binomial_cdf(2000, 2999 + more, 0.001)


def test_hopeless_requests_are_refused_before_anything_runs():
    check_chances(29, 0.2, 0.1, 0.05)
    with pytest.raises(UsageError, match="it takes 29"):
        check_chances(28, 0.2, 0.1, 0.05)
    with pytest.raises(UsageError, match="no threshold"):
        check_chances(100, 1.0, 0.1, 0.05)


def test_counts_by_reference():
    questions = [Question("a", ("1", "one"), Grader.ALIAS), Question("b", ("2",), Grader.NUMBER)]
    right, wrong, none = Ending("answered", "One", 0.9), Ending("answered", "3", 0.9), Ending("abstained", None, 0.1)
    endings = [{0.9: right, 0.5: right}, {0.9: none, 0.5: wrong}]
    counts = count_all((0.9, 0.5), list(map(graded, questions, endings)))
    assert counts == (Count(0.9, 1, 0), Count(0.5, 2, 1))


LIMIT, RISK = 0.1, 0.1
RATES = {
    "rising as confidence falls": lambda c: 0.8 * (1 - c),  # the limit is crossed at 0.75
    "just too high everywhere": lambda c: np.full_like(c, 1.01 * LIMIT),  # whatever is chosen is a violation
    "few confident ones, falling off": lambda c: np.where(c > 0.9, 0.099, 0.103),
}


@pytest.mark.parametrize("name", RATES)
def test_the_guarantee_holds_in_simulation(name: str):
    """Confidences with a known chance of error at each: a violation is a chosen threshold whose true error among the
    accepted exceeds the limit. So few questions that the start of the sequence is often behind the strictest ones."""
    n = 80
    rng, thresholds = np.random.default_rng(7), np.array(grid(0.0))
    many = 1 - rng.beta(1.5, 2, 200_000)
    true_error = [RATES[name](many[many >= t]).mean() if (many >= t).any() else 0.0 for t in thresholds]
    violations = chosen_any = 0
    for _ in range(SETS):
        confidence = 1 - rng.beta(1.5, 2, n)
        wrong = rng.random(n) < RATES[name](confidence)
        accepted = confidence[:, None] >= thresholds
        rows = zip(accepted.sum(0).tolist(), (accepted & wrong[:, None]).sum(0).tolist(), strict=True)
        chosen = fixed_sequence(counted(*rows), n, LIMIT, RISK).chosen
        chosen_any += chosen is not None
        violations += chosen is not None and true_error[grid(0.0).index(chosen.threshold)] > LIMIT
    assert violations / SETS <= RISK + 3 * math.sqrt(RISK * (1 - RISK) / SETS)
    assert chosen_any > 0.01 * SETS  # a procedure that never chooses would hold trivially
