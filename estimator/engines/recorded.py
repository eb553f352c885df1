"""Passes of fixed shapes, recorded once and replayed.

On a GPU the time of a small pass is that of launching its kernels one by one from Python (of 23 ms a token 1 ms was computed,
see LOG.md); a replay launches all of them at once. What a recorded pass reads and writes has to lie at fixed addresses, and its
shapes are rounded up to a few sizes, each of which is recorded when it is first needed.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import torch

from estimator.engines.cache import ColumnCache, Prefix

COLUMNS = 128  # the columns that a pass reads are a multiple of this
SIZES = (16, 64, 256)  # tokens that an extension reads; more are read by an ordinary pass, which they fill well enough


class Recorder:
    """Runs a pass by name: the first time as it is, after that as a replay. On a CPU, and where a model cannot be recorded,
    always as it is."""

    def __init__(self, device: torch.device) -> None:
        self._device, self._graphs = device, dict[Hashable, Any]()
        self._on = device.type == "cuda"
        self._pool = torch.cuda.graph_pool_handle() if self._on else None

    def run(self, name: Hashable, work: Callable[[], None]) -> None:
        """``work`` reads and writes tensors that stay where they are, and waits for none of them."""
        if not self._on:
            work()
            return
        with torch.cuda.device(self._device):
            if (graph := self._graphs.get(name)) is not None:
                graph.replay()
            else:
                work()
                self._record(name, work)

    def _record(self, name: Hashable, work: Callable[[], None]) -> None:
        torch.cuda.synchronize()
        graph, stream = torch.cuda.CUDAGraph(), torch.cuda.current_stream()
        try:
            with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
                work()
            self._graphs[name] = graph
        except RuntimeError as error:  # a model that looks at its numbers in between
            torch.cuda.set_stream(stream)  # where the recording failed it is still that of the recording
            torch.cuda.synchronize()
            self._on = False
            warnings.warn(f"the model's passes cannot be recorded, so it runs more slowly ({error})", stacklevel=2)


class Extension:
    """A model's pass over a few tokens behind a computed prefix, one text at a time."""

    def __init__(self, net: Any, head: Any) -> None:
        self._net, self._head, self._recorder = net, head, Recorder(net.device)
        self._cache: ColumnCache | None = None
        self._ids, self._last = self._integers(1, SIZES[-1]), self._integers(1)
        self._at = {size: self._integers(size) for size in SIZES}
        self._steps = torch.arange(SIZES[-1], device=net.device)
        config = net.config.get_text_config()
        self._logits, self._most = torch.zeros(config.vocab_size, device=net.device), config.max_position_embeddings

    def _integers(self, *shape: int) -> torch.Tensor:
        return torch.zeros(shape, dtype=torch.long, device=self._net.device)

    def fits(self, tokens: int) -> bool:
        """Whether so many tokens can be read."""
        return tokens <= SIZES[-1]

    def read(self, known: Prefix, tokens: Sequence[int]) -> Prefix:
        """The prefix with ``tokens`` behind it."""
        begin, end = known.length, known.length + len(tokens)
        size = next(s for s in SIZES if s >= len(tokens))
        cache = self._room(known, begin + size)
        cache.keys[:, 0, :, :begin], cache.values[:, 0, :, :begin] = known.keys, known.values
        cache.values[:, 0, :, begin:] = 0  # what is not seen counts nothing, unless it is no number
        self._ids[0, : len(tokens)] = torch.tensor(tokens, device=self._ids.device)
        self._last.fill_(len(tokens) - 1)
        torch.add(self._steps[:size], begin, out=self._at[size])
        cache.at, cache.until = self._at[size], rounded(begin + size, COLUMNS)
        self._recorder.run((size, cache.until), lambda: self._pass(cache, self._at[size]))
        keys, values = (kept[:, 0, :, :end].clone() for kept in (cache.keys, cache.values))
        return Prefix(keys, values, self._logits.clone(), cached=begin)

    def _pass(self, cache: ColumnCache, at: torch.Tensor) -> None:
        seen = torch.arange(cache.until, device=at.device)[None, :] <= at[:, None]
        output = self._net.base_model(
            input_ids=self._ids[:, : len(at)],
            position_ids=at.clamp(max=self._most - 1)[None, :],  # some tokens only fill the shape
            attention_mask=seen[None, None],
            past_key_values=cache,
            use_cache=True,
        )
        self._logits.copy_(self._head(output.last_hidden_state[0].index_select(0, self._last))[0])

    def _room(self, known: Prefix, columns: int) -> ColumnCache:
        if self._cache is None or self._cache.columns < columns:
            self._recorder = Recorder(self._net.device)  # what was recorded read the tensors that go now
            self._cache = None  # before there is more: both together may not fit
            self._cache = ColumnCache(1, rounded(columns, 4 * COLUMNS), known)
        return self._cache


def rounded(count: int, step: int) -> int:
    """``count`` rounded up to a multiple of ``step``."""
    return -(-count // step) * step


def power_of_two(count: int) -> int:
    """``count`` rounded up to a power of two."""
    return 1 << (count - 1).bit_length()
