"""An answer that a server writes in one go while it is asked for other things, handed out segment by segment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any

import httpx

from estimator.engines.base import EngineUnreachable
from estimator.engines.client import ServerClient
from estimator.engines.replies import BadReply, PassingFailure
from estimator.engines.wire import Written, check_prompt, computed
from estimator.types import Segment, Tokens

Body = Callable[[Tokens], dict[str, Any]]
Read = Callable[[Mapping[str, Any]], Written]
Cut = Callable[[Written, int], Segment | None]


class AnswerStream:
    """See ``estimator.engines.base.Stream``. After a failure that may pass the server is asked for the same again, so that
    nothing changes; where it then writes something else, it goes on behind what has been handed out.

    ``body`` is the request that goes on behind the given tokens of the answer, ``read`` what a choice of a reply holds, ``cut``
    the first segment of what was written (None while it goes on); ``count`` is told of tokens, and ``place`` is where the
    stream waits for its turn on the server.
    """

    def __init__(
        self,
        client: ServerClient,
        path: str,
        prefix: Tokens,
        body: Body,
        read: Read,
        cut: Cut,
        count: Callable[..., None],
        place: AbstractAsyncContextManager[None],
    ) -> None:
        self._client, self._path, self._prefix, self._body = client, path, prefix, body
        self._read, self._cut, self._count, self._place = read, cut, count, place
        self._come, self._handed_out = Written(), 0  # the second in tokens
        self._fixed = Written()  # what an attempt goes on behind
        self._failed: Exception | None = None
        self._news = asyncio.Event()
        self._writing = client.start(self._write())

    def next(self, max_tokens: int) -> Segment:
        segment = self._client.run(self._next(max_tokens))
        self._count(generated=len(segment.token_ids))
        return segment

    def cancel(self) -> None:
        """The connection is closed, at which the server stops; whoever waits still is told."""
        self._writing.cancel()
        with suppress(EngineUnreachable):  # the client is closed, and nobody waits
            self._client.start(self._end(EngineUnreachable("what the server was writing was stopped")))

    async def _next(self, max_tokens: int) -> Segment:
        while (segment := self._cut(self._come.behind(self._handed_out), max_tokens)) is None:
            if self._failed is not None:
                raise self._failed
            self._news.clear()
            await self._news.wait()
        self._handed_out += len(segment.token_ids)
        return segment

    async def _write(self) -> None:
        try:
            async with self._place:
                await self._client.stream(self._path, lambda: self._body(self._fixed.token_ids), self._listen)
        except Exception as error:
            await self._end(error)

    async def _end(self, error: Exception) -> None:
        self._failed = error
        self._news.set()

    async def _listen(self, events: AsyncIterator[dict[str, Any]]) -> None:
        before, written = (*self._prefix, *self._fixed.token_ids), self._fixed
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
        prefilled = len(before)  # at most; the server says it behind the end, and if that is lost, nothing else is
        with suppress(PassingFailure, httpx.HTTPError):
            async for event in events:
                prefilled = computed(event) if event.get("usage") else prefilled
        self._count(prefilled=prefilled)

    def _take(self, written: Written) -> None:
        """What an attempt has brought so far, once it has come to where the attempt before was."""
        given = self._come.upto(self._handed_out)
        both = min(self._handed_out, len(written.token_ids))
        if written.token_ids[:both] != given.token_ids[:both]:
            self._fixed = given
            raise PassingFailure("the server wrote something else when it was asked again")
        if both == self._handed_out:
            self._come = written
            self._news.set()
