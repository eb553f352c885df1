"""The local engine: a causal language model that transformers can load, on CPU or GPU, with a LoRA adapter to read.

Base and adapter are networks of their own with caches of their own, so that going on after a paragraph costs the
paragraph's own tokens; ``usage`` counts what was really computed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from estimator.engines.base import STOPPED, ContextTooLong, EngineError, SampleRequest, Sampling, TokenStats, Usage
from estimator.engines.beside import CannotFork, SegmentsAhead, Writer, WritingProcess, can_fork
from estimator.engines.decode import Compute, Decoder
from estimator.engines.network import HEAD_ROWS, Network, in_threads
from estimator.engines.threads import computing_with, half_suffices
from estimator.engines.vocabulary import WithVocabulary, vocabulary_of
from estimator.types import Segment, Tokens

Pooled = dict[tuple[Tokens, Tokens], torch.Tensor]  # mean states by (prefix, continuation)
FEW_PREFIXES = 8  # up to here a request is served from the prefix cache; beyond, as one batch
MIN_ROWS_A_THREAD = 32


class LocalEngine(WithVocabulary):
    """See ``estimator.engines.base.Engine``. ``threads`` decode and read large requests in parallel, one model pass each.

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
        self.model, self.reader, self._name = model, reader, name
        # On a GPU one thread launches all of the work, and recorded passes have one place in memory.
        self.level_ids, self.threads = list(level_ids), threads if model.device.type == "cpu" else 1
        configured = None if model.generation_config is None else model.generation_config.eos_token_id
        self.vocabulary = vocabulary_of(tokenizer, configured, model.config.get_text_config().vocab_size)
        self.decoder = Decoder(model, self.vocabulary.end_ids, self.table, max_rows)
        self._base = Network(model, lambda n: self._count(prefilled=n), self.threads)
        self._base.check_head(name)
        self._reads = None if reader is None else Network(reader, lambda n: self._count(scored=n), self.threads)
        self._pooled: Pooled = {}  # what the last samples left for ``embed``
        self._usage = Usage()
        self._writing: WritingProcess | None = None
        self._may_fork = model.device.type == "cpu" and can_fork()
        self._half_suffices: dict[int, bool] = {}  # by number of threads
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

    def sample(self, requests: Sequence[SampleRequest], sampling: Sampling) -> list[list[Segment]]:
        return self._sampled(requests, sampling)

    def begin(self, request: SampleRequest, sampling: Sampling, room: int) -> SegmentsAhead | None:
        """See ``estimator.engines.base.Streams``; sampled too it is what ``sample`` gives segment by segment (up to rounding,
        where that computes with more threads). On a CPU, where a process can write on other cores meanwhile and half of the
        threads suffice for that, one stream at a time. What is written there is counted when it is handed out."""
        self._check_lengths([request.prefix], room=1)
        with self._lock:
            if self._may_fork and (self._writing is None or self._writing.gone):
                self._writing = self._start_writing()
            if not self._may_fork or self._writing is None:
                return None
        return self._writing.begin(request, sampling, room, lambda used: self._count(**asdict(used)))

    def _start_writing(self) -> WritingProcess | None:
        """None where it would not pay (with so many threads, which is measured once), or cannot be."""
        threads = torch.get_num_threads()
        if threads not in self._half_suffices:
            self._half_suffices[threads] = half_suffices(self.model)
        try:
            return WritingProcess(Writer(self._alone, self._written, self.forget)) if self._half_suffices[threads] else None
        except CannotFork:  # too little memory, or too many processes
            self._may_fork = False
            return None

    def _alone(self) -> None:
        self._lock, self._count_lock = threading.RLock(), threading.Lock()
        self._reads, self._pooled = None, {}  # what nobody asks for here would stay in memory

    def _written(self, request: SampleRequest, sampling: Sampling, stopped: Callable[[], bool]) -> tuple[Segment, Usage]:
        if stopped():  # before its prompt is computed; the decoder looks between its steps
            raise EngineError(STOPPED)
        self._usage = Usage()
        [[segment]] = self._sampled([request], sampling, stopped)
        return segment, self._usage

    def _sampled(
        self, requests: Sequence[SampleRequest], sampling: Sampling, stopped: Callable[[], bool] = lambda: False
    ) -> list[list[Segment]]:
        self._check_lengths([r.prefix for r in requests], room=1)
        with self._lock:
            results = self._run(requests, sampling, stopped)
        self._count(generated=sum(len(s.token_ids) for r in results for s in r))
        return results

    def annotate(self, prefix: Tokens, continuation: Tokens) -> tuple[tuple[float, ...], tuple[float, ...]]:
        stats = self.token_statistics([(prefix, continuation)])[0]
        return stats.logprobs, stats.entropies

    def token_statistics(self, texts: Sequence[tuple[Tokens, Tokens]]) -> list[TokenStats]:
        self._check_lengths([(*prefix, *continuation) for prefix, continuation in texts])
        with self._lock:
            return self._base.statistics(texts)

    @torch.inference_mode()
    def next_logprobs(self, prefixes: Sequence[Tokens], token_ids: Sequence[int]) -> NDArray[np.float64]:
        named = list(token_ids)
        blocks = self._last_states(prefixes).split(HEAD_ROWS)
        logprobs = [self._base.head(states).float().log_softmax(-1)[:, named] for states in blocks]
        return torch.cat(logprobs).double().cpu().numpy()

    def hidden_states(self, prefixes: Sequence[Tokens]) -> NDArray[np.float64]:
        return self._last_states(prefixes).double().cpu().numpy()

    def _last_states(self, prefixes: Sequence[Tokens]) -> torch.Tensor:
        self._check_lengths(prefixes)
        with self._lock:
            return self._base.last_states(prefixes)

    @torch.inference_mode()
    def levels(self, prefixes: Sequence[Tokens]) -> list[tuple[float, ...]]:
        adapter = self._adapter()
        self._check_lengths(prefixes)
        with self._lock:
            if len(set(prefixes)) <= FEW_PREFIXES:
                with self._threads_left():
                    computed = adapter.cached(prefixes)
                blocks = [p.logits[None] for p in computed]
            else:
                blocks = (adapter.head(states).float() for states in adapter.last_states(prefixes).split(HEAD_ROWS))
            logits = torch.cat(
                [torch.zeros(0, len(self.level_ids), device=adapter.device), *(b[:, self.level_ids] for b in blocks)]
            )
        read = logits.softmax(-1)
        if not read.isfinite().all():
            raise EngineError("the estimator's readout is not finite: its weights are damaged or do not fit the base model")
        return [tuple(row) for row in read.tolist()]

    def _threads_left(self) -> AbstractContextManager[None]:
        """While the writing process computes as well, each has half of them."""
        writing = self._writing
        return computing_with(writing.threads) if writing is not None and writing.busy else nullcontext()

    def adapter_hidden(self, prefixes: Sequence[Tokens]) -> torch.Tensor:
        """The adapted model's last hidden state at each prefix's end, (prefixes, width): what other readouts start from."""
        adapter = self._adapter()
        self._check_lengths(prefixes)
        with self._lock:
            return adapter.last_states(prefixes)

    def _adapter(self) -> Network:
        if self._reads is None:
            raise EngineError(f"no estimator is loaded for {self.name}: name one with --estimator, or train one first")
        return self._reads

    def embed(self, texts: Sequence[tuple[Tokens, Tokens]]) -> torch.Tensor:
        """Per (prefix, continuation) the mean last hidden state of the continuation's tokens, as the base model has it. What
        was kept while it was written (``Sampling.pool``) is not computed again."""
        with self._lock:
            found = {text: self._pooled[text] for text in texts if text in self._pooled}
            left = [text for text in dict.fromkeys(texts) if text not in found]
            found.update(zip(left, self._base.embedded(left), strict=True))
        return torch.stack([found[text] for text in texts]).cpu()

    def forget(self) -> None:
        """Empty the caches, as if nothing had been computed yet."""
        if self._writing is not None:
            self._writing.forget()
        for network in (self._base, self._reads):
            if network is not None:
                network.cache.entries.clear()
        self._pooled = {}

    def _run(self, requests: Sequence[SampleRequest], sampling: Sampling, stopped: Callable[[], bool]) -> list[list[Segment]]:
        """With fewer rows at once where the device's memory does not hold so many; what comes of it is the same."""
        while True:
            try:
                return self._decoded(requests, sampling, stopped)
            except torch.OutOfMemoryError as error:
                if not self.decoder.fewer_rows():
                    raise EngineError(
                        f"{self.name} does not fit the memory of its device with an answer of {sampling.max_tokens} tokens: "
                        f"allow fewer, or serve it with vLLM"
                    ) from error

    def _decoded(
        self, requests: Sequence[SampleRequest], sampling: Sampling, stopped: Callable[[], bool]
    ) -> list[list[Segment]]:
        distinct = dict.fromkeys(r.prefix for r in requests)
        compute: Compute = self._base.batch
        keep = self._base.cache.put if sum(r.n for r in requests) <= FEW_PREFIXES else None
        if len(distinct) <= FEW_PREFIXES:
            ready = dict(zip(distinct, self._base.cached(list(distinct)), strict=True))
            compute = lambda prefixes: [ready[p] for p in prefixes]  # noqa: E731
        parts = split(requests, self.threads)
        pooled: list[Pooled] = [{} for _ in parts]

        def decoded(part: list[tuple[int, SampleRequest]], pooled: Pooled) -> list[list[Segment]]:
            pool = None if sampling.pool is None else lambda prefix, first, state: pooled.setdefault((prefix, first), state)
            return self.decoder.run([r for _, r in part], sampling, compute, keep, pool, stopped)

        done = in_threads(decoded, parts, pooled)
        self._pooled = {text: state for found in reversed(pooled) for text, state in found.items()}
        merged: list[list[Segment]] = [[] for _ in requests]
        for part, segments in zip(parts, done, strict=True):
            for (i, _), got in zip(part, segments, strict=True):
                merged[i].extend(got)
        return merged

    def _check_lengths(self, prefixes: Sequence[Tokens], room: int = 0) -> None:
        longest = max(map(len, prefixes), default=0)
        if longest + room > self.max_context:
            raise ContextTooLong(
                f"{longest} tokens do not fit {self.name}'s context of {self.max_context}: shorten the question"
            )

    def _count(self, **tokens: int) -> None:
        with self._count_lock:
            self._usage = replace(self._usage, **{k: getattr(self._usage, k) + n for k, n in tokens.items()})


def split(requests: Sequence[SampleRequest], threads: int) -> list[list[tuple[int, SampleRequest]]]:
    """Requests as at most ``threads`` parts with equal rows and about equal work: prefixes of like length, whose continuations
    tend to be alike too, are dealt out in turn. A request of many samples may be cut in two."""
    total = sum(r.n for r in requests)
    if threads <= 1 or total < MIN_ROWS_A_THREAD * threads:
        return [list(enumerate(requests))]
    parts: list[list[tuple[int, SampleRequest]]] = [[]]
    room = share = -(-total // threads)
    by_length = sorted(range(len(requests)), key=lambda i: len(requests[i].prefix))
    for i in (i for t in range(threads) for i in by_length[t::threads]):
        request, done = requests[i], 0
        while done < request.n:
            if room == 0:
                parts.append([])
                room = share
            take = min(room, request.n - done)
            parts[-1].append((i, replace(request, n=take, first_index=request.first_index + done)))
            done, room = done + take, room - take
    return parts
