"""The hot path: many continuations of many prefixes, decoded together.

Each distinct prefix is computed once and its keys and values are copied into as many rows as it has samples. Rows are
right-aligned in one preallocated buffer, so a step writes one column; a finished row's slot is handed to the next waiting
row at once, and when none waits the batch shrinks. Rotary positions are baked into the stored keys, which is why a row
may sit at any column. On a GPU the steps are recorded and replayed (``estimator.engines.recorded``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from estimator.engines.base import STOPPED, EngineError, SampleRequest, Sampling
from estimator.engines.cache import Prefix
from estimator.engines.recorded import COLUMNS, power_of_two, rounded
from estimator.engines.slots import Rooms, Slots
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
    """What decoding needs to know of a model: its weights, its end tokens, and what its tokens do to a paragraph. ``fixed``
    takes passes of fixed shapes, which a GPU records (as it comes, on a GPU)."""

    def __init__(
        self, model: Any, end_ids: Collection[int], table: BreakTable, max_rows: int = 128, *, fixed: bool | None = None
    ) -> None:
        self.model, self.max_rows, self.device = model, max_rows, model.device
        self.rooms = Rooms(model.device) if fixed or (fixed is None and model.device.type == "cuda") else None
        self.head = model.get_output_embeddings()
        config = model.config.get_text_config()
        self.vocabulary: int = config.vocab_size
        self.width: int = config.hidden_size
        self.max_context = context_of(config)
        self.ends = self._flags([i in end_ids for i in range(self.vocabulary)])
        self.breaks, self.opens, self.closes = map(self._flags, (table.breaks, table.opens, table.closes))

    def _flags(self, flags: Sequence[bool]) -> torch.Tensor:
        padded = [*flags, *[False] * (self.vocabulary - len(flags))][: self.vocabulary]
        return torch.tensor(padded, dtype=torch.bool, device=self.device)

    def slots(self, rows: int, columns: int, tokens: int, like: Prefix) -> Slots:
        """Room for a batch: its own, or where passes are recorded that of a batch before."""
        made = Slots if self.rooms is None else self.rooms.room
        return made(rows, columns, tokens, like, self.width)

    def fewer_rows(self) -> bool:
        """Write half as many rows at once from here on, and give back what was kept for more; False where there is one."""
        if self.max_rows == 1:
            return False
        self.max_rows //= 2
        self.rooms = None if self.rooms is None else Rooms(self.device)
        return True

    def step(self, slots: Slots, num: int) -> None:
        """Read the last token of the first ``num`` rows: their keys and values, hidden states and next logits."""
        cache = slots.cache
        if self.rooms is None:
            cache.rows, cache.first = num, int(slots.starts[:num].min())
            columns, starts = torch.arange(cache.first, cache.end + 1, device=self.device), slots.starts[:num]
            self._pass(slots, num, cache.end - starts, columns >= starts[:, None])
        else:
            cache.rows, cache.first = min(power_of_two(num), slots.rows), 0
            cache.at, cache.until = slots.at, min(rounded(cache.end + 1, COLUMNS), cache.columns)
            slots.at.fill_(cache.end)
            self.rooms.recorder(slots).run((cache.rows, cache.until), lambda: self._fixed_pass(slots))
        cache.end += 1

    def _fixed_pass(self, slots: Slots) -> None:
        """The same over all columns up to a rounded number, and over some rows that are not in use, as texts of one token."""
        cache, at = slots.cache, slots.at
        starts = torch.minimum(slots.starts[: cache.rows], at)
        columns = torch.arange(cache.until, device=self.device)
        self._pass(slots, cache.rows, at - starts, (columns >= starts[:, None]) & (columns <= at))

    def _pass(self, slots: Slots, num: int, positions: torch.Tensor, seen: torch.Tensor) -> None:
        last = slots.ids[torch.arange(num, device=self.device), slots.counts[:num] - 1]
        output = self.model.base_model(
            input_ids=last[:, None],
            position_ids=positions[:, None],
            attention_mask=seen[:, None, None, :],
            past_key_values=slots.cache,
            use_cache=True,
        )
        states = output.last_hidden_state[:, -1]
        slots.states[:num] = states
        slots.logits[:num] = self.head(states)

    @torch.inference_mode()
    def run(
        self,
        requests: Sequence[SampleRequest],
        sampling: Sampling,
        compute: Compute,
        keep: Keep | None = None,
        pool: Pool | None = None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> list[list[Segment]]:
        """Per request its n segments, in order. ``compute`` turns prefixes into ``Prefix`` records, all at once; ``keep`` is
        handed what was computed of every segment that ends at a position, so that going on from there costs one token;
        ``pool`` is handed prefix, tokens and mean last hidden state of every sample's first segment under ``sampling.pool``
        (of those that go on behind it). EngineError once it is ``stopped``, which is looked up before every step."""
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
                if stopped():
                    raise EngineError(STOPPED)
                for row, segment in batch.step():
                    results[row.request][row.sample] = segment
        return [[r[s] for s in range(len(r))] for r in results]


def context_of(config: Any) -> int:
    """The longest text of a model (its text configuration). Masks are full here, which a sliding window is up to its width."""
    most, window = config.max_position_embeddings, getattr(config, "sliding_window", None)
    kinds = getattr(config, "layer_types", None)
    slides = window and (any(kind != "full_attention" for kind in kinds) if kinds else True)
    return min(most, window) if slides else most


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
        self.slots = decoder.slots(num, first.length + sampling.max_tokens + SPARE_COLUMNS, sampling.max_tokens, first)
        self.rows: list[Row] = []
        self._fill()

    def step(self) -> list[tuple[Row, Segment]]:
        """Draw a token for every row and take out the finished ones; then compute the next logits and fill the free slots."""
        stops = self._draw()
        done = []
        for slot in reversed(stops.nonzero()[:, 0].tolist()):
            segment = self._segment(slot, STOPS[int(stops[slot])])
            done.append((self.rows[slot], segment))
            if self.keep is not None and segment.stop is StopReason.POSITION:
                self.keep((*self.rows[slot].prefix, *segment.token_ids[:-1]), self.slots.computed(slot))
            first = int(self.slots.firsts[slot])
            if self.pool is not None and 0 < first < len(segment.token_ids):  # else its last token was never read
                self.pool(self.rows[slot].prefix, segment.token_ids[:first], self.slots.sums[slot] / first)
            self._remove(slot)
        if self.rows:
            self._forward()
        self._fill()
        return done

    def _prefix(self, tokens: Tokens) -> Prefix:
        """A computed prefix; those that will be wanted next are computed with it, as one batch."""
        if tokens not in self.ready:
            wanted = [tokens]
            for row in reversed(self.waiting):
                if row.prefix == wanted[-1] or row.prefix in self.ready:
                    continue
                if (len(wanted) + 1) * len(tokens) > PREFILL_TOKENS:  # the rows behind it are no longer, and padded to it
                    break
                wanted.append(row.prefix)
            self.ready.update(zip(wanted, self.compute(wanted), strict=True))
        return self.ready[tokens]

    def _fill(self) -> None:
        while self.waiting and len(self.rows) < self.capacity:
            length = len(self.waiting[-1].prefix)
            if not self.rows:
                self.slots.cache.first, self.slots.cache.end = 0, length
            if length > self.slots.cache.end:
                return  # it fits once the batch has moved on by a few columns
            self._admit(self.waiting.pop())

    def _admit(self, row: Row) -> None:
        slot, prefix = len(self.rows), self._prefix(row.prefix)
        limit = min(self.sampling.max_tokens, self.decoder.max_context - prefix.length)
        self.slots.admit(slot, prefix, limit, torch.from_numpy(row.uniforms))
        self.rows.append(row)
        if not self.waiting or self.waiting[-1].prefix != row.prefix:  # sorted: nobody else will ask for it
            del self.ready[row.prefix]

    def _remove(self, slot: int) -> None:
        """Fill the hole with the last row, so that the rows stay contiguous."""
        last = len(self.rows) - 1
        if slot != last:
            self.slots.move(last, slot)
            self.rows[slot] = self.rows[last]
        self.slots.release(last, last + 1)
        self.rows.pop()

    def _forward(self) -> None:
        num, slots = len(self.rows), self.slots
        if slots.cache.end == slots.cache.columns:
            longest_waiting = len(self.waiting[-1].prefix) if self.waiting else 0
            slots.cache.rows, slots.cache.first = num, int(slots.starts[:num].min())
            unused = min(slots.cache.first, max(1, slots.cache.end - longest_waiting))
            slots.starts[:num] -= slots.cache.shift(unused)
        self.decoder.step(slots, num)
        if self.pool is not None:
            firsts = slots.firsts[:num]
            inside = (firsts == 0) | (slots.counts[:num] == firsts)
            slots.sums[:num] += slots.states[:num] * inside[:, None]

    def _draw(self) -> torch.Tensor:
        """Append a token to every row, by inverting the cumulative distribution at the row's own uniform number.
        Returns per row an index into ``STOPS``."""
        num = len(self.rows)
        each, counts = torch.arange(num, device=self.slots.logits.device), self.slots.counts[:num]
        logp = self.slots.logits[:num].log_softmax(-1)
        p = logp.exp()
        if self.sampling.temperature == 0:
            tokens = logp.argmax(-1)
        else:
            drawn = p if self.sampling.temperature == 1 else (self.slots.logits[:num] / self.sampling.temperature).softmax(-1)
            mass = drawn.cumsum(-1)
            aim = self.slots.uniforms[each, counts][:, None] * mass[:, -1:]
            tokens = torch.searchsorted(mass, aim, right=True)[:, 0].clamp(max=mass.shape[1] - 1)
        entropies = -(p * logp).nan_to_num(0.0).sum(-1)
        self.slots.ids[each, counts] = tokens
        self.slots.logprobs[each, counts] = logp[each, tokens]
        self.slots.entropies[each, counts] = entropies
        counts += 1
        stops = (counts >= self.slots.limits[:num]).long()
        if self.sampling.position is not None:
            stops.masked_fill_(self._at(self.sampling.position, tokens, entropies), 2)
        stops.masked_fill_(self.decoder.ends[tokens], 3)
        if self.pool is not None and self.sampling.pool is not None:
            firsts = self.slots.firsts[:num]
            begun = (firsts == 0) & self._at(self.sampling.pool, tokens, entropies)
            firsts.copy_(torch.where(begun, counts, firsts))
        return stops

    def _at(self, position: Position, tokens: torch.Tensor, entropies: torch.Tensor) -> torch.Tensor:
        """Which rows have reached the position with the token drawn last."""
        counts = self.slots.counts[: len(self.rows)]
        if position.kind == PositionKind.PERIODIC:
            return counts >= position.every
        if position.kind == PositionKind.ENTROPY:
            return (entropies > position.threshold) & (counts >= position.gap)
        before = self.slots.ids[torch.arange(len(counts), device=tokens.device), (counts - 2).clamp(min=0)]
        blank_line = self.decoder.opens[before] & self.decoder.closes[tokens] & (counts > 1)
        return self.decoder.breaks[tokens] | blank_line

    def _segment(self, slot: int, stop: StopReason) -> Segment:
        count = int(self.slots.counts[slot])
        columns = (table[slot, :count].tolist() for table in (self.slots.ids, self.slots.logprobs, self.slots.entropies))
        ids, logprobs, entropies = map(tuple, columns)
        return Segment(ids, logprobs, entropies, stop)
