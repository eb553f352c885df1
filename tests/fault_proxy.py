"""A proxy in front of a real server that spoils what it is told to: for tests of what then happens."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import urlsplit

Spoil = Callable[["Exchange"], None]


class Exchange:
    """One request on its way: ``client`` is the socket it came from, ``request`` its bytes."""

    def __init__(self, proxy: FaultProxy, client: socket.socket, request: bytes) -> None:
        self.proxy, self.client, self.request = proxy, client, request

    def answer(self) -> bytes:
        """The real server's whole reply."""
        with self._upstream() as upstream:
            return b"".join(iter(lambda: upstream.recv(65536), b""))

    def pass_on(self) -> None:
        """Piece by piece, as it comes. A client that has gone takes the upstream connection with it."""
        with self._upstream() as upstream:
            while data := upstream.recv(65536):
                self.client.sendall(data)

    def say(self, status: str, body: bytes = b"{}", *headers: str) -> None:
        head = "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers])
        self.client.sendall(f"{head}\r\n\r\n".encode() + body)

    def reset(self) -> None:
        """Close with RST, as a server that was killed does."""
        self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    def _upstream(self) -> socket.socket:
        upstream = socket.create_connection(self.proxy.target)
        upstream.sendall(
            re.sub(rb"(?i)\r\nconnection:[^\r]*", b"", self.request, count=1).replace(
                b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1
            )
        )
        return upstream


class FaultProxy:
    """``faults`` holds what happens to the next requests to a path that ends with ``only``; when it is empty everything
    passes. ``served`` counts the requests to that path. ``rewrite`` changes the body of each of them, told how many are
    under way."""

    def __init__(
        self, url: str, only: str = "/completions", rewrite: Callable[[bytes, int], bytes] = lambda body, _: body
    ) -> None:
        parts = urlsplit(url)
        self.target = (str(parts.hostname), int(parts.port or 80))
        self.only, self.rewrite, self.served, self.in_flight = only, rewrite, 0, 0
        self.faults: deque[Spoil] = deque()
        self._return = threading.Timer(0, self._again)
        self._listener = self._listen(0)
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def refuse(self, seconds: float) -> None:
        """Stop listening for a while, as a server that is killed and started again."""
        self._return.cancel()
        self._listener.shutdown(socket.SHUT_RDWR)  # closing alone would let the accept that waits take one more
        self._listener.close()
        self._return = threading.Timer(seconds, self._again)
        self._return.start()

    def close(self) -> None:
        self._return.cancel()
        self._listener.close()

    def _again(self) -> None:
        self._listener = self._listen(self.port)

    def _listen(self, port: int) -> socket.socket:
        listener = socket.create_server(("127.0.0.1", port), reuse_port=False, backlog=64)
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        return listener

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client:
            request = read_request(client)
            if not request:
                return
            exchange, fault = Exchange(self, client, request), pass_on
            if self.only.encode() in request.split(b"\r\n", 1)[0]:
                self.served += 1
                fault = self.faults.popleft() if self.faults else pass_on
            self.in_flight += 1
            exchange.request = self._rewritten(request)
            with suppress(OSError):  # the client has gone
                fault(exchange)
            self.in_flight -= 1

    def _rewritten(self, request: bytes) -> bytes:
        head, _, body = request.partition(b"\r\n\r\n")
        if self.only.encode() not in head.split(b"\r\n", 1)[0]:
            return request
        body = self.rewrite(body, self.in_flight)
        head = re.sub(rb"(?i)content-length: \d+", b"Content-Length: %d" % len(body), head)
        return head + b"\r\n\r\n" + body


def read_request(client: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        if not (more := client.recv(65536)):
            return b""
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    while length and len(body) < int(length[1]):
        body += client.recv(65536)
    return head + b"\r\n\r\n" + body


def pass_on(exchange: Exchange) -> None:
    exchange.pass_on()


def status(line: str, *headers: str) -> Spoil:
    return lambda exchange: exchange.say(line, b'{"error": {"message": "injected"}}', *headers)


def reset_at_once(exchange: Exchange) -> None:
    exchange.reset()


def reset_in_the_middle(exchange: Exchange) -> None:
    reply = exchange.answer()
    exchange.client.sendall(reply[: len(reply) * 2 // 3])
    time.sleep(0.05)
    exchange.reset()


def reset_when(told: threading.Event) -> Spoil:
    """In the middle, as soon as ``told`` is set."""

    def spoil(exchange: Exchange) -> None:
        reply = exchange.answer()
        exchange.client.sendall(reply[: len(reply) * 2 // 3])
        told.wait(60)
        exchange.reset()

    return spoil


def hang(seconds: float) -> Spoil:
    return lambda exchange: time.sleep(seconds)


def edited(edit: Callable[[bytes], bytes]) -> Spoil:
    """The reply with its body changed and its length put right."""

    def spoil(exchange: Exchange) -> None:
        head, _, body = exchange.answer().partition(b"\r\n\r\n")
        if b"chunked" in head.lower():
            body = b"".join(part for part in re.split(rb"\r?\n?[0-9a-f]+\r\n", body) if part.strip())
        exchange.say("200 OK", edit(body), "Content-Type: application/json")

    return spoil
