"""Backward Confidence Integration (paper, equation 3): what a few sampled continuations say about the text before them.

``look_ahead`` grows a tree of continuations, a level at a time; ``integrate`` folds its confidences back into the root.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
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

    def adjusted(self, alpha: float) -> float:
        return integrate(self.confidence.value, self.node.children, alpha)


@dataclass(frozen=True, slots=True)
class LookAhead:
    """What may come behind one position: ``branches`` is empty when nothing could be sampled. ``tokens`` were sampled for it,
    those of branches that were known before not among them."""

    branches: tuple[Branch, ...]
    tokens: int

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
    known: Sequence[Branch] = (),
) -> LookAhead:
    """Sample ``width`` continuations behind ``answer`` up to the next position, score them, and go on to ``depth``
    levels. Branches that an earlier look-ahead has ``known`` there already, and what it found behind them, are neither sampled
    nor scored again.

    Each level is one ``engine.sample`` and one ``scorer.score``: at most ``sum of width**i, i = 1..depth`` segments,
    fewer where branches finish. ``room`` bounds the tokens to be sampled: a level that does not fit is left out.
    Raises ``EngineError`` where either cannot answer.
    """
    levels: list[list[tuple[int, Segment, Confidence]]] = []  # each with the number of its parent in the level before
    frontier = [] if answer.finished else [(0, answer, tuple(known))]
    tokens = 0
    for _ in range(depth):
        bare = [a for _, a, behind in frontier if not behind]
        share = _share(None if room is None else room - tokens, len(bare) * width)
        if not frontier or (bare and not share):
            break
        segments: Iterator[list[Segment]] = iter(())
        if bare:
            bounded = sampling if room is None else replace(sampling, max_tokens=min(sampling.max_tokens, share))
            segments = iter(engine.sample(_requests(bare, width, seed), bounded))
        grown: list[tuple[int, Answer, Segment, Branch | None]] = []
        for parent, here, behind in frontier:
            if behind:
                grown += [(parent, here.then(b.segment), b.segment, b) for b in behind]
            else:
                grown += [(parent, here.then(s), s, None) for s in next(segments)]
        new = [(a, s) for _, a, s, branch in grown if branch is None]
        scores = iter(scorer.score([a for a, _ in new]) if new else ())
        levels.append([(p, s, next(scores) if branch is None else branch.confidence) for p, _, s, branch in grown])
        frontier = [(i, a, branch.children if branch else ()) for i, (_, a, s, branch) in enumerate(grown) if not s.finished]
        tokens += sum(len(s.token_ids) for _, s in new)
    return LookAhead(_assemble(levels), tokens)


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
