"""Backward Confidence Integration: the formula, the number of segments and calls, and what cannot be sampled."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator.bci import MIN_BRANCH_TOKENS, Branch, Node, integrate, look_ahead
from estimator.engines.base import SampleRequest, Sampling
from estimator.engines.scripted import ScriptedEngine
from estimator.positions import Position
from estimator.scorers.scripted import ScriptedScorer
from estimator.types import Answer
from tests.scenarios import BAD, GOOD, QUESTION, World, scene, worlds

PARAGRAPHS = Sampling(position=Position())
unit = st.floats(0, 1)
nodes = st.recursive(
    st.builds(Node, unit, st.booleans()),
    lambda inner: st.builds(lambda c, k: Node(c, False, tuple(k)), unit, st.lists(inner, min_size=1, max_size=3)),
    max_leaves=12,
)


def by_paths(node: Node, alpha: float) -> float:
    """Equation 3 unrolled: every node adds its confidence times the weight of the path to it."""
    total, todo = 0.0, [(node, 1.0)]
    while todo:
        here, weight = todo.pop()
        share = 1.0 if not here.children else alpha
        total += weight * share * here.confidence
        todo += [(c, weight * (1 - alpha) / len(here.children)) for c in here.children]
    return total


@given(nodes, unit)
def test_the_formula_agrees_with_the_unrolled_sum(node: Node, alpha: float):
    assert integrate(node.confidence, node.children, alpha) == pytest.approx(by_paths(node, alpha))


@given(nodes, unit)
def test_it_stays_between_the_extremes(node: Node, alpha: float):
    def all_of(n: Node) -> list[float]:
        return [n.confidence, *(x for c in n.children for x in all_of(c))]

    values = all_of(node)
    assert min(values) - 1e-9 <= integrate(node.confidence, node.children, alpha) <= max(values) + 1e-9


@given(nodes)
def test_alpha_one_is_no_look_ahead(node: Node):
    assert integrate(node.confidence, node.children, 1.0) == pytest.approx(node.confidence)


def test_a_finished_node_has_no_children():
    with pytest.raises(ValueError, match="leaf"):
        Node(0.5, True, (Node(0.1),))


@given(st.integers(1, 3), st.integers(1, 3))
def test_one_batch_a_level_and_all_its_segments(width: int, depth: int):
    """Answers that are too long to finish: the tree is full."""
    engine = ScriptedEngine({QUESTION: [[f"{i}{j}" for j in range(9)] for i in range(3)]})
    scorer = ScriptedScorer(lambda a: 0.5)
    tree = look_ahead(engine, scorer, Answer(engine.prompt_ids(QUESTION)), width, depth, PARAGRAPHS, seed=0)
    assert scorer.calls == [width**i for i in range(1, depth + 1)]
    assert engine.calls == depth
    assert count(tree.branches) == sum(width**i for i in range(1, depth + 1))
    assert tree.tokens == engine.usage.generated


@given(worlds(), st.integers(1, 3), st.integers(1, 3), st.integers(0, 400) | st.none())
def test_a_tree_is_bounded_and_its_confidences_are_those_of_its_texts(world: World, width: int, depth: int, room: int | None):
    engine, scorer = world.parts()
    root = Answer(engine.prompt_ids(QUESTION))
    tree = look_ahead(engine, scorer, root, width, depth, PARAGRAPHS, seed=0, room=room)
    assert count(tree.branches) <= sum(width**i for i in range(1, depth + 1))
    assert room is None or tree.tokens <= room
    assert bool(tree.branches) == (room is None or room >= width * MIN_BRANCH_TOKENS)

    def check(answer: Answer, branch: Branch) -> None:
        answer = answer.then(branch.segment)
        assert branch.confidence.value == world.confidence(engine.decode(answer.token_ids))
        assert not (branch.segment.finished and branch.children)
        for child in branch.children:
            check(answer, child)

    for branch in tree.branches:
        check(root, branch)
    if tree.branches:
        best = tree.best(0.5).adjusted(0.5)
        assert best == max(b.adjusted(0.5) for b in tree.branches)


def test_equal_branches_are_sampled_further_apart():
    engine, scorer = scene(GOOD, BAD)
    tree = look_ahead(engine, scorer, Answer(engine.prompt_ids(QUESTION)), 1, 2, PARAGRAPHS, seed=0)
    assert [engine.decode(c.segment.token_ids).strip() for c in tree.branches[0].children] == [GOOD[1]]
    engine, scorer = scene(GOOD, BAD, ["Add the numbers.", "A third.", "#### 7"])
    tree = look_ahead(engine, scorer, Answer(engine.prompt_ids(QUESTION)), 2, 2, PARAGRAPHS, seed=0)
    behind = [engine.decode(c.segment.token_ids).strip() for b in tree.branches for c in b.children]
    assert behind == [GOOD[1], BAD[1], "A third.", GOOD[1]]


def test_nothing_is_sampled_behind_a_complete_answer():
    engine, scorer = scene(GOOD)
    prompt = engine.prompt_ids(QUESTION)
    [[whole]] = engine.sample([SampleRequest(prompt)], Sampling())
    tree = look_ahead(engine, scorer, Answer(prompt, (whole,)), 2, 2, PARAGRAPHS, seed=0)
    assert tree.branches == () and tree.adjusted(0.7, 0.1) == 0.7 and scorer.calls == []


@given(worlds(), st.integers(1, 2), st.integers(2, 3))
def test_what_was_seen_behind_a_branch_is_not_drawn_or_scored_again(world: World, width: int, depth: int):
    """And the tree behind it is the one that would have been drawn anew."""
    engine, scorer = world.parts()
    root = Answer(engine.prompt_ids(QUESTION))
    branch = look_ahead(engine, scorer, root, width, depth, PARAGRAPHS, seed=0).branches[0]
    here, plan = root.then(branch.segment), (width, depth, PARAGRAPHS, 0)
    anew = look_ahead(engine, scorer, here, *plan)
    before, calls = engine.usage.generated, len(scorer.calls)
    going_on = look_ahead(engine, scorer, here, *plan, known=branch.children)
    assert going_on.branches == anew.branches
    assert going_on.tokens == engine.usage.generated - before <= anew.tokens
    deepest = _level(anew.branches, depth)
    assert going_on.tokens == sum(len(b.segment.token_ids) for b in deepest)
    assert scorer.calls[calls:] == ([len(deepest)] if deepest else [])


def _level(branches: tuple[Branch, ...], depth: int) -> list[Branch]:
    return list(branches) if depth == 1 else [b for a in branches for b in _level(a.children, depth - 1)]


def count(branches: tuple[Branch, ...]) -> int:
    return sum(1 + count(b.children) for b in branches)
