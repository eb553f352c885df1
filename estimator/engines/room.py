"""A bound on what is under way at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Room:
    """``async with room.of(n)`` waits until ``n`` of ``size`` places are free (all of them, for whoever wants more)."""

    def __init__(self, size: int) -> None:
        self.size = self._free = size
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def of(self, wanted: int) -> AsyncIterator[None]:
        taken = min(wanted, self.size)
        async with self._changed:
            await self._changed.wait_for(lambda: self._free >= taken)
            self._free -= taken
        try:
            yield
        finally:
            self._free += taken
            async with self._changed:
                self._changed.notify_all()
