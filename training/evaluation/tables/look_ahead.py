"""Backward Confidence Integration: ECE of p(1) over width and depth, alpha fitted on held-out answers (Figure 3 right).

``chosen`` marks the shape with the least Brier score on these held-out answers, which is what the report's sentence is about:
the best of many on the test answers would often seem to help. One tree of the greatest width and depth behind each first
paragraph serves every smaller one: its first ``w`` branches, its first ``d`` levels.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estimator.bci import Branch, Node, integrate, look_ahead
from estimator.metrics import auroc, brier, ece
from estimator.positions import Position
from estimator.types import Answer
from training.evaluation.cases import Cases, Indices
from training.evaluation.evidence import Evidence
from training.evaluation.intervals import draw_weights, drawn_auroc, drawn_ece, percentiles
from training.evaluation.ours import OURS, PAPER
from training.evaluation.rows import Row, calibration, ranking, row

WIDEST = DEEPEST = 3
SHAPES = [(0, 0), *((width, depth) for depth in range(1, DEEPEST + 1) for width in range(1, WIDEST + 1))]
ALPHAS = np.linspace(0, 1, 21)
Tree = list[Any]  # [our confidence, the adapter's, tokens, branches], as plain JSON
CONFIDENCE = {OURS: 0, PAPER: 1}


def rows(evidence: Evidence) -> list[Row]:
    test, fit = evidence.cases, evidence.held_out
    at, fit_at = first_spots(test, evidence.plan.grid), first_spots(fit, evidence.plan.grid_fit)
    if not len(at) or not len(fit_at):
        return []
    trees, rate = _trees(evidence, "test", test, at)
    fit_trees, _ = _trees(evidence, "alpha", fit, fit_at)
    out = []
    for method in (m.name for m in evidence.finece):
        base = np.array([t[CONFIDENCE[method]] for t in trees])
        fitted = {shape: fit_alpha(fit_trees, fit.correct[fit_at], method, *shape) for shape in SHAPES}
        chosen = min(SHAPES[1:], key=lambda shape: fitted[shape][1])
        for shape, (alpha, _) in fitted.items():
            values = np.array([fold(t, method, *shape, alpha) for t in trees])
            tokens = float(np.mean([_tokens(t[3], *shape) for t in trees]))
            cost = {"tokens": tokens, "seconds": tokens * rate}
            own = {"width": shape[0], "depth": shape[1], "alpha": alpha if shape[1] else None, "chosen": shape == chosen}
            out.append(_row(method, evidence, at, values, base, cost, own))
    return out


def _trees(evidence: Evidence, name: str, cases: Cases, at: Indices) -> tuple[list[Tree], float]:
    """The trees, and the seconds that growing them took for each of their tokens."""
    trees: list[Tree] = []
    seconds = 0.0
    for kind in dict.fromkeys(cases.spots[i].case.question.kind for i in at):
        answers = [cases.spots[i].case.answer for i in at if cases.spots[i].case.question.kind == kind]
        grown = evidence.store.keep(f"look-ahead, {name}, {kind}", partial(_grow_all, evidence, answers))
        trees, seconds = trees + grown["trees"], seconds + grown["seconds"]
    return trees, seconds / max(1, sum(_tokens(t[3], WIDEST, DEEPEST) for t in trees))


def _grow_all(evidence: Evidence, answers: Sequence[Answer]) -> dict[str, Any]:
    started = time.perf_counter()
    trees = [_grow(evidence, answer, number) for number, answer in enumerate(answers)]
    return {"trees": trees, "seconds": time.perf_counter() - started}


def _grow(evidence: Evidence, answer: Answer, number: int) -> Tree:
    sampling = replace(evidence.plan.sampling(), position=Position())
    seed = evidence.plan.seeds[0] + 1000 + number
    ahead = look_ahead(evidence.engine, evidence.scorer, answer, WIDEST, DEEPEST, sampling, seed)
    [here] = evidence.scorer.score([answer])
    return [here.value, here.parts.get("adapter", here.value), 0, [_plain(b) for b in ahead.branches]]


def _plain(branch: Branch) -> Tree:
    confidence = branch.confidence
    children = [_plain(b) for b in branch.children]
    return [confidence.value, confidence.parts.get("adapter", confidence.value), len(branch.segment.token_ids), children]


def first_spots(cases: Cases, count: int) -> Indices:
    """The first ``count`` answers of each kind that have a first paragraph, by kind."""
    return np.array([i for kind in cases.kinds for i in cases.where("first", kind)[:count]], int)


def fold(tree: Tree, method: str, width: int, depth: int, alpha: float) -> float:
    """The tree's root with its first ``width`` branches, ``depth`` levels deep, folded in (paper, equation 3)."""
    return integrate(tree[CONFIDENCE[method]], _nodes(tree[3], method, width, depth), alpha)


def _nodes(branches: Sequence[Tree], method: str, width: int, depth: int) -> tuple[Node, ...]:
    if not depth:
        return ()
    which = CONFIDENCE[method]
    return tuple(Node(b[which], children=_nodes(b[3], method, width, depth - 1)) for b in branches[:width])


def _tokens(branches: Sequence[Tree], width: int, depth: int) -> int:
    """What the base writes and the adapter reads."""
    return sum(2 * b[2] + _tokens(b[3], width, depth - 1) for b in branches[:width]) if depth else 0


def fit_alpha(trees: Sequence[Tree], correct: NDArray[np.float64], method: str, width: int, depth: int) -> tuple[float, float]:
    """The alpha with the least Brier score (a proper score; ECE alone would reward saying the same of everything), and that
    score."""
    losses = [brier([fold(t, method, width, depth, a) for t in trees], correct) for a in ALPHAS]
    return float(ALPHAS[int(np.argmin(losses))]), min(losses)


def _row(
    method: str, evidence: Evidence, at: Indices, values: NDArray[np.float64], base: NDArray[np.float64], cost: Row, own: Row
) -> Row:
    """``ece_change`` and ``auroc_change`` are against no look-ahead on the same answers and the same bootstrap draws."""
    cases, draws = evidence.cases, evidence.plan.draws
    outcome, questions, oracle = cases.correct[at], cases.questions[at], evidence.oracle.raw[at]
    weights, changes = draw_weights(questions, draws), {}
    for name, metric, drawn in (("ece_change", ece, drawn_ece), ("auroc_change", auroc, drawn_auroc)):
        low, high = percentiles(drawn(values, outcome, weights) - drawn(base, outcome, weights))
        changes |= {name: metric(values, outcome) - metric(base, outcome), f"{name}_low": low, f"{name}_high": high}
    figures = calibration(values, outcome, questions, draws) | ranking(values, outcome, questions, draws)
    figures |= {"ece_oracle": ece(values, oracle)} | changes
    position = f"w={own['width']}, d={own['depth']}"
    return row("bci", "all", position, method, len(at), **figures, **cost, **own)
