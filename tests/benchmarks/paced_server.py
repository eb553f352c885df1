"""A server that keeps a GPU's pace and computes nothing, to see what the client can take where no GPU is at hand.

``python -m tests.benchmarks.paced_server --step 5``: every 5 ms each stream gets its next token (drawn at random, no end among
them) and each score its reply, however many there are. It speaks as much of vLLM's protocol as ``tests.benchmarks.serving``
asks for, about the embedded model and its estimator. Its numbers mean nothing but time.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from estimator.loading import EMBEDDED, embedded_dir

HEAD = "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n{length}\r\n\r\n"
CONTEXT = 1024
ORDINARY = range(300, 1300)  # token ids that are neither special nor levels


class Paced:
    """What has been asked for and waits for the next step, and what ``/metrics`` counts."""

    def __init__(self, step: float, interval: int) -> None:
        self.step, self.interval = step, interval
        self.rng = np.random.default_rng(0)
        self.going: dict[asyncio.Queue[bytes | None], Iterator[bytes]] = {}
        self.read, self.written = 0, 0

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due = max(due + self.step, loop.time())
            await asyncio.sleep(due - loop.time())
            for queue, pieces in list(self.going.items()):
                piece = next(pieces, None)
                if piece is None:
                    self.going.pop(queue, None)
                if piece != b"":
                    queue.put_nowait(piece)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = next((int(h[15:]) for h in head.split("\r\n") if h.lower().startswith("content-length:")), 0)
                body = json.loads(await reader.readexactly(length)) if length else {}
                await self._answer(head.split()[1], body, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def _answer(self, path: str, body: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        if path != "/v1/completions":
            writer.write(_whole(self._told(path), "text/plain" if path == "/metrics" else "application/json"))
            return
        streamed = body.get("stream", False)
        if streamed:
            writer.write(HEAD.format(kind="text/event-stream", length="Transfer-Encoding: chunked").encode())
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.going[queue] = self._streamed(body) if streamed else self._at_once(body)
        try:
            while (piece := await queue.get()) is not None:
                writer.write(piece)
                await writer.drain()
        finally:
            self.going.pop(queue, None)

    def _told(self, path: str) -> str:
        if path == "/metrics":
            values = {"prompt_tokens": self.read, "prompt_tokens_cached": 0, "generation_tokens": self.written}
            return "".join(f"vllm:{name}_total{{}} {value}\n" for name, value in values.items())
        if path == "/version":
            return json.dumps({"version": "paced"})
        folder = embedded_dir()
        base = {"id": EMBEDDED, "root": str(folder / "base"), "max_model_len": CONTEXT}
        return json.dumps({"data": [base, {"id": "finece", "root": str(folder / "adapter"), "parent": EMBEDDED}]})

    def _at_once(self, body: dict[str, Any]) -> Iterator[bytes]:
        """A whole reply, after as many steps as it has tokens."""
        count = body["max_tokens"]
        for _ in range(count - 1):
            yield b""
        choice = self._choice(body, count) | {"prompt_token_ids": body["prompt"], "index": 0, "finish_reason": "length"}
        yield _whole(json.dumps({"choices": [choice], "usage": self._usage(body, count)}), "application/json")

    def _streamed(self, body: dict[str, Any]) -> Iterator[bytes]:
        left, first = body["max_tokens"], {"prompt_token_ids": body["prompt"]}
        while left:
            count = min(self.interval, left)
            for _ in range(count - 1):
                yield b""
            left -= count
            choice = self._choice(body, count) | first | {"index": 0, "finish_reason": None if left else "length"}
            first = {}
            yield _event({"choices": [choice]})
        usage = {"choices": [], "usage": self._usage(body, body["max_tokens"])}
        yield _event(usage) + _chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"

    def _choice(self, body: dict[str, Any], count: int) -> dict[str, Any]:
        ids = self.rng.choice(ORDINARY, count).tolist()
        self.written += count
        told = body.get("logprobs")
        if told is None:
            return {"text": "x" * count, "token_ids": ids, "logprobs": None}
        named = body.get("logprob_token_ids")
        listed = [named or [i, *range(told - 1)] for i in ids]
        tops = [{f"token_id:{i}": -2.5 for i in likely} for likely in listed]
        return {"text": "x" * count, "token_ids": ids, "logprobs": {"token_logprobs": [-0.5] * count, "top_logprobs": tops}}

    def _usage(self, body: dict[str, Any], count: int) -> dict[str, int]:
        self.read += len(body["prompt"])
        return {"prompt_tokens": len(body["prompt"]), "completion_tokens": count}


def _whole(text: str, kind: str) -> bytes:
    return (HEAD.format(kind=kind, length=f"Content-Length: {len(text.encode())}") + text).encode()


def _event(event: dict[str, Any]) -> bytes:
    return _chunk(b"data: " + json.dumps(event).encode() + b"\n\n")


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--step", type=float, default=5.0, help="milliseconds a token")
    parser.add_argument("--interval", type=int, default=1, help="tokens an event, as vLLM's --stream-interval")
    args = parser.parse_args()
    paced = Paced(args.step / 1000, args.interval)
    async with await asyncio.start_server(paced.serve, "127.0.0.1", args.port):
        await paced.run()


if __name__ == "__main__":
    asyncio.run(main())
