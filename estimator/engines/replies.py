"""What comes back from a model server: what a failure on the wire means, a status, and JSON of a shape that was not asked for.

All of it ends in one of a few errors: a ``PassingFailure`` may be tried again, anything else may not.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, TypeVar

import aiohttp
import httpx
import orjson

from estimator.engines.base import ContextTooLong, EngineError, EngineUnreachable
from estimator.engines.sse import data_lines

Result = TypeVar("Result")
MAY_PASS = {408, 409, 425, 429, 500, 502, 503, 504}
TOO_LONG = ("maximum context length", "max_model_len", "longer than the maximum model length")


class PassingFailure(EngineUnreachable):
    """The server failed in a way that may pass. ``retry_after`` is what it asked to wait, in seconds."""

    def __init__(self, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class BadReply(PassingFailure):
    """The server's reply is not what its protocol says: cut off, no JSON, or without finite log-probabilities."""


@contextmanager
def named_failures(base_url: str) -> Iterator[None]:
    """What goes wrong on the wire, as an ``EngineUnreachable`` that says so."""
    try:
        yield
    except (httpx.RequestError, httpx.InvalidURL, aiohttp.ClientError) as error:
        raise _named(error, base_url) from error


def _named(error: Exception, base_url: str) -> EngineUnreachable:
    # httpx speaks through aiohttp here, whose own errors tell apart what httpx's names for them do not.
    cause = error.__cause__ if isinstance(error.__cause__, aiohttp.ClientError) else error
    reason = getattr(cause, "strerror", None) or str(error) or type(error).__name__
    if isinstance(cause, httpx.ProxyError | aiohttp.ClientProxyConnectionError | aiohttp.ClientHttpProxyError):
        return PassingFailure(f"the proxy in front of {base_url} does not let the request through ({reason}): see its log")
    if isinstance(cause, httpx.ConnectError | aiohttp.ClientConnectorError):
        return PassingFailure(f"nothing answers at {base_url} ({reason}): start it with controller serve")
    if isinstance(cause, httpx.TimeoutException | aiohttp.ServerTimeoutError):
        return PassingFailure(f"{base_url} accepted the request and then said nothing: see its log")
    if isinstance(cause, httpx.TransportError | aiohttp.ClientError) and not isinstance(
        cause, httpx.UnsupportedProtocol | aiohttp.InvalidURL
    ):
        return PassingFailure(f"{base_url} broke off in the middle of its reply ({reason}): see its log")
    return EngineUnreachable(f"{base_url} is no model server ({reason}): check --base-url")


@contextmanager
def shaped() -> Iterator[None]:
    """JSON of another shape than its reader takes for granted (null for a number, a list for an object) is a bad reply."""
    try:
        yield
    except (LookupError, TypeError, AttributeError, ValueError, StopAsyncIteration) as error:
        raise BadReply(f"the server's reply is not of the shape that was asked for ({error!r})") from error


def checked(response: httpx.Response) -> httpx.Response:
    """The response itself where it is a success; otherwise what its status means."""
    if response.is_success:
        return response
    status, where = response.status_code, str(response.url.copy_with(userinfo=b"", query=None))
    said = _message(response.content)
    if status in MAY_PASS:
        raise PassingFailure(f"{where} answered {status} {_phrase(status)} ({said})", _retry_after(response))
    if status in (401, 403):
        raise EngineUnreachable(f"{where} refuses the API key ({status}): set CONTROLLER_API_KEY")
    if status == 404:
        raise EngineUnreachable(f"{where} does not know what was asked for ({said}): check --model, --estimator and --base-url")
    if status in (400, 413, 422):
        kind = ContextTooLong if any(t in said for t in TOO_LONG) else EngineError
        raise kind(f"{where} refuses the request ({said})")
    raise EngineUnreachable(f"{where} answered {status} {_phrase(status)} ({said}): check --base-url")


def read_by(read: Callable[[dict[str, Any]], Result], response: httpx.Response) -> Result:
    reply = parse_object(checked(response).content)
    with shaped():
        return read(reply)


def parse_object(text: bytes) -> dict[str, Any]:
    """A JSON object; ``BadReply`` for anything else, NaN and infinities (which JSON does not have) included."""
    try:
        value = _parsed(text)
    except (ValueError, RecursionError) as error:
        raise BadReply(f"the server's reply is not valid JSON ({error})") from error
    if not isinstance(value, dict):
        raise BadReply("the server's reply is no JSON object")
    return value


def _parsed(text: bytes) -> Any:
    """What orjson refuses in a text alone (bytes that are no UTF-8, half a character) is read all the same: no text counts."""
    try:
        return orjson.loads(text)
    except ValueError:
        return json.loads(text.decode("utf-8-sig", errors="replace"), parse_constant=_no_number)


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")


async def events(response: httpx.Response) -> AsyncIterator[dict[str, Any]]:
    """The objects of a server-sent event stream; ``BadReply`` where it ends before it says that it is done."""
    async for data in data_lines(response.aiter_bytes()):
        if data == b"[DONE]":
            return
        event = parse_object(data)
        if "error" in event:
            raise PassingFailure(f"the server broke off its reply ({_said(event['error'])})")
        yield event
    raise BadReply("the server's reply ends in the middle")


def _retry_after(response: httpx.Response) -> float:
    """Seconds that the server asks to wait (it may name a number or a date); 0 where it names none."""
    value = response.headers.get("retry-after", "")
    if value.isdecimal():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return 0.0


def _message(content: bytes) -> str:
    """What an error reply says, in one short line."""
    try:
        value = orjson.loads(content)
    except ValueError:
        value = content.decode(errors="replace")
    return _said(value.get("error", value) if isinstance(value, dict) else value)


def _said(error: Any) -> str:
    text = error.get("message", error) if isinstance(error, dict) else error
    return " ".join(str(text).split())[:300] or "it says no more"


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase if status in set(HTTPStatus) else "unknown"
