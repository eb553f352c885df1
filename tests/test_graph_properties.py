"""The machine over random scripts, confidences and policies: what must always hold."""

from __future__ import annotations

import asyncio
import json
from functools import wraps

import pytest
from hypothesis import given, settings

from estimator.types import Confidence
from graphs import state
from graphs.events import (
    DecisionEvent,
    Event,
    LookaheadEvent,
    OpinionsEvent,
    RevisionEvent,
    ScoreEvent,
    SegmentEvent,
)
from graphs.nodes import Nodes
from graphs.policy import Policy, Standing, decide
from graphs.reasoning import asolve, build_graph
from tests.scenarios import BAD, GOOD, QUESTION, World, of, run, scene, worlds

HEAVY = settings(max_examples=50)


@HEAVY
@given(worlds())
def test_the_budget_is_never_exceeded_and_every_token_is_counted(world: World):
    engine, scorer = world.parts()
    result, events = run((engine, scorer), world.policy)
    generated = sum(result.tokens[k] for k in ("answer", "revised", "lookahead"))
    assert generated == engine.usage.generated <= world.policy.budget
    written = [s for s in of(SegmentEvent, events) if not s.reused]
    assert result.tokens["answer"] == sum(len(s.token_ids) for s in written if s.purpose == "answer")
    assert result.tokens["revised"] == sum(len(s.token_ids) for s in written if s.purpose == "revision")
    assert result.tokens["lookahead"] == sum(e.tokens for e in of(LookaheadEvent, events) + of(OpinionsEvent, events))
    assert len(of(OpinionsEvent, events)) <= 1
    assert of(DecisionEvent, events)[-1].revisions <= world.policy.max_revisions


@HEAVY
@given(worlds())
def test_the_events_reproduce_the_result(world: World):
    result, events = run(world.parts(), world.policy)
    paragraphs = replay(events)
    assert [p for p in paragraphs if p][: len(result.paragraphs)] == [p.model_dump() for p in result.paragraphs]
    last = of(DecisionEvent, events)[-1]
    if result.outcome != "abstained" or last.finished:
        assert len(paragraphs) == len(result.paragraphs)
    standing = Standing(tuple(last.scores), last.finished, last.spent, last.revisions, last.stated, last.full, last.consulted)
    decision = decide(standing, world.policy)
    assert (decision.action, decision.reason) == (last.action, result.reason)
    assert result.confidence == last.scores[-1]
    assert (result.outcome == "answered") == (result.answer is not None) == (last.action == "finish")


def replay(events: list[Event]) -> list[dict]:
    """The paragraphs of the final answer, from the events alone."""
    path: list[dict] = []
    cut_off: list[dict] = []
    weighed = None  # of the answer that came out of the second opinions, until it is decided about
    for event in events:
        if isinstance(event, SegmentEvent):
            path, cut_off = path[: event.index], path[event.index :]
            path.append({"text": event.text, "tokens": len(event.token_ids), "adjusted": None, "decision": "continue"})
        elif isinstance(event, OpinionsEvent):
            weighed = [event.weighed, *(o.weighed for o in event.others)][event.kept]
        elif isinstance(event, ScoreEvent):
            path[event.index]["confidence"] = event.score.value
        elif isinstance(event, LookaheadEvent) and event.index >= 0:
            path[event.index]["adjusted"] = event.adjusted
        elif isinstance(event, RevisionEvent) and event.kept == "old":
            path = [*path[: event.cut], *cut_off]
        elif isinstance(event, DecisionEvent) and event.index >= 0:
            path[event.index]["decision"] = event.action
            if weighed is not None:
                path[event.index]["adjusted"], weighed = weighed, None
    return path


@HEAVY
@given(worlds())
def test_every_score_is_that_of_its_text_and_every_next_segment_the_best_branch_seen_there(world: World):
    engine, scorer = world.parts()
    _, events = run((engine, scorer), world.policy)
    prompt = engine.decode(engine.prompt_ids(QUESTION))
    texts: list[str] = []
    cut_off: list[str] = []
    best: str | None = None  # the branch to go on with here, and the one of what a revision cut off
    cut_off_best: str | None = None
    for event in events:
        if isinstance(event, SegmentEvent):
            if event.purpose == "answer":
                assert event.reused == (best is not None)
                assert not event.reused or event.text == best
            best, cut_off_best = None, best
            texts, cut_off = [*texts[: event.index], event.text], texts[event.index :]
        elif isinstance(event, ScoreEvent):
            assert event.score.value == world.confidence(prompt + "".join(texts))
        elif isinstance(event, RevisionEvent) and event.kept == "old":
            texts, best = [*texts[: event.cut], *cut_off], cut_off_best
        elif isinstance(event, LookaheadEvent):
            best = max(event.branches, key=lambda b: b.adjusted).text


@HEAVY
@given(worlds())
def test_a_revision_never_makes_its_place_worse_by_its_own_estimate(world: World):
    _, events = run(world.parts(), world.policy)
    decisions = of(DecisionEvent, events)
    revised = [(a, b) for a, b in zip(decisions, decisions[1:], strict=False) if a.action == "revise"]
    for (before, after), revision in zip(revised, of(RevisionEvent, events), strict=True):
        assert before.cut == revision.cut
        assert after.scores[: revision.cut + 1] == before.scores[: revision.cut + 1]
        assert after.scores[revision.cut + 1] == revision.kept_score >= before.scores[revision.cut + 1]
        if revision.kept == "old":
            assert after.scores == before.scores


@settings(max_examples=15)
@given(worlds())
def test_sync_and_async_are_the_same(world: World):
    def ticking():
        ticks = iter(range(10**9))
        return lambda: float(next(ticks))

    sync, sync_events = run(world.parts(), world.policy, clock=ticking())
    events: list[Event] = []
    later = asyncio.run(asolve(QUESTION, *world.parts(), world.policy, emit=events.append, clock=ticking()))
    assert later == sync and events == sync_events


@settings(max_examples=15)
@given(worlds())
def test_the_state_is_plain_json_and_every_update_key_is_declared(world: World):
    with pytest.MonkeyPatch.context() as patch:
        check_updates(patch, set())
        graph = build_graph(*world.parts(), world.policy).compile()
    for values in graph.stream({"question": QUESTION}, stream_mode="values"):
        assert json.loads(json.dumps(values, allow_nan=False)) == values
        assert set(values) <= set(state.State.__annotations__)


NODES = ("read", "generate", "estimate", "look_ahead", "compare", "decide", "revise", "consult", "finish", "abstain")


def check_updates(patch: pytest.MonkeyPatch, seen: set[str]) -> None:
    """Every node's update is checked, and that it ran is noted in ``seen``."""
    for name in NODES:
        patch.setattr(Nodes, name, checked(getattr(Nodes, name), seen))


def checked(node, seen: set[str]):
    @wraps(node)
    def inner(nodes: Nodes, given: state.State):
        update = node(nodes, given)
        assert set(update) <= set(state.State.__annotations__), node.__name__
        seen.add(node.__name__)
        return update

    return inner


def test_every_node_is_reached_by_some_run(monkeypatch):
    seen: set[str] = set()
    check_updates(monkeypatch, seen)
    run(scene(BAD, GOOD), Policy())
    run(scene(BAD, GOOD), Policy(width=2, depth=1))
    run(scene(BAD), Policy(max_revisions=0, abstain=0.2))
    run(scene(GOOD, GOOD), Policy(opinions=1, sure=1.0))
    assert seen == set(NODES)


def test_records_survive_the_state():
    engine, scorer = scene(GOOD)
    _, events = run((engine, scorer), Policy())
    segment = of(SegmentEvent, events)[0]
    as_state = state.SegmentState(
        token_ids=segment.token_ids, logprobs=segment.logprobs, entropies=segment.entropies, stop=segment.stop
    )
    assert state.segment_state(state.segment_of(as_state)) == as_state
    confidence = Confidence(0.5, 0.4, 0.6, {"adapter": 0.5})
    assert Confidence(**state.score_state(confidence)) == confidence
