"""The vLLM engine: base model and estimator adapter on one server, asked over HTTP with token ids.

What is sent is in ``bodies``, what comes back is read by ``wire``.
The server stops by itself at a blank line or after a number of tokens; a position that only the client can see (entropy) is
streamed to, and the stream is closed there. What is begun (``VllmEngine.begin``) is one stream to its end (``stream``).
Entropies come from the ``TOP`` highest log-probabilities (``entropy_kind``), which are asked for where they are needed.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from estimator.engines.base import ContextTooLong, EngineError, SampleRequest, Sampling, Usage
from estimator.engines.bodies import COMPLETIONS, TOP, generation, likeliest, named, stream_seed
from estimator.engines.client import ServerClient
from estimator.engines.replies import BadReply
from estimator.engines.room import Room
from estimator.engines.stream import AnswerStream
from estimator.engines.turns import Kind, Turns, lists_survive
from estimator.engines.vocabulary import Vocabulary, WithVocabulary
from estimator.engines.wire import (
    Written,
    as_segment,
    check_prompt,
    choices_of,
    computed,
    normalised,
    read_choice,
    read_logprobs,
)
from estimator.positions import Position, PositionKind
from estimator.types import Segment, Tokens

Result = TypeVar("Result")
WITH_USAGE = {"stream_options": {"include_usage": True}}
PROBE_TOKENS = 256
# Samples asked for at once: what vLLM computes at once by default on a large GPU (on others 256). What waits there longer than
# the client's timeout would be taken for hanging, given up and begun again.
SAMPLES = 1024


class VllmEngine(WithVocabulary):
    """See ``estimator.engines.base.Engine``; ``model`` and ``adapter`` are the names under which the server has them."""

    def __init__(
        self,
        client: ServerClient,
        vocabulary: Vocabulary,
        *,
        name: str,
        model: str,
        max_context: int,
        adapter: str | None = None,
        level_ids: Sequence[int] = (),
    ) -> None:
        self.client, self.vocabulary, self.name = client, vocabulary, name
        self.model, self.adapter, self.level_ids, self.max_context = model, adapter, list(level_ids), max_context
        self.entropy_kind = f"top-{TOP}"
        self.turns: Turns | None = None
        self._room = Room(SAMPLES)
        self._usage, self._lock = Usage(), threading.Lock()

    @property
    def usage(self) -> Usage:
        return self._usage

    def forked(self) -> VllmEngine:
        """The same engine with a count of its own, so that runs side by side do not count each other's tokens."""
        twin = VllmEngine.__new__(VllmEngine)
        twin.__dict__.update(self.__dict__, _usage=Usage(), _lock=threading.Lock())
        return twin

    def take_turns_where_needed(self) -> None:
        """Find out whether scores and generation may meet in one batch of this server, and keep them apart if not."""
        prompt = self.prompt_ids("How many legs do 3 dogs have?")
        endless = {"ignore_eos": True, "stop_token_ids": [], "seed": 0}  # named end tokens would stop it all the same
        long = self._generation(prompt, Sampling(max_tokens=PROBE_TOKENS, entropies=True)) | endless
        read = named(self.adapter, prompt, self.level_ids)
        survive = self.client.run(lists_survive(self.client, COMPLETIONS, long, read))
        self.turns = None if survive else Turns()

    def sample(self, requests: Sequence[SampleRequest], sampling: Sampling) -> list[list[Segment]]:
        self._check_lengths([r.prefix for r in requests])
        return self.client.run(_all(self._sampled(r, sampling) for r in requests))

    def begin(self, request: SampleRequest, sampling: Sampling, room: int) -> AnswerStream | None:
        """See ``estimator.engines.base.Streams``. Where scores and generation take turns, a score would wait for it."""
        if self.turns is not None:
            return None
        self._check_lengths([request.prefix])

        def body(come: Tokens) -> dict[str, Any]:
            rest = replace(request, prefix=(*request.prefix, *come))
            # To the end: positions are cut here.
            left = Sampling(sampling.temperature, room - len(come), entropies=sampling.needs_entropies)
            return self._generation(rest.prefix, left) | {"n": 1, "seed": stream_seed(rest), **WITH_USAGE}

        return AnswerStream(
            self.client,
            request.prefix,
            body,
            read=lambda choice: self._read(choice, sampling),
            cut=lambda written: self._cut(written, sampling.position, sampling.max_tokens),
            count=self._count,
            slot=self._room.of(1),
        )

    def annotate(self, prefix: Tokens, continuation: Tokens) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Each token is drawn again from a prompt that ends before it, with no other token allowed: log-probabilities of a
        prompt (``prompt_logprobs``) bypass the server's prefix cache, and may crash it beside an adapter."""
        whole = (*prefix, *continuation)
        self._check_lengths([whole[:-1]])
        drawn = self.client.run(_all(self._forced(whole[:i], whole[i]) for i in range(len(prefix), len(whole))))
        return tuple(d.logprobs[0] for d in drawn), tuple(d.entropies[0] for d in drawn)

    def levels(self, prefixes: Sequence[Tokens]) -> list[tuple[float, ...]]:
        if self.adapter is None:
            raise EngineError(f"no estimator is named for {self.name}: name the server's with --estimator")
        self._check_lengths(prefixes)
        longest_first = sorted(set(prefixes), key=len, reverse=True)  # what begins a longer text finds it in the cache
        read = self.client.run(_all(self._named_after(self.adapter, p, self.level_ids, "scored") for p in longest_first))
        found = {p: normalised(logprobs) for p, logprobs in zip(longest_first, read, strict=True)}
        return [found[p] for p in prefixes]

    def next_logprobs(self, prefixes: Sequence[Tokens], token_ids: Sequence[int]) -> NDArray[np.float64]:
        self._check_lengths(prefixes)
        return np.array(self.client.run(_all(self._named_after(self.model, p, token_ids, "prefilled") for p in prefixes)))

    async def _sampled(self, request: SampleRequest, sampling: Sampling) -> list[Segment]:
        """One request for all n samples of a prefix; greedy, they are all the same (and a server refuses n > 1)."""
        n = request.n if sampling.temperature > 0 else 1
        body = self._generation(request.prefix, sampling) | {"n": n, "seed": stream_seed(request)}
        async with self._room.of(n), self._turn("generate"):
            if sampling.position is not None and sampling.position.kind is PositionKind.ENTROPY:
                read = partial(self._streamed, request.prefix, n, sampling)
                segments = await self.client.stream(COMPLETIONS, lambda: body, read)
            else:
                segments = await self.client.post(COMPLETIONS, body, partial(self._segments, request.prefix, n, sampling))
        self._count(generated=sum(len(s.token_ids) for s in segments) * (request.n // n))
        return segments if n == request.n else segments * request.n

    def _generation(self, prefix: Tokens, sampling: Sampling) -> dict[str, Any]:
        return generation(self.model, prefix, sampling, self.vocabulary.end_ids, self.max_context)

    def _segments(self, prefix: Tokens, n: int, sampling: Sampling, reply: Mapping[str, Any]) -> list[Segment]:
        choices = choices_of(reply, n)
        check_prompt(choices[0], prefix)
        written = [self._read(c, sampling) for c in choices]
        segments = [self._cut(w, sampling.position) for w in written]
        if None in segments:
            raise BadReply("the server's reply does not say why it stopped")
        self._count(prefilled=computed(reply))
        return [s for s in segments if s is not None]

    async def _streamed(
        self, prefix: Tokens, n: int, sampling: Sampling, events: AsyncIterator[Mapping[str, Any]]
    ) -> list[Segment]:
        """Read until every sample has reached its position; leaving closes the stream."""
        written, done = [Written()] * n, dict[int, Segment]()
        async for event in events:
            for choice in event.get("choices") or []:
                i = choice["index"]
                if not written[i].token_ids and choice.get("prompt_token_ids") is not None:
                    check_prompt(choice, prefix)
                written[i] = written[i].then(self._read(choice, sampling))
                segment = None if i in done else self._cut(written[i], sampling.position)
                if segment is not None:
                    done[i] = segment
            if len(done) == n:
                self._count(prefilled=len(prefix))  # a stream that is left early does not say what was cached
                return [done[i] for i in range(n)]
        raise BadReply("the server's reply ends before its answers do")

    def _read(self, choice: Mapping[str, Any], sampling: Sampling) -> Written:
        return read_choice(choice, TOP if sampling.needs_entropies else 0, self.vocabulary.size)

    def _cut(self, written: Written, position: Position | None, max_tokens: int | None = None) -> Segment | None:
        return as_segment(written, position, self.table, self.vocabulary.end_ids, max_tokens)

    async def _named_after(self, model: str, prefix: Tokens, token_ids: Sequence[int], purpose: str) -> tuple[float, ...]:
        """Log-probabilities of generated tokens read the prefix cache of ``model``, so an append-only text costs its new tokens
        and the rest of a cache block; they are counted as ``purpose``."""

        def read(reply: Mapping[str, Any]) -> tuple[float, ...]:
            [choice] = choices_of(reply, 1)
            check_prompt(choice, prefix)
            logprobs = read_logprobs(choice, token_ids)
            self._count(**{purpose: computed(reply)})
            return logprobs

        async with self._turn("read"):
            return await self.client.post(COMPLETIONS, named(model, prefix, token_ids), read)

    def read_request(self, prefix: Tokens) -> dict[str, Any]:
        """The likeliest tokens after the prefix, by the base model."""
        return likeliest(self.model, prefix)

    async def _forced(self, prefix: Tokens, token: int) -> Written:
        """The reading of ``token`` as the next one after the prefix."""
        body = self.read_request(prefix) | {"allowed_token_ids": [token]}

        def read(reply: Mapping[str, Any]) -> Written:
            [choice] = choices_of(reply, 1)
            check_prompt(choice, prefix)
            written = read_choice(choice, TOP, self.vocabulary.size)
            if written.token_ids != (token,):
                raise BadReply("the server drew a token that was not allowed: it has to honour allowed_token_ids")
            self._count(prefilled=computed(reply))
            return written

        async with self._turn("generate"):
            return await self.client.post(COMPLETIONS, body, read)

    def _turn(self, kind: Kind) -> AbstractAsyncContextManager[None]:
        return nullcontext() if self.turns is None else self.turns.of(kind)

    def _check_lengths(self, prefixes: Sequence[Tokens]) -> None:
        longest = max(map(len, prefixes), default=0)
        if longest >= self.max_context:  # at least one token has to be written, to read a distribution
            raise ContextTooLong(
                f"{longest} tokens do not fit {self.name}'s context of {self.max_context}: shorten the question, or "
                f"serve the model with a longer context"
            )

    def _count(self, **tokens: int) -> None:
        with self._lock:
            self._usage = replace(self._usage, **{k: getattr(self._usage, k) + n for k, n in tokens.items()})


async def _all(work: Iterable[Coroutine[Any, Any, Result]]) -> list[Result]:
    """All results in order; when one fails the others are cancelled."""
    tasks = [asyncio.create_task(w) for w in work]
    try:
        return await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        raise
