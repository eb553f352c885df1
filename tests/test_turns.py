"""Scores and generations that must not meet on a server: they never do, both get on, and it is found out where they may."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from estimator.engines.turns import Kind, Turns, lists_survive


def test_the_two_kinds_never_meet_and_both_get_on() -> None:
    turns, inside, together, done = Turns(), {"generate": 0, "read": 0}, 0, []

    async def request(kind: Kind, number: int) -> None:
        nonlocal together
        async with turns.of(kind):
            inside[kind] += 1
            together = max(together, *inside.values())
            assert not (inside["generate"] and inside["read"])
            await asyncio.sleep(0.001 * (number % 3))
            inside[kind] -= 1
        done.append(number)

    async def all_of_them() -> None:
        await asyncio.gather(*(request(("generate", "read")[n % 2], n) for n in range(60)))

    asyncio.run(asyncio.wait_for(all_of_them(), 30))
    assert sorted(done) == list(range(60)) and together > 1


class Server:
    """A stream of ten tokens, whose lists are cut to ``beside`` entries once the other request has been sent."""

    def __init__(self, beside: int) -> None:
        self.beside, self.asked = beside, False

    async def post(self, path: str, body: dict[str, Any], read: Any) -> Any:
        self.asked = True
        return read({})

    async def stream(self, path: str, body: dict[str, Any], read: Any) -> Any:
        return await read(self.events())

    async def events(self) -> AsyncIterator[dict[str, Any]]:
        for _ in range(10):
            await asyncio.sleep(0)
            tops = {f"token_id:{i}": -1.0 for i in range(self.beside if self.asked else 5)}
            yield {"choices": [{"logprobs": {"top_logprobs": [tops]}}]}


@pytest.mark.parametrize(("beside", "survive"), [(5, True), (1, False)])
def test_a_server_that_cuts_the_lists_is_found_out(beside: int, survive: bool) -> None:
    server: Any = Server(beside)
    assert asyncio.run(lists_survive(server, "/v1/completions", {"logprobs": 5}, {})) is survive
