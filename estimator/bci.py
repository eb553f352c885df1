"""Backward Confidence Integration (paper, equation 3): what a few sampled continuations say about the text before them.

``look_ahead`` grows a tree of continuations, a level at a time; ``integrate`` folds its confidences back into the root.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from estimator.engines.base import Engine, SampleRequest, Sampling
from estimator.scorers.base import Scorer
from estimator.types import Answer, Confidence, Segment

# With less room than this for each branch a level is left out: its branches would be cut in mid-paragraph, where no
# confidence is meant to be read.
MIN_BRANCH_TOKENS = 32


@dataclass(frozen=True, slots=True)
class Node:
    """A confidence and those of what was sampled behind it. A finished answer has no children (ValueError
    otherwise)."""

    confidence: float
    finished: bool = False
    children: tuple[Node, ...] = ()

    def __post_init__(self) -> None:
        if self.finished and self.children:
            raise ValueError("a finished branch is a leaf: nothing can be sampled behind it")


def integrate(confidence: float, children: Sequence[Node], alpha: float) -> float:
    """``C' = alpha * C + (1 - alpha) * mean(C' of the children)``; without children (depth reached, or finished) ``C' =
    C``."""
    if not children:
        return confidence
    behind = sum(integrate(c.confidence, c.children, alpha) for c in children) / len(children)
    return alpha * confidence + (1 - alpha) * behind


@dataclass(frozen=True, slots=True)
class Branch:
    """One sampled segment, the confidence of the answer that ends with it, and the branches behind it."""

    segment: Segment
    confidence: Confidence
    children: tuple[Branch, ...] = ()

    @property
    def node(self) -> Node:
        return Node(self.confidence.value, self.segment.finished, tuple(c.node for c in self.children))

    @property
    def tokens(self) -> int:
        """Tokens sampled for this branch and all behind it."""
        return len(self.segment.token_ids) + sum(c.tokens for c in self.children)

    def adjusted(self, alpha: float) -> float:
        return integrate(self.confidence.value, self.node.children, alpha)


@dataclass(frozen=True, slots=True)
class LookAhead:
    """What was sampled behind one position: ``branches`` is empty when nothing could be."""

    branches: tuple[Branch, ...]

    @property
    def tokens(self) -> int:
        return sum(b.tokens for b in self.branches)

    def adjusted(self, confidence: float, alpha: float) -> float:
        """The confidence at that position with everything behind it folded in."""
        return integrate(confidence, [b.node for b in self.branches], alpha)

    def best(self, alpha: float) -> Branch:
        """The branch with the highest adjusted confidence; of equal ones the first, which plain sampling would have
        written."""
        return max(self.branches, key=lambda b: b.adjusted(alpha))


def look_ahead(
    engine: Engine,
    scorer: Scorer,
    answer: Answer,
    width: int,
    depth: int,
    sampling: Sampling,
    seed: int,
    *,
    room: int | None = None,
) -> LookAhead:
    """Sample ``width`` continuations behind ``answer`` up to the next position, score them, and go on to ``depth``
    levels.

    Each level is one ``engine.sample`` and one ``scorer.score``: at most ``sum of width**i, i = 1..depth`` segments,
    fewer where branches finish. ``room`` bounds the tokens of the whole tree: a level that does not fit is left out.
    Raises ``EngineError`` where either cannot answer.
    """
    levels: list[list[tuple[int, Segment, Confidence]]] = []  # each with the number of its parent in the level before
    frontier = [] if answer.finished else [(0, answer)]
    for _ in range(depth):
        share = _share(room, len(frontier) * width)
        if not share:
            break
        bounded = sampling if room is None else replace(sampling, max_tokens=min(sampling.max_tokens, share))
        segments = engine.sample(_requests([a for _, a in frontier], width, seed), bounded)
        grown = [(p, a.then(s), s) for (p, a), several in zip(frontier, segments, strict=True) for s in several]
        confidences = scorer.score([a for _, a, _ in grown])
        levels.append([(p, s, c) for (p, _, s), c in zip(grown, confidences, strict=True)])
        frontier = [(i, a) for i, (_, a, s) in enumerate(grown) if not s.finished]
        if room is not None:
            room -= sum(len(s.token_ids) for _, _, s in grown)
    return LookAhead(_assemble(levels))


def _share(room: int | None, num_branches: int) -> int:
    """The tokens that each branch of a level may take; 0 when the level is to be left out."""
    if num_branches == 0:
        return 0
    share = MIN_BRANCH_TOKENS if room is None else room // num_branches
    return share if share >= MIN_BRANCH_TOKENS else 0


def _requests(answers: Sequence[Answer], width: int, seed: int) -> list[SampleRequest]:
    """One request an answer. Two branches may have come out the same: the later one takes further samples of that text,
    not the same ones again."""
    seen: Counter[tuple[int, ...]] = Counter()
    requests = []
    for prefix in (a.token_ids for a in answers):
        requests.append(SampleRequest(prefix, n=width, seed=seed, first_index=width * seen[prefix]))
        seen[prefix] += 1
    return requests


def _assemble(levels: Sequence[Sequence[tuple[int, Segment, Confidence]]]) -> tuple[Branch, ...]:
    children: dict[int, list[Branch]] = {}
    for level in reversed(levels):
        above: dict[int, list[Branch]] = defaultdict(list)
        for i, (parent, segment, confidence) in enumerate(level):
            above[parent].append(Branch(segment, confidence, tuple(children.get(i, ()))))
        children = above
    return tuple(children.get(0, ()))
