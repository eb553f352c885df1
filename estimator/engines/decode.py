"""The hot path: many continuations of many prefixes, decoded together.

Each distinct prefix is computed once and its keys and values are copied into as many rows as it has samples. Rows are
right-aligned in one preallocated buffer, so a step writes one column; a finished row's slot is handed to the next waiting
row at once, and when none waits the batch shrinks. Rotary positions are baked into the stored keys, which is why a row
may sit at any column.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from estimator.engines.base import SampleRequest, Sampling
from estimator.engines.cache import ColumnCache, Prefix
from estimator.positions import BreakTable, Position, PositionKind
from estimator.types import Segment, StopReason, Tokens

SPARE_COLUMNS = 64
PREFILL_TOKENS = 8192
STOPS = (StopReason.LENGTH, StopReason.LENGTH, StopReason.POSITION, StopReason.END)  # 0 means that the row goes on


@dataclass(frozen=True, slots=True)
class Row:
    """One continuation to be written: which request and sample it answers, and its own random numbers."""

    request: int
    sample: int
    prefix: Tokens
    uniforms: np.ndarray


def stream(seed: int, prefix: Tokens, index: int, count: int) -> np.ndarray:
    """``count`` uniforms in [0, 1) that depend on (seed, prefix, index) and on nothing else."""
    digest = hashlib.blake2b(np.asarray((seed, index, *prefix), np.int64).tobytes(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little"))).random(count, dtype=np.float32)


Compute = Callable[[Sequence[Tokens]], list[Prefix]]
Keep = Callable[[Tokens, Prefix], None]
Pool = Callable[[Tokens, Tokens, torch.Tensor], object]


class Decoder:
    """What decoding needs to know of a model: its weights, its end tokens, and what its tokens do to a paragraph."""

    def __init__(self, model: Any, end_ids: Collection[int], table: BreakTable, max_rows: int = 128) -> None:
        self.model, self.max_rows, self.device = model, max_rows, model.device
        self.head = model.get_output_embeddings()
        config = model.config.get_text_config()
        self.vocabulary: int = config.vocab_size
        self.width: int = config.hidden_size
        self.max_context: int = config.max_position_embeddings
        self.ends = self._flags([i in end_ids for i in range(self.vocabulary)])
        self.breaks, self.opens, self.closes = map(self._flags, (table.breaks, table.opens, table.closes))

    def _flags(self, flags: Sequence[bool]) -> torch.Tensor:
        padded = [*flags, *[False] * (self.vocabulary - len(flags))][: self.vocabulary]
        return torch.tensor(padded, dtype=torch.bool, device=self.device)

    @torch.inference_mode()
    def run(
        self,
        requests: Sequence[SampleRequest],
        sampling: Sampling,
        compute: Compute,
        keep: Keep | None = None,
        pool: Pool | None = None,
    ) -> list[list[Segment]]:
        """Per request its n segments, in order. ``compute`` turns prefixes into ``Prefix`` records, all at once; ``keep`` is
        handed what was computed of every segment that ends at a position, so that going on from there costs one token;
        ``pool`` is handed prefix, tokens and mean last hidden state of every sample's first segment under ``sampling.pool``
        (of those that go on behind it)."""
        rows = [
            Row(i, s, r.prefix, stream(r.seed, r.prefix, r.first_index + s, sampling.max_tokens))
            for i, r in enumerate(requests)
            for s in range(r.n)
        ]
        # The longest prefix goes first: whoever comes later fits to the left of the column that has been reached.
        rows.sort(key=lambda row: (-len(row.prefix), row.prefix))
        results: list[dict[int, Segment]] = [{} for _ in requests]
        if rows:
            batch = Batch(self, sampling, rows, compute, keep, pool)
            while batch.rows:
                for row, segment in batch.step():
                    results[row.request][row.sample] = segment
        return [[r[s] for s in range(len(r))] for r in results]


class Batch:
    """The rows that are being written, in slots 0 to ``len(rows) - 1``, and those that wait for a slot."""

    def __init__(
        self,
        decoder: Decoder,
        sampling: Sampling,
        rows: list[Row],
        compute: Compute,
        keep: Keep | None = None,
        pool: Pool | None = None,
    ) -> None:
        self.decoder, self.sampling, self.compute, self.keep, self.pool = decoder, sampling, compute, keep, pool
        self.waiting = rows[::-1]  # the next one is at the end
        self.ready: dict[Tokens, Prefix] = {}
        self.capacity = num = min(decoder.max_rows, len(rows))
        first = self._prefix(rows[0].prefix)
        self.cache = ColumnCache(num, first.length + sampling.max_tokens + SPARE_COLUMNS, first)
        self.rows: list[Row] = []

        def table(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
            return torch.zeros((num, *shape), dtype=dtype, device=decoder.device)

        self.starts, self.counts = table(dtype=torch.long), table(dtype=torch.long)  # first column; tokens written
        self.limits = table(dtype=torch.long)  # tokens a row may have: as sampled for, or to the end of the context
        self.logits = table(first.logits.shape[-1])
        self.ids = table(sampling.max_tokens, dtype=torch.long)
        self.logprobs, self.entropies, self.uniforms = (table(sampling.max_tokens) for _ in range(3))
        # Length of the first segment (0: not known yet), and the sum of the hidden states of its tokens.
        self.firsts = table(dtype=torch.long)
        self.sums = table(decoder.width if pool is not None else 0)
        self._fill()

    def step(self) -> list[tuple[Row, Segment]]:
        """Draw a token for every row and take out the finished ones; then compute the next logits and fill the free slots."""
        stops = self._draw()
        done = []
        for slot in reversed(stops.nonzero()[:, 0].tolist()):
            segment = self._segment(slot, STOPS[int(stops[slot])])
            done.append((self.rows[slot], segment))
            if self.keep is not None and segment.stop is StopReason.POSITION:
                self.keep((*self.rows[slot].prefix, *segment.token_ids[:-1]), self._computed(slot))
            first = int(self.firsts[slot])
            if self.pool is not None and 0 < first < len(segment.token_ids):  # else its last token was never read
                self.pool(self.rows[slot].prefix, segment.token_ids[:first], self.sums[slot] / first)
            self._remove(slot)
        if self.rows:
            self._forward()
        self._fill()
        return done

    def _prefix(self, tokens: Tokens) -> Prefix:
        """A computed prefix; those that will be wanted next are computed with it, as one batch."""
        if tokens not in self.ready:
            wanted, size = [tokens], len(tokens)
            for row in reversed(self.waiting):
                if row.prefix == wanted[-1] or row.prefix in self.ready:
                    continue
                if size + len(row.prefix) > PREFILL_TOKENS:
                    break
                wanted.append(row.prefix)
                size += len(row.prefix)
            self.ready.update(zip(wanted, self.compute(wanted), strict=True))
        return self.ready[tokens]

    def _fill(self) -> None:
        while self.waiting and len(self.rows) < self.capacity:
            length = len(self.waiting[-1].prefix)
            if not self.rows:
                self.cache.first, self.cache.end = 0, length
            if length > self.cache.end:
                return  # it fits once the batch has moved on by a few columns
            self._admit(self.waiting.pop())

    def _admit(self, row: Row) -> None:
        slot, prefix = len(self.rows), self._prefix(row.prefix)
        self.cache.place(slot, prefix)
        self.starts[slot] = self.cache.end - prefix.length
        self.counts[slot] = self.firsts[slot] = 0
        self.sums[slot] = 0
        self.limits[slot] = min(self.sampling.max_tokens, self.decoder.max_context - prefix.length)
        self.logits[slot] = prefix.logits
        self.uniforms[slot] = torch.from_numpy(row.uniforms)
        self.rows.append(row)
        if not self.waiting or self.waiting[-1].prefix != row.prefix:  # sorted: nobody else will ask for it
            del self.ready[row.prefix]

    def _remove(self, slot: int) -> None:
        """Fill the hole with the last row, so that the rows stay contiguous."""
        last = len(self.rows) - 1
        if slot != last:
            self.cache.move(last, slot)
            for state in (
                self.starts,
                self.counts,
                self.ids,
                self.logprobs,
                self.entropies,
                self.uniforms,
                self.logits,
                self.firsts,
                self.sums,
            ):
                state[slot] = state[last]
            self.rows[slot] = self.rows[last]
        self.rows.pop()

    def _forward(self) -> None:
        num, cache = len(self.rows), self.cache
        starts, slots = self.starts[:num], torch.arange(num, device=self.decoder.device)
        cache.rows, cache.first = num, int(starts.min())
        if cache.end == cache.columns:
            longest_waiting = len(self.waiting[-1].prefix) if self.waiting else 0
            starts -= cache.shift(min(cache.first, max(1, cache.end - longest_waiting)))
        columns = torch.arange(cache.first, cache.end + 1, device=self.decoder.device)
        output = self.decoder.model.base_model(
            input_ids=self.ids[slots, self.counts[:num] - 1][:, None],
            position_ids=(cache.end - starts)[:, None],
            attention_mask=(columns[None, :] >= starts[:, None])[:, None, None, :],
            past_key_values=cache,
            use_cache=True,
        )
        cache.end += 1
        states = output.last_hidden_state[:, -1]
        self.logits[:num] = self.decoder.head(states).float()
        if self.pool is not None:
            firsts = self.firsts[:num]
            inside = (firsts == 0) | (self.counts[:num] == firsts)
            self.sums[:num] += states.float() * inside[:, None]

    def _draw(self) -> torch.Tensor:
        """Append a token to every row, by inverting the cumulative distribution at the row's own uniform number.
        Returns per row an index into ``STOPS``."""
        num = len(self.rows)
        slots, counts = torch.arange(num, device=self.logits.device), self.counts[:num]
        logp = self.logits[:num].log_softmax(-1)
        p = logp.exp()
        if self.sampling.temperature == 0:
            tokens = logp.argmax(-1)
        else:
            drawn = p if self.sampling.temperature == 1 else (self.logits[:num] / self.sampling.temperature).softmax(-1)
            mass = drawn.cumsum(-1)
            aim = self.uniforms[slots, counts][:, None] * mass[:, -1:]
            tokens = torch.searchsorted(mass, aim, right=True)[:, 0].clamp(max=mass.shape[1] - 1)
        entropies = -(p * logp).nan_to_num(0.0).sum(-1)
        self.ids[slots, counts] = tokens
        self.logprobs[slots, counts] = logp[slots, tokens]
        self.entropies[slots, counts] = entropies
        counts += 1
        stops = (counts >= self.limits[:num]).long()
        if self.sampling.position is not None:
            stops[self._at(self.sampling.position, tokens, entropies)] = 2
        stops[self.decoder.ends[tokens]] = 3
        if self.pool is not None and self.sampling.pool is not None:
            firsts = self.firsts[:num]
            begun = (firsts == 0) & self._at(self.sampling.pool, tokens, entropies)
            firsts[begun] = counts[begun]
        return stops

    def _at(self, position: Position, tokens: torch.Tensor, entropies: torch.Tensor) -> torch.Tensor:
        """Which rows have reached the position with the token drawn last."""
        counts = self.counts[: len(self.rows)]
        if position.kind == PositionKind.PERIODIC:
            return counts >= position.every
        if position.kind == PositionKind.ENTROPY:
            return (entropies > position.threshold) & (counts >= position.gap)
        before = self.ids[torch.arange(len(counts), device=tokens.device), (counts - 2).clamp(min=0)]
        blank_line = self.decoder.opens[before] & self.decoder.closes[tokens] & (counts > 1)
        return self.decoder.breaks[tokens] | blank_line

    def _computed(self, slot: int) -> Prefix:
        """A row but for the token drawn last, which the model has not read yet."""
        columns = slice(int(self.starts[slot]), self.cache.end)
        keys = torch.stack([layer[slot, :, columns] for layer in self.cache.keys])
        values = torch.stack([layer[slot, :, columns] for layer in self.cache.values])
        return Prefix(keys, values, self.logits[slot].clone())

    def _segment(self, slot: int, stop: StopReason) -> Segment:
        count = int(self.counts[slot])
        columns = (table[slot, :count].tolist() for table in (self.ids, self.logprobs, self.entropies))
        ids, logprobs, entropies = map(tuple, columns)
        return Segment(ids, logprobs, entropies, stop)
