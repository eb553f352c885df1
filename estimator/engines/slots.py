"""The tensors of a running batch: what each of its rows has written, and where its keys and values lie."""

from __future__ import annotations

from collections import OrderedDict

import torch

from estimator.engines.cache import ColumnCache, Prefix
from estimator.engines.recorded import COLUMNS, Recorder, power_of_two, rounded

FREE = torch.iinfo(torch.long).max  # the first column of a row that is not in use
ROOMS = 2  # kept, of different numbers of rows


class Slots:
    """Room for ``rows`` rows of at most ``tokens`` new tokens each over ``columns`` columns of keys and values; ``like`` is any
    computed prefix of the model, ``width`` that of its hidden states."""

    def __init__(self, rows: int, columns: int, tokens: int, like: Prefix, width: int) -> None:
        self.rows, self.tokens = rows, tokens
        self.cache = ColumnCache(rows, columns, like)

        def table(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
            return torch.zeros((rows, *shape), dtype=dtype, device=like.keys.device)

        self.starts, self.counts = table(dtype=torch.long), table(dtype=torch.long)  # first column; tokens written
        self.release(0, rows)
        self.limits = table(dtype=torch.long)  # tokens a row may have: as sampled for, or to the end of the context
        self.logits = table(like.logits.shape[-1])
        self.ids = table(tokens, dtype=torch.long)
        self.logprobs, self.entropies, self.uniforms = (table(tokens) for _ in range(3))
        self.states = table(width)  # the last hidden states
        # Length of the first segment (0: not known yet), and the sum of the hidden states of its tokens.
        self.firsts, self.sums = table(dtype=torch.long), table(width)
        self.at = torch.zeros(1, dtype=torch.long, device=like.keys.device)  # the column that a recorded step writes

    def hold(self, rows: int, columns: int, tokens: int) -> bool:
        """Whether there is room for so much."""
        return self.rows >= rows and self.cache.columns >= columns and self.tokens >= tokens

    def admit(self, slot: int, prefix: Prefix, limit: int, uniforms: torch.Tensor) -> None:
        """Put a row that goes on behind ``prefix`` into a slot; it may have ``limit`` tokens."""
        self.cache.place(slot, prefix)
        self.starts[slot] = self.cache.end - prefix.length
        self.counts[slot] = self.firsts[slot] = 0
        self.sums[slot] = 0
        self.limits[slot] = limit
        self.logits[slot] = prefix.logits
        self.uniforms[slot, : len(uniforms)] = uniforms

    def release(self, first: int, last: int) -> None:
        """The slots from ``first`` to before ``last`` are not in use."""
        self.starts[first:last] = FREE

    def move(self, source: int, target: int) -> None:
        self.cache.move(source, target)
        for state in (
            self.starts,
            self.counts,
            self.limits,
            self.ids,
            self.logprobs,
            self.entropies,
            self.uniforms,
            self.logits,
            self.firsts,
            self.sums,
        ):
            state[target] = state[source]

    def computed(self, slot: int) -> Prefix:
        """What is computed of a row: all but the token drawn last, which the model has not read yet."""
        columns = slice(int(self.starts[slot]), self.cache.end)
        keys, values = (kept[:, slot, :, columns].clone() for kept in (self.cache.keys, self.cache.values))
        return Prefix(keys, values, self.logits[slot].clone())


class Rooms:
    """Slots that stay where they are from batch to batch, as recorded passes need them, each with the passes over it. Those of
    the latest numbers of rows are kept, so that one answer and many do not drive each other out."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._kept: OrderedDict[int, tuple[Slots, Recorder]] = OrderedDict()  # by rows

    def room(self, rows: int, columns: int, tokens: int, like: Prefix, width: int) -> Slots:
        """Slots that hold at least as much as ``Slots`` of these sizes, none of them in use."""
        rows = power_of_two(rows)
        if rows in self._kept and not self._kept[rows][0].hold(rows, columns, tokens):
            small = self._kept.pop(rows)[0]
            columns, tokens = max(columns, small.cache.columns), max(tokens, small.tokens)
            del small  # before there is more: both together may not fit
        if rows not in self._kept:
            while len(self._kept) >= ROOMS:
                self._kept.popitem(last=False)
            columns, tokens = rounded(columns, 4 * COLUMNS), rounded(tokens, 2 * COLUMNS)
            self._kept[rows] = Slots(rows, columns, tokens, like, width), Recorder(self._device)
        self._kept.move_to_end(rows)
        slots = self._kept[rows][0]
        slots.release(0, rows)  # a batch that was interrupted left some in use
        return slots

    def recorder(self, slots: Slots) -> Recorder:
        """Of the passes over slots that ``room`` gave."""
        return self._kept[slots.rows][1]
