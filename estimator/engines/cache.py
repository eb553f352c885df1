"""What has been computed of texts, kept: a prefix's keys and values, the latest prefixes, and the rows of a running batch."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import torch

from estimator.types import Tokens

CACHED_PREFIXES = 16


@dataclass(frozen=True, slots=True)
class Prefix:
    """A computed prefix: keys and values as (layers, kv_heads, length, head_dim), and the logits after its last token.
    ``cached`` of its tokens were taken over from a shorter prefix."""

    keys: torch.Tensor
    values: torch.Tensor
    logits: torch.Tensor
    cached: int = 0

    @property
    def length(self) -> int:
        return self.keys.shape[2]


class PrefixCache:
    """The most recently used prefixes with their keys and values; a lookup gives the longest one that a text begins with."""

    def __init__(self, size: int = CACHED_PREFIXES) -> None:
        self.size = size
        self.entries: OrderedDict[Tokens, Prefix] = OrderedDict()

    def longest(self, tokens: Tokens) -> Prefix | None:
        found = max((p for p in self.entries if tokens[: len(p)] == p), key=len, default=None)
        if found is None:
            return None
        self.entries.move_to_end(found)
        return self.entries[found]

    def put(self, tokens: Tokens, prefix: Prefix) -> None:
        self.entries[tokens] = prefix
        self.entries.move_to_end(tokens)
        while len(self.entries) > self.size:
            self.entries.popitem(last=False)


class ColumnCache:
    """The rows' keys and values, as the ``past_key_values`` of a transformers model: ``update`` writes the new column in
    place and hands back the columns in use.

    Where passes are recorded (``estimator.engines.recorded``) ``at`` is a tensor of the columns to write, so that a replay
    writes elsewhere, and ``update`` hands back the first ``until`` columns whether they are in use or not. Models are given
    positions and masks: how many columns are in use, a recording could not ask."""

    is_compileable = False

    def __init__(self, num_rows: int, columns: int, like: Prefix) -> None:
        layers, kv_heads, _, head_dim = like.keys.shape
        shape = (layers, num_rows, kv_heads, columns, head_dim)
        self.keys = torch.zeros(shape, dtype=like.keys.dtype, device=like.keys.device)
        self.values = torch.zeros_like(self.keys)
        self.rows, self.columns, self.first, self.end = num_rows, columns, 0, like.length
        self.at: torch.Tensor | None = None
        self.until = columns

    def update(self, key: torch.Tensor, value: torch.Tensor, layer: int, *_: Any) -> tuple[torch.Tensor, torch.Tensor]:
        keys, values = self.keys[layer, : self.rows], self.values[layer, : self.rows]
        if self.at is not None:
            keys.index_copy_(2, self.at, key)
            values.index_copy_(2, self.at, value)
            return keys[:, :, : self.until], values[:, :, : self.until]
        keys[:, :, self.end] = key[:, :, 0]
        values[:, :, self.end] = value[:, :, 0]
        return keys[:, :, self.first : self.end + 1], values[:, :, self.first : self.end + 1]

    def get_seq_length(self, *_: Any) -> int:
        return self.end

    def place(self, row: int, prefix: Prefix) -> None:
        """Put a computed prefix into a row, so that it ends at the current column."""
        columns = slice(self.end - prefix.length, self.end)
        self.values[:, row] = 0  # what is not seen counts nothing, unless it is no number
        self.keys[:, row, :, columns] = prefix.keys
        self.values[:, row, :, columns] = prefix.values

    def move(self, source: int, target: int) -> None:
        for buffer in (self.keys, self.values):
            buffer[:, target, :, self.first : self.end] = buffer[:, source, :, self.first : self.end]

    def shift(self, by: int) -> int:
        """Drop the first ``by`` columns, which no row uses any more; returns ``by``."""
        for buffer in (*self.keys, *self.values):  # layer by layer: each is copied aside on the way
            buffer[: self.rows, :, : self.end - by] = buffer[: self.rows, :, by : self.end].clone()
        self.first, self.end = self.first - by, self.end - by
        return by
