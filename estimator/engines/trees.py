"""Continuations of one prefix in one row of a model pass: the prefix is computed once, and no continuation sees another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from estimator.types import Tokens

# Beyond this, attention over tokens that are not seen costs more than computing the prefix again.
MOST_CONTINUED = 160


@dataclass(frozen=True, slots=True)
class Tree:
    """A prefix and its continuations, in a row; ``members`` are their numbers and ``spans`` their columns."""

    token_ids: Tokens
    num_prefix_tokens: int
    members: tuple[int, ...]
    spans: tuple[slice, ...]

    def __len__(self) -> int:
        return len(self.token_ids)


def trees(texts: Sequence[tuple[Tokens, Tokens]]) -> list[Tree]:
    """The (prefix, continuation) texts as few trees, each with up to ``MOST_CONTINUED`` continued tokens (or one text)."""
    groups: dict[Tokens, list[list[int]]] = {}
    sizes: dict[Tokens, int] = {}
    for i, (prefix, continuation) in enumerate(texts):
        size = sizes.get(prefix, MOST_CONTINUED) + len(continuation)
        if size > MOST_CONTINUED:
            groups.setdefault(prefix, []).append([])
            size = len(continuation)
        groups[prefix][-1].append(i)
        sizes[prefix] = size
    return [_tree(prefix, members, texts) for prefix, parts in groups.items() for members in parts]


def _tree(prefix: Tokens, members: Sequence[int], texts: Sequence[tuple[Tokens, Tokens]]) -> Tree:
    ids, spans = list(prefix), []
    for i in members:
        spans.append(slice(len(ids), len(ids) + len(texts[i][1])))
        ids += texts[i][1]
    return Tree(tuple(ids), len(prefix), tuple(members), tuple(spans))


def layout(rows: Sequence[Tree], device: torch.device) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Of padded rows the ids and positions, (rows, width), and what each token sees, (rows, 1, width, width)."""
    width = max(map(len, rows))
    ids = torch.zeros((len(rows), width), dtype=torch.long)
    positions = torch.arange(width).repeat(len(rows), 1)
    branch = torch.full((len(rows), width), -1)
    for row, tree in enumerate(rows):
        ids[row, : len(tree)] = torch.tensor(tree.token_ids)
        for number, span in enumerate(tree.spans, start=1):
            positions[row, span] -= span.start - tree.num_prefix_tokens
            branch[row, span] = number
        branch[row, : tree.num_prefix_tokens] = 0
    same = branch[:, :, None] == branch[:, None, :]
    sees = (same | (branch[:, None, :] == 0)) & torch.ones(width, width, dtype=torch.bool).tril()
    return ids.to(device), positions.to(device), sees[:, None].to(device)
