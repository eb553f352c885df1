"""The connection to a server, without one."""

from __future__ import annotations

import asyncio
import threading

import pytest

from estimator.engines.base import EngineUnreachable
from estimator.engines.client import ServerClient


async def nothing() -> None:
    await asyncio.sleep(0)


def test_after_closing_every_request_is_refused_as_unreachable() -> None:
    client = ServerClient("http://127.0.0.1:9")
    client.close()
    for _ in range(2):
        with pytest.raises(EngineUnreachable, match="closed"):
            client.run(nothing())
        client.close()  # again is no error


def test_requests_that_race_with_closing_all_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that asks while another one closes gets its answer or an ``EngineUnreachable``, and never waits for ever."""
    for _ in range(30):
        client, ends = ServerClient("http://127.0.0.1:9"), []

        def ask(client: ServerClient = client, ends: list[str] = ends) -> None:
            try:
                while True:
                    client.run(nothing())
            except EngineUnreachable:
                ends.append("unreachable")

        workers = [threading.Thread(target=ask, daemon=True) for _ in range(4)]
        for worker in workers:
            worker.start()
        client.close()
        for worker in workers:
            worker.join(10)
        assert ends == ["unreachable"] * 4
