"""The local engine: any causal language model that transformers can load, on CPU or GPU, with a LoRA adapter to read.

Base and adapter each keep their own cache of computed prefixes, so that going on after a paragraph costs the paragraph's
own tokens; ``usage`` counts what was really computed.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import DynamicCache

from estimator.engines import kernels
from estimator.engines.base import ContextTooLong, EngineError, SampleRequest, Sampling, TokenStats, Usage
from estimator.engines.cache import Prefix, PrefixCache
from estimator.engines.decode import PREFILL_TOKENS, Compute, Decoder
from estimator.engines.trees import layout, trees
from estimator.positions import break_table
from estimator.prompts import prompt_ids, text_ids
from estimator.types import Segment, Tokens

FEW_PREFIXES = 8  # up to here a request is served from the prefix cache; beyond, as one batch
MIN_ROWS_A_THREAD = 32


class LocalEngine:
    """See ``estimator.engines.base.Engine``. ``threads`` decode large requests in parallel, one model pass each.

    ``model`` is a transformers causal LM and generates; ``reader`` is a model of its own with the adapter in it (it may share
    the weights, see ``estimator.loading``) and only reads, so nothing that it does can reach what is generated.
    ``level_ids`` are the token ids of the confidence levels.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        *,
        name: str,
        reader: Any = None,
        level_ids: Sequence[int] = (),
        max_rows: int = 128,
        threads: int = 1,
    ) -> None:
        self.model, self.tokenizer, self.reader, self._name = model, tokenizer, reader, name
        self.level_ids, self.threads = list(level_ids), threads
        pieces = [tokenizer.decode([i], skip_special_tokens=False) for i in range(len(tokenizer))]
        for net in (model, reader):
            if net is not None:
                kernels.install(net)
        self.table = break_table(pieces)
        self.ends = _end_ids(model, tokenizer)
        self.decoder = Decoder(model, self.ends, self.table, max_rows)
        self.base_cache, self.adapter_cache = PrefixCache(), PrefixCache()
        self._usage = Usage()
        self._lock, self._count_lock = threading.RLock(), threading.Lock()

    @property
    def name(self) -> str:
        return self._name

    @property
    def usage(self) -> Usage:
        return self._usage

    @property
    def max_context(self) -> int:
        return self.decoder.max_context

    @property
    def end_id(self) -> int:
        return self.tokenizer.eos_token_id

    def prompt_ids(self, question: str) -> Tokens:
        return prompt_ids(self.tokenizer, question)

    def text_ids(self, text: str) -> Tokens:
        return text_ids(self.tokenizer, text)

    def decode(self, token_ids: Sequence[int]) -> str:
        return self.tokenizer.decode([i for i in token_ids if i not in self.ends], skip_special_tokens=False)

    def sample(self, requests: Sequence[SampleRequest], sampling: Sampling) -> list[list[Segment]]:
        self._check_lengths([r.prefix for r in requests], room=1)
        with self._lock:
            results = self._run(requests, sampling)
        self._count(generated=sum(len(s.token_ids) for r in results for s in r))
        return results

    def annotate(self, prefix: Tokens, continuation: Tokens) -> tuple[tuple[float, ...], tuple[float, ...]]:
        stats = self.token_statistics([(prefix, continuation)])[0]
        return stats.logprobs, stats.entropies

    @torch.inference_mode()
    def token_statistics(self, texts: Sequence[tuple[Tokens, Tokens]]) -> list[TokenStats]:
        whole = [(*prefix, *continuation) for prefix, continuation in texts]
        self._check_lengths(whole)
        out: dict[int, TokenStats] = {}
        with self._lock:
            for chunk in _chunks(sorted(range(len(whole)), key=lambda i: len(whole[i])), whole):
                ids = self._padded([whole[i] for i in chunk])
                hidden = self.model.base_model(input_ids=ids, use_cache=False).last_hidden_state
                for row, i in enumerate(chunk):
                    written = slice(len(texts[i][0]), len(whole[i]))
                    before = hidden[row, written.start - 1 : written.stop - 1]
                    out[i] = _statistics(self.model.get_output_embeddings()(before).float(), ids[row, written])
                self._count(prefilled=sum(len(whole[i]) for i in chunk))
        return [out[i] for i in range(len(whole))]

    @torch.inference_mode()
    def next_logprobs(self, prefixes: Sequence[Tokens], token_ids: Sequence[int]) -> NDArray[np.float64]:
        states = self._last_states(prefixes)
        logp = self.model.get_output_embeddings()(states).float().log_softmax(-1)
        return logp[:, list(token_ids)].double().cpu().numpy()

    def hidden_states(self, prefixes: Sequence[Tokens]) -> NDArray[np.float64]:
        return self._last_states(prefixes).double().cpu().numpy()

    def _last_states(self, prefixes: Sequence[Tokens]) -> torch.Tensor:
        self._check_lengths(prefixes)
        with self._lock:
            return self._read_nested(self.model, prefixes, "prefilled")

    def levels(self, prefixes: Sequence[Tokens]) -> list[tuple[float, ...]]:
        reader = self._reader()
        self._check_lengths(prefixes)
        with self._lock:
            if len(set(prefixes)) <= FEW_PREFIXES:
                computed = self._compute_cached(reader, prefixes, self.adapter_cache, "scored")
                logits = torch.stack([p.logits for p in computed]) if computed else torch.zeros(0, 1)
            else:
                logits = reader.get_output_embeddings()(self._read_nested(reader, prefixes, "scored")).float()
        read = logits[:, self.level_ids].softmax(-1)
        if not read.isfinite().all():
            raise EngineError("the estimator's readout is not finite: its weights are damaged or do not fit the base model")
        return [tuple(row) for row in read.tolist()]

    def adapter_hidden(self, prefixes: Sequence[Tokens]) -> torch.Tensor:
        """The adapted model's last hidden state at each prefix's end, (prefixes, width): what other readouts start from."""
        reader = self._reader()
        self._check_lengths(prefixes)
        with self._lock:
            return self._read_nested(reader, prefixes, "scored")

    def _reader(self) -> Any:
        if self.reader is None:
            raise EngineError(f"no estimator is loaded for {self.name}: name one with --estimator, or train one first")
        return self.reader

    @torch.inference_mode()
    def embed(self, texts: Sequence[tuple[Tokens, Tokens]]) -> torch.Tensor:
        """Per (prefix, continuation) the mean last hidden state of the continuation's tokens, as the base model has it. A
        prefix that several continuations share is computed once."""
        rows = trees(texts)
        order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
        out: dict[int, torch.Tensor] = {}

        @torch.inference_mode()  # holds for one thread alone
        def read(part: list[int]) -> None:
            for chunk in _chunks(part, [r.token_ids for r in rows]):
                ids, positions, sees = layout([rows[i] for i in chunk], self.decoder.device)
                hidden = self.model.base_model(input_ids=ids, position_ids=positions, attention_mask=sees, use_cache=False)
                for row, tree in enumerate(rows[i] for i in chunk):
                    for i, span in zip(tree.members, tree.spans, strict=True):
                        out[i] = hidden.last_hidden_state[row, span].float().mean(0)
                self._count(prefilled=sum(len(rows[i]) for i in chunk))

        parts = [order[t :: self.threads] for t in range(self.threads)]
        with self._lock:
            if len(parts) == 1:
                read(order)
            else:
                with ThreadPoolExecutor(len(parts), initializer=torch.set_num_threads, initargs=(1,)) as pool:
                    list(pool.map(read, parts))
        return torch.stack([out[i] for i in range(len(texts))])

    def _run(self, requests: Sequence[SampleRequest], sampling: Sampling) -> list[list[Segment]]:
        distinct = dict.fromkeys(r.prefix for r in requests)
        compute: Compute = self._compute_batch
        keep = self.base_cache.put if sum(r.n for r in requests) <= FEW_PREFIXES else None
        if len(distinct) <= FEW_PREFIXES:
            computed = self._compute_cached(self.model, list(distinct), self.base_cache, "prefilled")
            ready = dict(zip(distinct, computed, strict=True))
            compute = lambda prefixes: [ready[p] for p in prefixes]  # noqa: E731
        parts = _split(requests, self.threads)
        if len(parts) == 1:
            return self.decoder.run(requests, sampling, compute, keep)
        with ThreadPoolExecutor(len(parts), initializer=torch.set_num_threads, initargs=(1,)) as pool:
            done = list(pool.map(lambda part: self.decoder.run([r for _, r in part], sampling, compute), parts))
        merged: list[list[Segment]] = [[] for _ in requests]
        for part, segments in zip(parts, done, strict=True):
            for (i, _), got in zip(part, segments, strict=True):
                merged[i].extend(got)
        return merged

    @torch.inference_mode()
    def _compute_cached(self, net: Any, prefixes: Sequence[Tokens], cache: PrefixCache, purpose: str) -> list[Prefix]:
        out = []
        for tokens in prefixes:
            known = cache.longest(tokens)
            if known is None or known.length < len(tokens):
                known = self._extend(net, known, tokens)
                self._count(**{purpose: len(tokens) - known.cached})
                cache.put(tokens, known)
            out.append(known)
        return out

    def _extend(self, net: Any, known: Prefix | None, tokens: Tokens) -> Prefix:
        """Compute the tokens behind a known prefix, and these alone."""
        past = DynamicCache()
        if known is not None:
            for layer, (keys, values) in enumerate(zip(known.keys, known.values, strict=True)):
                past.update(keys[None], values[None], layer)
        begin = 0 if known is None else known.length
        ids = torch.tensor([tokens[begin:]], device=self.decoder.device)
        output = net(input_ids=ids, past_key_values=past, use_cache=True, logits_to_keep=1)
        keys, values = _stacked(past)
        return Prefix(keys[:, 0], values[:, 0], output.logits[0, -1].float(), cached=begin)

    @torch.inference_mode()
    def _compute_batch(self, prefixes: Sequence[Tokens]) -> list[Prefix]:
        """Right-padded: under causal attention no token sees the padding behind it."""
        lengths = [len(p) for p in prefixes]
        past = DynamicCache()
        hidden = self.model.base_model(input_ids=self._padded(prefixes), past_key_values=past, use_cache=True)
        last = hidden.last_hidden_state[torch.arange(len(lengths)), torch.tensor(lengths) - 1]
        logits = self.model.get_output_embeddings()(last).float()
        self._count(prefilled=sum(lengths))
        keys, values = _stacked(past)
        return [Prefix(keys[:, i, :, :n], values[:, i, :, :n], logits[i]) for i, n in enumerate(lengths)]

    @torch.inference_mode()
    def _read_nested(self, net: Any, prefixes: Sequence[Tokens], purpose: str) -> torch.Tensor:
        """The last hidden state at each prefix's end; a prefix that begins a longer one is read off the longer one's pass."""
        whole: list[Tokens] = []
        place: dict[Tokens, int] = {}
        for tokens in sorted(set(prefixes), reverse=True):  # a longer text comes directly before what begins it
            if not whole or whole[-1][: len(tokens)] != tokens:
                whole.append(tokens)
            place[tokens] = len(whole) - 1
        rows: dict[Tokens, torch.Tensor] = {}
        for chunk in _chunks(sorted(range(len(whole)), key=lambda i: len(whole[i])), whole):
            hidden = net.base_model(input_ids=self._padded([whole[i] for i in chunk]), use_cache=False)
            inside = {i: r for r, i in enumerate(chunk)}
            for tokens in (t for t, i in place.items() if i in inside):
                rows[tokens] = hidden.last_hidden_state[inside[place[tokens]], len(tokens) - 1]
            self._count(**{purpose: sum(len(whole[i]) for i in chunk)})
        return torch.stack([rows[p] for p in prefixes])

    def _padded(self, prefixes: Sequence[Tokens]) -> torch.Tensor:
        width = max(map(len, prefixes))
        return torch.tensor([[*p, *[0] * (width - len(p))] for p in prefixes], device=self.decoder.device)

    def _check_lengths(self, prefixes: Sequence[Tokens], room: int = 0) -> None:
        longest = max(map(len, prefixes), default=0)
        if longest + room > self.max_context:
            raise ContextTooLong(
                f"{longest} tokens do not fit {self.name}'s context of {self.max_context}: shorten the question"
            )

    def _count(self, **tokens: int) -> None:
        with self._count_lock:
            self._usage = replace(self._usage, **{k: getattr(self._usage, k) + n for k, n in tokens.items()})


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


def _stacked(past: DynamicCache) -> tuple[torch.Tensor, torch.Tensor]:
    """Keys and values of a cache as (layers, rows, kv_heads, length, head_dim)."""
    layers: list[Any] = list(past.layers)
    return torch.stack([layer.keys for layer in layers]), torch.stack([layer.values for layer in layers])


def _chunks(order: Sequence[int], texts: Sequence[Tokens]) -> Iterator[list[int]]:
    """Runs of ``order`` (by length) that hold about ``PREFILL_TOKENS`` tokens each."""
    chunk: list[int] = []
    for i in order:
        if chunk and (len(chunk) + 1) * len(texts[i]) > PREFILL_TOKENS:
            yield chunk
            chunk = []
        chunk.append(i)
    if chunk:
        yield chunk


def _split(requests: Sequence[SampleRequest], threads: int) -> list[list[tuple[int, SampleRequest]]]:
    """Requests as at most ``threads`` parts with about equal rows; a request of many samples may be cut in two."""
    total = sum(r.n for r in requests)
    if threads <= 1 or total < MIN_ROWS_A_THREAD * threads:
        return [list(enumerate(requests))]
    parts: list[list[tuple[int, SampleRequest]]] = [[]]
    room = share = -(-total // threads)
    for i, request in enumerate(requests):
        done = 0
        while done < request.n:
            if room == 0:
                parts.append([])
                room = share
            take = min(room, request.n - done)
            parts[-1].append((i, replace(request, n=take, first_index=request.first_index + done)))
            done, room = done + take, room - take
    return parts


def _end_ids(model: Any, tokenizer: Any) -> list[int]:
    configured = model.generation_config.eos_token_id if model.generation_config is not None else None
    ids = [configured] if isinstance(configured, int) else list(configured or [])
    return sorted({*ids, tokenizer.eos_token_id} - {None})
