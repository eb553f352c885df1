"""The connection to a server, without one."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from tenacity import wait_none

from estimator.engines import client as client_module
from estimator.engines.base import EngineUnreachable
from estimator.engines.client import BAD_REPLIES, ServerClient
from estimator.engines.replies import BadReply, PassingFailure, named_failures, parse_object
from estimator.engines.room import Room
from estimator.engines.wire import Written, as_segment
from estimator.positions import Position, break_table
from estimator.served import connect
from estimator.types import StopReason


async def nothing() -> None:
    await asyncio.sleep(0)


def test_a_client_that_nobody_closes_ends_with_the_process_in_silence() -> None:
    code = """
from estimator.engines.base import EngineUnreachable
from estimator.engines.client import ServerClient
client = ServerClient("http://127.0.0.1:9", patience=0)
try:
    client.run(client.get("/v1/models", dict))
except EngineUnreachable as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert "nothing answers" in done.stdout and done.stderr == ""


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


@pytest.mark.parametrize("key", ["sk-secret\nmore", "sk-s\u00e9cret", "sk-\x1b[0m"])
def test_a_key_that_no_request_can_carry_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(EngineUnreachable, match="CONTROLLER_API_KEY") as raised:
        ServerClient("http://127.0.0.1:9", key)
    assert "sk-" not in str(raised.value)


def test_bad_replies_are_counted_apart_from_the_time_that_a_server_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "BACKOFF", wait_none())
    ends: list[Any] = [PassingFailure("away")] * 9 + [BadReply("odd")] * (BAD_REPLIES - 1) + ["done"]
    client, asked = ServerClient("http://127.0.0.1:9"), iter(ends)

    async def once() -> object:
        if isinstance(end := next(asked), Exception):
            raise end
        return end

    assert client.run(client._patiently(once)) == "done"
    asked = iter([BadReply("odd")] * 99)
    with pytest.raises(BadReply):
        client.run(client._patiently(once))
    assert len(list(asked)) == 99 - BAD_REPLIES
    client.close()


def test_who_waits_for_its_turn_has_all_its_patience_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "BACKOFF", wait_none())
    client = ServerClient("http://127.0.0.1:9", concurrency=1, patience=0.3)

    async def ask(attempts: list[Exception | str]) -> object:
        async def once() -> object:
            await asyncio.sleep(0.05)
            if isinstance(end := attempts.pop(0), Exception):
                raise end
            return end

        return await client._patiently(once)

    async def all_at_once() -> list[object]:
        return await asyncio.gather(*(ask([PassingFailure("busy"), "done"]) for _ in range(8)))

    assert client.run(all_at_once()) == ["done"] * 8
    client.close()


@pytest.mark.parametrize(
    "address", ["http://host:abc", "http://[::1", "http://host:99999999", "http://a..b", "http://me:secret@h:x"]
)
def test_what_is_no_address_is_said_and_leaves_nothing_running(address: str) -> None:
    before = threading.active_count()
    with pytest.raises(EngineUnreachable, match="base-url") as refused:
        ServerClient(address)
    assert "secret" not in str(refused.value)
    assert threading.active_count() == before


def test_a_proxy_that_cannot_be_used_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    with pytest.raises(EngineUnreachable, match="proxies"):
        ServerClient("http://127.0.0.1:9")


def test_a_proxy_that_refuses_is_a_failure_that_may_pass() -> None:
    with pytest.raises(PassingFailure, match="proxy"), named_failures("http://127.0.0.1:9"):
        raise httpx.ProxyError("407 Proxy Authentication Required")


def test_a_room_holds_no_more_than_its_size() -> None:
    inside, most = 0, 0

    async def visit(room: Room, wanted: int) -> None:
        nonlocal inside, most
        async with room.of(wanted):
            inside += min(wanted, 10)
            most = max(most, inside)
            await asyncio.sleep(0.001)
            inside -= min(wanted, 10)

    async def crowd() -> None:
        room = Room(10)
        await asyncio.gather(*(visit(room, n) for n in (3, 4, 5, 30, 1, 9, 10, 2) * 5))

    asyncio.run(asyncio.wait_for(crowd(), 10))
    assert 9 <= most <= 10


def test_who_is_cancelled_inside_a_room_or_before_it_takes_up_no_place() -> None:
    async def stay(room: Room, wanted: int, came: asyncio.Event) -> None:
        async with room.of(wanted):
            came.set()
            await asyncio.Event().wait()

    async def crowd() -> None:
        room, came, never = Room(10), asyncio.Event(), asyncio.Event()
        inside = asyncio.create_task(stay(room, 8, came))
        await came.wait()
        waiting = asyncio.create_task(stay(room, 5, never))
        await asyncio.sleep(0.01)
        assert waiting.cancel() and inside.cancel() and not never.is_set()
        await asyncio.gather(inside, waiting, return_exceptions=True)
        async with room.of(10):
            pass

    asyncio.run(asyncio.wait_for(crowd(), 10))


@contextmanager
def replying(reply: bytes) -> Iterator[tuple[str, list[str | None]]]:
    """The address of a server that gives every request that reply, and the authorizations that it was sent."""
    sent: list[str | None] = []

    class Same(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            sent.append(self.headers["Authorization"])
            self.send_response(200)
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Same) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}", sent
        server.shutdown()


@pytest.mark.parametrize("reply", [b'{"data": null}', b'{"data": ["x"]}', b'{"data": [{"id": "a", "max_model_len": "many"}]}'])
def test_a_list_of_models_of_another_shape_is_an_unusable_server(reply: bytes) -> None:
    with replying(reply) as (address, _):
        client = ServerClient(f"http://{address}")
        with pytest.raises(EngineUnreachable, match="shape"):
            connect(client)
        client.close()


def test_a_user_in_the_address_is_sent_and_not_shown_and_excludes_a_key() -> None:
    with replying(b'{"version": "1"}') as (address, sent):
        client = ServerClient(f"http://me:se%40cret@{address}/v1/")
        assert client.run(client.get("/version", lambda reply: reply["version"])) == "1"
        assert sent == ["Basic " + b64encode(b"me:se@cret").decode()] and client.base_url == f"http://{address}"
        client.close()
        with pytest.raises(EngineUnreachable, match="leave one out") as refused:
            ServerClient(f"http://me:secret@{address}", "key")
    assert "secret" not in str(refused.value)


def test_endless_nesting_is_a_bad_reply() -> None:
    with pytest.raises(BadReply):
        parse_object(b"[" * 100_000)


def test_text_that_is_no_text_does_not_spoil_a_reply() -> None:
    """Half a character, as an escape or as bytes: what it says elsewhere counts all the same; what is no number never does."""
    assert parse_object(b'{"text": "\\ud83d", "n": 1}')["n"] == parse_object(b'{"text": "\xf0\x9f", "n": 1}')["n"] == 1
    with pytest.raises(BadReply):
        parse_object(b'{"text": "\\ud83d", "n": NaN}')


def test_an_end_token_that_the_tokenizer_does_not_have_ends_the_segment() -> None:
    """A model's output may have more entries than its tokenizer, and its configuration may name one of them."""
    table, written = break_table(["a", "b\n\n"]), Written((0, 7), (-0.1, -0.1))
    segment = as_segment(written, Position(), table, frozenset({7}))
    assert segment is not None and (segment.token_ids, segment.stop) == ((0, 7), StopReason.END)
