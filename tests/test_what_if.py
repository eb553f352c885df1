"""What another policy would have done: what it says it knows must be what really happens when that policy runs."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphs.events import DecisionEvent, Event, Header
from graphs.policy import Policy
from graphs.trace import TraceError
from graphs.what_if import what_if
from tests import scenarios
from tests.scenarios import BAD, GOOD, Parts, World, as_trace, policies, scene, worlds


def run(parts: Parts, policy: Policy) -> list[Event]:
    return scenarios.run(parts, policy)[1]


def decisions(events: list[Event]) -> list[DecisionEvent]:
    return [e for e in events if isinstance(e, DecisionEvent)]


def total_tokens(events: list[Event]) -> int:
    return decisions(events)[-1].spent


@settings(max_examples=60)
@given(worlds(), st.data())
def test_what_is_known_is_what_happens(world: World, data: st.DataObject):
    look_ahead = {k: getattr(world.policy, k) for k in ("width", "depth", "temperature", "position")}
    other = data.draw(policies()).model_copy(update=look_ahead)
    if data.draw(st.booleans()):
        other = other.model_copy(update={"budget": world.policy.budget, "alpha": world.policy.alpha})
    recorded, really = run(world.parts(), world.policy), run(world.parts(), other)
    seen = what_if(as_trace(recorded), other)
    for one, then, now in zip(seen, decisions(recorded), decisions(really), strict=False):
        assert one.recorded == then.action
        if one.action is not None:
            assert one.action == now.action and one.index == now.index
    last = seen[-1]
    if last.known:
        assert last.outcome == really[-1].outcome  # type: ignore[union-attr]
        assert last.saved_tokens == total_tokens(recorded) - total_tokens(really)
    else:
        assert last.outcome is None and "unknown from this trace" in last.text


@settings(max_examples=20)
@given(worlds())
def test_the_same_policy_is_the_same_throughout(world: World):
    events = run(world.parts(), world.policy)
    seen = what_if(as_trace(events), world.policy)
    assert [w.text for w in seen] == ["same"] * len(decisions(events))
    assert seen[-1].outcome == events[-1].outcome and seen[-1].saved_tokens == 0  # type: ignore[union-attr]


def test_it_says_where_and_what_would_have_been_saved():
    events = run(scene(BAD, GOOD), Policy(max_revisions=0, abstain=0.05))
    assert total_tokens(events) == sum(map(len, BAD)) + 2 * 2 + 1
    stricter = what_if(as_trace(events), Policy(max_revisions=0, abstain=0.15))
    assert [w.text for w in stricter[:-1]] == ["same", "same"]
    assert stricter[-1].text == ("would have abstained at paragraph 2 (0.10 is below 0.15), saving 7 tokens")
    revising = what_if(as_trace(events), Policy(max_revisions=1, abstain=0.05))
    assert revising[-1].text == "would have revised from paragraph 2 at paragraph 2: unknown from this trace"
    lenient = what_if(as_trace(events), Policy(max_revisions=0, abstain=0.05, revise=0.05, accept=0.1))
    assert lenient[-1].outcome == "answered" and "would have finished at paragraph 3" in lenient[-1].text
    hasty = what_if(as_trace(events), Policy(max_revisions=0, abstain=0.05, budget=20))
    assert hasty[-1].text == "would have spent its budget of 20 tokens at paragraph 2"
    scored = run(scene(BAD, GOOD), Policy(max_revisions=0, abstain=0.15))
    spent = what_if(as_trace(scored), Policy(max_revisions=0, abstain=0.15, budget=total_tokens(scored)))
    assert spent[-1].outcome == "budget_spent" and "would have abstained at paragraph 2 (the budget of" in spent[-1].text
    hotter = what_if(as_trace(events), Policy(max_revisions=0, abstain=0.05, temperature=0.5))
    assert len(hotter) == 1 and hotter[0].text.startswith("another temperature")


def test_a_revision_that_a_smaller_budget_cuts_short_is_unknown():
    events = run(scene(BAD, GOOD), Policy())
    before_and_after = [d.spent for d in decisions(events)][2:4]
    between = what_if(as_trace(events), Policy(budget=sum(before_and_after) // 2))
    assert not between[-1].known and between[-1].text == "a revision cut short at paragraph 2: unknown from this trace"


def test_an_interrupted_trace_is_judged_as_far_as_it_goes():
    events = run(scene(BAD, GOOD), Policy())
    assert [w.text for w in what_if(as_trace(events[:6]), Policy())] == ["same", "same"]
    assert what_if(as_trace(events[:1]), Policy()) == []


def test_a_policy_from_another_version_is_an_error():
    events = run(scene(GOOD), Policy())
    header = events[0]
    assert isinstance(header, Header)
    changed = header.model_copy(update={"policy": {**header.policy, "mood": 1}})
    with pytest.raises(TraceError, match="policy: mood: Extra inputs"):
        what_if(as_trace([changed, *events[1:]]), Policy())
