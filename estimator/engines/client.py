"""HTTP to a model server: an event loop in a thread of its own, and one layer of retries. ``replies`` reads what comes back.

Async inside, sync outside: callers in any number of threads hand in coroutines with ``run`` and wait. Only requests whose
repetition changes nothing are sent through here (reading, and generation with a fixed seed), so a failure that may pass is
tried again, with jitter, until ``patience`` is used up.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import itertools
import threading
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from functools import cache
from typing import Any, TypeVar
from urllib.request import getproxies

import httpx
import orjson
from httpx_aiohttp import HttpxAiohttpClient
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    stop_before_delay,
    wait_random_exponential,
)

from estimator.engines.address import read_address
from estimator.engines.base import EngineUnreachable
from estimator.engines.replies import BadReply, PassingFailure, checked, events, named_failures, read_by, shaped

Result = TypeVar("Result")
CONNECT_SECONDS = 10.0
BAD_REPLIES = 5
BACKOFF = wait_random_exponential(multiplier=0.25, max=10)


class ServerClient:
    """JSON requests to ``base_url`` (with or without ``/v1``).

    ``timeout`` bounds the wait for the next byte, ``patience`` all attempts of one request together (both seconds; a few bad
    replies end it sooner), from when its turn comes. ``concurrency`` bounds the requests under way, of which an answer that is
    written as a stream is one to its end: leave room for scores beside them. Raises ``EngineUnreachable`` where the server does
    not do its part or the key is none, and ``EngineError`` where the request is refused for what it asks.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str | None = None,
        *,
        timeout: float = 120.0,
        patience: float = 180.0,
        concurrency: int = 64,
    ) -> None:
        try:
            self.base_url, credentials = read_address(base_url)
        except ValueError as error:
            raise EngineUnreachable(f"--base-url: {error}") from None
        self.patience = patience
        self._headers = {"Content-Type": "application/json"} | _authorization(api_key, credentials)
        self._room = asyncio.Semaphore(concurrency)
        self._timeout = httpx.Timeout(timeout, connect=min(timeout, CONNECT_SECONDS), pool=None)
        self._limits = httpx.Limits(max_connections=concurrency, max_keepalive_connections=concurrency)
        self._http = self._opened()
        self._url = cache(lambda path: httpx.URL(self.base_url + path))  # read once: it takes a sixth of a request's time
        self._gate, self._closed = threading.Lock(), False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="model-server", daemon=True)
        self._thread.start()
        atexit.register(self.close)  # connections that nobody closed complain at the end of the process

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Wait for a coroutine on the client's own loop; an interruption of the wait cancels it."""
        future = self.start(work)
        try:
            return future.result()
        except concurrent.futures.CancelledError:
            raise EngineUnreachable(f"the connection to {self.base_url} was closed") from None
        except BaseException:
            future.cancel()
            raise

    def start(self, work: Coroutine[Any, Any, Result]) -> concurrent.futures.Future[Result]:
        """Let a coroutine run on the client's own loop."""
        with self._gate:
            if self._closed:
                work.close()
                raise EngineUnreachable(f"the connection to {self.base_url} was closed")
            return asyncio.run_coroutine_threadsafe(work, self._loop)

    def close(self) -> None:
        """Cancel what is under way and close the connections; requests that wait fail with ``EngineUnreachable``."""
        with self._gate:  # what was sent before is cancelled below; what comes later is refused
            if self._closed:
                return
            self._closed = True
            atexit.unregister(self.close)
            shut = asyncio.run_coroutine_threadsafe(self._shut(), self._loop)
        shut.result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def get(self, path: str, read: Callable[[dict[str, Any]], Result], patience: float | None = None) -> Result:
        """What ``read`` makes of the reply, as with ``post``."""

        async def once() -> Result:
            with named_failures(self.base_url):
                return read_by(read, await self._http.get(self._url(path)))

        return await self._patiently(once, patience)

    async def post(self, path: str, body: dict[str, Any], read: Callable[[dict[str, Any]], Result]) -> Result:
        """What ``read`` makes of the reply; a ``BadReply`` from it is tried again like any other failure that may pass."""

        async def once() -> Result:
            with named_failures(self.base_url):
                return read_by(read, await self._http.post(self._url(path), content=orjson.dumps(body)))

        return await self._patiently(once)

    async def stream(
        self, path: str, body: Callable[[], dict[str, Any]], read: Callable[[AsyncIterator[dict[str, Any]]], Awaitable[Result]]
    ) -> Result:
        """What ``read`` makes of the reply's events; when it returns, the stream is closed and the server stops there. ``body``
        is asked anew for each attempt."""

        async def once() -> Result:
            with named_failures(self.base_url):
                async with self._http.stream(
                    "POST", self._url(path), content=orjson.dumps(body() | {"stream": True})
                ) as response:
                    if response.is_error:
                        await response.aread()
                    with shaped():
                        return await read(events(checked(response)))

        return await self._patiently(once)

    async def _patiently(self, once: Callable[[], Awaitable[Result]], patience: float | None = None) -> Result:
        out_of_patience = stop_before_delay(self.patience if patience is None else patience)
        bad = itertools.count(1)  # a server that is away may come back after minutes; nonsense does not get better so late

        def hopeless(state: RetryCallState) -> bool:
            return isinstance(_error(state), BadReply) and next(bad) >= BAD_REPLIES

        retrying = AsyncRetrying(
            retry=retry_if_exception_type(PassingFailure),
            wait=_wait,
            stop=lambda state: hopeless(state) or out_of_patience(state),
            reraise=True,
        )
        async with self._room:
            return await retrying(once)

    def _opened(self) -> httpx.AsyncClient:
        """On aiohttp's connections, with which this process needs half the time: with many questions at once it is what holds a
        fast server up. (They cannot go through a SOCKS proxy.) EngineUnreachable for an address or a proxy, from the
        environment, that cannot be used."""
        by_socks = any(proxy.startswith("socks") for proxy in getproxies().values())
        made = httpx.AsyncClient if by_socks else HttpxAiohttpClient
        try:
            return made(headers=self._headers, timeout=self._timeout, limits=self._limits)
        except (ImportError, ValueError, httpx.InvalidURL) as error:
            reason = f"{self.base_url} cannot be asked ({error})"
            raise EngineUnreachable(f"{reason}: check --base-url and the proxies that the environment names") from error

    async def _shut(self) -> None:
        mine = asyncio.current_task()
        under_way = [t for t in asyncio.all_tasks() if t is not mine]
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
        await self._http.aclose()


def _authorization(api_key: str | None, credentials: str | None) -> dict[str, str]:
    """The header by a key, or by the user and password of an address. EngineUnreachable where there are both."""
    key = checked_key(api_key)
    if key and credentials is not None:
        raise EngineUnreachable("a key is set and --base-url names a user, and a request carries one of them: leave one out")
    if credentials is not None:
        return {"Authorization": f"Basic {b64encode(credentials.encode()).decode()}"}
    return {"Authorization": f"Bearer {key}"} if key else {}


def checked_key(api_key: str | None) -> str | None:
    """A key as a request can carry it, None for none or an empty one. EngineUnreachable, without showing it, where none can."""
    key = (api_key or "").strip()
    if not (key.isascii() and key.isprintable()):
        raise EngineUnreachable("the API key holds characters that no request can carry: set CONTROLLER_API_KEY anew")
    return key or None


def _wait(state: RetryCallState) -> float:
    """Exponential with full jitter, and never shorter than what the server asked for."""
    error = _error(state)
    return (error.retry_after if isinstance(error, PassingFailure) else 0.0) + BACKOFF(state)


def _error(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome is not None else None
