"""An answer that a server writes in one go while it is asked for other things, handed out segment by segment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any

import httpx

from estimator.engines.base import EngineUnreachable
from estimator.engines.bodies import COMPLETIONS
from estimator.engines.client import ServerClient
from estimator.engines.replies import BadReply, PassingFailure, shaped
from estimator.engines.wire import Written, check_end, check_prompt, computed
from estimator.types import Segment, Tokens

Body = Callable[[Tokens], dict[str, Any]]
Read = Callable[[Mapping[str, Any]], Written]
Cut = Callable[[Written], Segment | None]


class AnswerStream:
    """See ``estimator.engines.base.Stream``. After a failure that may pass the server is asked for the same again, so that
    nothing changes; where it then writes something else, it goes on behind what has been handed out.

    ``body`` is the request that goes on behind the given tokens of the answer, ``read`` what a choice of a reply holds, ``cut``
    the first segment of what was written (None while it goes on); ``count`` is told of tokens, and in ``slot`` the stream has
    its place among all that is asked of the server. All state but the future is the client's loop's.
    """

    def __init__(
        self,
        client: ServerClient,
        prefix: Tokens,
        body: Body,
        read: Read,
        cut: Cut,
        count: Callable[..., None],
        slot: AbstractAsyncContextManager[None],
    ) -> None:
        self._client, self._prefix, self._body, self._slot = client, prefix, body, slot
        self._read, self._cut, self._count = read, cut, count
        self._received, self._handed_out = Written(), 0  # the second in tokens
        self._fixed, self._caught_up = Written(), False  # what an attempt goes on behind; whether it has come that far
        self._failed: Exception | None = None
        self._ended, self._news = False, asyncio.Event()
        self._writing = client.start(self._write())

    def next(self) -> Segment | None:
        segment = self._client.run(self._next())
        if segment is not None:
            self._count(generated=len(segment.token_ids))
        return segment

    def cancel(self) -> None:
        """The connection is closed, at which the server stops; whoever waits still is told."""
        self._writing.cancel()
        with suppress(EngineUnreachable):  # the client is closed, and nobody waits
            self._client.start(self._end(EngineUnreachable("what the server was writing was stopped")))

    async def _next(self) -> Segment | None:
        while True:
            rest = self._received.behind(self._handed_out)
            segment = self._cut(rest) if rest.token_ids else None
            if segment is not None:
                self._handed_out += len(segment.token_ids)
                return segment
            if self._failed is not None:
                raise self._failed
            if self._ended:
                return None
            self._news.clear()
            await self._news.wait()

    async def _write(self) -> None:
        """Each time that the answer has grown, the client's patience begins anew."""
        try:
            async with self._slot:
                while True:
                    before = len(self._received.token_ids)
                    try:
                        await self._client.stream(COMPLETIONS, lambda: self._body(self._fixed.token_ids), self._listen)
                        break
                    except PassingFailure:
                        if len(self._received.token_ids) <= before:
                            raise
        except Exception as error:
            await self._end(error)
        await self._end()

    async def _end(self, error: Exception | None = None) -> None:
        self._failed, self._ended = self._failed or error, True
        self._news.set()

    async def _listen(self, events: AsyncIterator[dict[str, Any]]) -> None:
        before, written, self._caught_up = (*self._prefix, *self._fixed.token_ids), self._fixed, False
        prefilled = len(before)  # at most: the server says it behind the end, and if that is lost, nothing else is
        try:
            async for event in events:
                for choice in event.get("choices") or []:
                    if choice.get("prompt_token_ids") is not None:
                        check_prompt(choice, before)
                    written = written.then(self._read(choice))
                self._take(written)
                if written.finish is not None:
                    break
            else:
                raise BadReply("the server's reply ends before its answer does")
            with suppress(PassingFailure, httpx.HTTPError), shaped():
                async for event in events:
                    prefilled = computed(event) if event.get("usage") else prefilled
        finally:
            self._count(prefilled=prefilled)

    def _take(self, written: Written) -> None:
        """What an attempt has brought so far, once it has come to where those before it were handed out."""
        check_end(written)
        if not self._caught_up:
            given = self._received.upto(self._handed_out)
            both = min(len(given.token_ids), len(written.token_ids))
            self._caught_up = both == len(given.token_ids)
            short = not self._caught_up
            if written.token_ids[:both] != given.token_ids[:both] or (short and written.finish is not None):
                self._received = self._fixed = given
                raise PassingFailure("the server wrote something else when it was asked again")
            if short:
                return
        self._received = written
        self._news.set()
