"""One model's passes over given texts: prefixes with their keys and values, hidden states, token statistics.

What was computed of the latest prefixes is kept, so that going on after one costs its new tokens alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple
from itertools import chain
from typing import Any, TypeVar

import torch
from transformers import DynamicCache

from estimator.engines import kernels
from estimator.engines.base import EngineError, TokenStats
from estimator.engines.cache import Prefix, PrefixCache
from estimator.engines.decode import PREFILL_TOKENS
from estimator.engines.recorded import Extension
from estimator.engines.trees import layout, trees
from estimator.types import Tokens

Result = TypeVar("Result")
HEAD_TOLERANCE = 1e-3  # of the largest logit; both sides multiply the same states by the same layer
HEAD_PROBES = 16
HEAD_ROWS = 512  # tokens whose logits exist at the same time: of a large vocabulary each takes half a megabyte


class Network:
    """A transformers causal language model, used for inference alone. ``count`` is told how many tokens each pass computed.
    Many texts are read in ``threads``, one pass each."""

    def __init__(self, net: Any, count: Callable[[int], None], threads: int = 1) -> None:
        kernels.install(net)
        self.net, self.count, self.threads, self.cache = net, count, threads, PrefixCache()
        self.head = net.get_output_embeddings()
        self.extension = Extension(net, self.head) if net.device.type == "cuda" else None

    @property
    def device(self) -> torch.device:
        return self.net.device

    @torch.inference_mode()
    def check_head(self, name: str) -> None:
        """EngineError where the logits are not simply the output layer of the last hidden state, which every pass here takes
        them for (some architectures scale or cap them)."""
        config = self.net.config.get_text_config()
        ids = torch.arange(HEAD_PROBES, device=self.device)[:, None] * (config.vocab_size // HEAD_PROBES) + 1  # pads may be 0
        whole = self.net(input_ids=ids, use_cache=False).logits.float()
        plain = self.head(self.net.base_model(input_ids=ids, use_cache=False).last_hidden_state).float()
        if not torch.allclose(whole, plain, rtol=0, atol=HEAD_TOLERANCE * float(whole.abs().max())):
            raise EngineError(f"{name} changes its logits behind its output layer: serve it with vLLM and give --base-url")

    @torch.inference_mode()
    def cached(self, prefixes: Sequence[Tokens]) -> list[Prefix]:
        """Each prefix from the longest one in the cache that it begins with."""
        out = []
        for tokens in prefixes:
            known = self.cache.longest(tokens)
            if known is None or known.length < len(tokens):
                known = self._extended(known, tokens)
                self.count(len(tokens) - known.cached)
                self.cache.put(tokens, known)
            out.append(known)
        return out

    def _extended(self, known: Prefix | None, tokens: Tokens) -> Prefix:
        """Compute the tokens behind a known prefix, and these alone."""
        if known is not None and self.extension is not None and self.extension.fits(len(tokens) - known.length):
            return self.extension.read(known, tokens[known.length :])
        past = DynamicCache()
        if known is not None:
            for layer, (keys, values) in enumerate(zip(known.keys, known.values, strict=True)):
                past.update(keys[None], values[None], layer)
        begin = 0 if known is None else known.length
        ids = torch.tensor([tokens[begin:]], device=self.device)
        output = self.net(input_ids=ids, past_key_values=past, use_cache=True, logits_to_keep=1)
        keys, values = _stacked(past)
        return Prefix(keys[:, 0], values[:, 0], output.logits[0, -1].float(), cached=begin)

    @torch.inference_mode()
    def batch(self, prefixes: Sequence[Tokens]) -> list[Prefix]:
        """All prefixes in one pass. Right-padded: under causal attention no token sees the padding behind it."""
        lengths = [len(p) for p in prefixes]
        past = DynamicCache()
        hidden = self.net.base_model(input_ids=self._padded(prefixes), past_key_values=past, use_cache=True)
        last = hidden.last_hidden_state[torch.arange(len(lengths)), torch.tensor(lengths) - 1]
        logits = self.head(last).float()
        self.count(sum(lengths))
        keys, values = _stacked(past)
        return [Prefix(keys[:, i, :, :n], values[:, i, :, :n], logits[i]) for i, n in enumerate(lengths)]

    @torch.inference_mode()
    def last_states(self, prefixes: Sequence[Tokens]) -> torch.Tensor:
        """The last hidden state at each prefix's end, (prefixes, width); a prefix that begins a longer one is read off the
        longer one's pass."""
        whole: list[Tokens] = []
        place: dict[Tokens, int] = {}
        for tokens in sorted(set(prefixes), reverse=True):  # a longer text comes directly before what begins it
            if not whole or whole[-1][: len(tokens)] != tokens:
                whole.append(tokens)
            place[tokens] = len(whole) - 1
        rows: dict[Tokens, torch.Tensor] = {}

        def read(chunk: list[int]) -> None:
            hidden = self._hidden([whole[i] for i in chunk])
            inside = {i: r for r, i in enumerate(chunk)}
            for tokens in (t for t, i in place.items() if i in inside):
                rows[tokens] = hidden[inside[place[tokens]], len(tokens) - 1].clone()  # without all the others

        self._each(read, _chunks(whole))
        return torch.stack([rows[p] for p in prefixes])

    def statistics(self, texts: Sequence[tuple[Tokens, Tokens]]) -> list[TokenStats]:
        """Per (prefix, continuation) what the model says of the continuation's tokens."""
        whole = [(*prefix, *continuation) for prefix, continuation in texts]
        out: dict[int, TokenStats] = {}

        def read(chunk: list[int]) -> None:
            hidden = self._hidden([whole[i] for i in chunk])
            for row, i in enumerate(chunk):
                written = slice(len(texts[i][0]), len(whole[i]))
                before = hidden[row, written.start - 1 : written.stop - 1]
                chosen = torch.tensor(whole[i][written], device=self.device)
                blocks = zip(before.split(HEAD_ROWS), chosen.split(HEAD_ROWS), strict=True)
                out[i] = _joined([_statistics(self.head(states).float(), tokens) for states, tokens in blocks])

        self._each(read, _chunks(whole))
        return [out[i] for i in range(len(whole))]

    def embedded(self, texts: Sequence[tuple[Tokens, Tokens]]) -> list[torch.Tensor]:
        """Per (prefix, continuation) the mean last hidden state of the continuation's tokens. A prefix that several
        continuations share is computed once."""
        rows = trees(texts)
        out: dict[int, torch.Tensor] = {}

        def read(chunk: list[int]) -> None:
            ids, positions, sees = layout([rows[i] for i in chunk], self.device)
            hidden = self.net.base_model(input_ids=ids, position_ids=positions, attention_mask=sees, use_cache=False)
            for row, tree in enumerate(rows[i] for i in chunk):
                for i, span in zip(tree.members, tree.spans, strict=True):
                    out[i] = hidden.last_hidden_state[row, span].float().mean(0)
            self.count(sum(len(rows[i]) for i in chunk))

        self._each(read, _chunks([r.token_ids for r in rows]))
        return [out[i] for i in range(len(texts))]

    def _each(self, read: Callable[[list[int]], None], chunks: Iterable[list[int]]) -> None:
        """Read every chunk; each thread has its share of them, unless one pass takes more threads than there are shares."""
        every, threads = list(chunks), self.threads if torch.get_num_threads() <= self.threads else 1

        @torch.inference_mode()  # holds for one thread alone
        def read_all(part: Sequence[list[int]]) -> None:
            for chunk in part:
                read(chunk)

        shares = [every[t::threads] for t in range(min(threads, len(every)))]
        if shares:
            in_threads(read_all, shares)

    def _hidden(self, texts: Sequence[Tokens]) -> torch.Tensor:
        """The last hidden states, (texts, longest, width)."""
        self.count(sum(map(len, texts)))
        return self.net.base_model(input_ids=self._padded(texts), use_cache=False).last_hidden_state

    def _padded(self, texts: Sequence[Tokens]) -> torch.Tensor:
        width = max(map(len, texts))
        return torch.tensor([[*t, *[0] * (width - len(t))] for t in texts], device=self.device)


def in_threads(work: Callable[..., Result], *parts: Sequence[Any]) -> list[Result]:
    """What ``work`` makes of each part (and of what stands beside it in further sequences), in order. Parts run side by side,
    each on one core."""
    if len(parts[0]) == 1:
        return [work(*(p[0] for p in parts))]
    before = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(len(parts[0]), initializer=torch.set_num_threads, initargs=(1,)) as pool:
            return list(pool.map(work, *parts))
    finally:
        torch.set_num_threads(before)  # or one would be what every thread that comes later has


def _statistics(logits: torch.Tensor, chosen: torch.Tensor) -> TokenStats:
    """``logits`` (tokens, vocabulary) from which the ``chosen`` tokens came."""
    logp = logits.log_softmax(-1)
    best = logp.topk(min(20, logp.shape[-1]), dim=-1).values
    columns = (
        logp.gather(1, chosen[:, None])[:, 0],
        -(logp.exp() * logp).nan_to_num(0.0).sum(-1),
        best[:, 0].exp(),
        best.mean(-1),
    )
    return TokenStats(*(tuple(column.tolist()) for column in columns))


def _joined(parts: Sequence[TokenStats]) -> TokenStats:
    """The statistics of tokens that follow one another."""
    return TokenStats(*(tuple(chain.from_iterable(columns)) for columns in zip(*map(astuple, parts), strict=True)))


def _stacked(past: DynamicCache) -> tuple[torch.Tensor, torch.Tensor]:
    """Keys and values of a cache as (layers, rows, kv_heads, length, head_dim)."""
    layers: list[Any] = list(past.layers)
    return torch.stack([layer.keys for layer in layers]), torch.stack([layer.values for layer in layers])


def _chunks(texts: Sequence[Tokens]) -> Iterator[list[int]]:
    """The texts' numbers by length, in runs of about ``PREFILL_TOKENS`` tokens."""
    chunk: list[int] = []
    for i in sorted(range(len(texts)), key=lambda i: len(texts[i])):
        if chunk and (len(chunk) + 1) * len(texts[i]) > PREFILL_TOKENS:
            yield chunk
            chunk = []
        chunk.append(i)
    if chunk:
        yield chunk
