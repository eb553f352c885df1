"""Two kinds of requests that must not meet in one batch of a server take turns.

vLLM's first model runner (the one without Triton, so that of a CPU server) answers a whole batch by ``logprob_token_ids`` as
soon as one request in it asks for them: the others lose their top log-probabilities, and with them their entropies. Its
second runner keeps requests apart, and so does a CPU server that ``controller serve`` started. ``lists_survive`` finds out
which of the two a server is.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Literal

from estimator.engines.client import ServerClient

Kind = Literal["generate", "read"]
PROBES = 3


class Turns:
    """``async with turns.of(kind)``: any number of one kind at the same time, never both. Who waits is let in as soon as
    those of the other kind that are inside have left, together with all of its kind that wait then, and holds back those of
    the other kind that come after."""

    def __init__(self) -> None:
        self._inside, self._kind = 0, ""
        self._invited = 0  # how many of those who waited when the turn began have still to come in
        self._waiting: Counter[str] = Counter()
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def of(self, kind: Kind) -> AsyncIterator[None]:
        async with self._changed:
            self._waiting[kind] += 1
            try:
                await self._changed.wait_for(lambda: self._may_enter(kind))
            finally:
                self._waiting[kind] -= 1
            self._invited = max(0, self._invited - 1) if self._inside else self._waiting[kind]
            self._inside, self._kind = self._inside + 1, kind
        try:
            yield
        finally:
            self._inside -= 1
            async with self._changed:
                self._changed.notify_all()

    def _may_enter(self, kind: Kind) -> bool:
        others_wait = self._waiting.total() > self._waiting[kind]
        if self._inside == 0:
            return kind != self._kind or not others_wait
        return kind == self._kind and (self._invited > 0 or not others_wait)


async def lists_survive(client: ServerClient, path: str, generate: Mapping[str, Any], read: Mapping[str, Any]) -> bool:
    """Whether a generation keeps its ``logprobs`` highest values a token while the other request is answered. Where three
    attempts do not bring the two together, they are taken not to."""

    async def watched(events: AsyncIterator[Mapping[str, Any]]) -> bool | None:
        await anext(events)  # from here on the generation is under way
        other = asyncio.create_task(client.post(path, dict(read), lambda reply: reply))
        fewest, after = int(generate["logprobs"]), 0
        try:
            async for event in events:
                tops = [t for c in event["choices"] for t in (c.get("logprobs") or {}).get("top_logprobs") or []]
                fewest = min([fewest, *(len(t) for t in tops)])
                after += other.done()
                if fewest < int(generate["logprobs"]) or after > 1:
                    return fewest == int(generate["logprobs"])
        finally:
            await other
        return None

    for _ in range(PROBES):
        survived = await client.stream(path, lambda: dict(generate), watched)
        if survived is not None:
            return survived
    return False
