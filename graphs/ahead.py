"""Segments that are being written while what comes before them is scored."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from estimator.engines.base import Begun, Engine, SampleRequest, Sampling, WritesAhead
from estimator.types import Tokens

Asked = tuple[SampleRequest, Sampling]


class Ahead:
    """Of one run, on an engine that can write while it scores; on another one, or without one, nothing happens here. Whatever
    has been begun is taken, or cancelled by ``keep_only`` or ``close`` at the latest."""

    def __init__(self, engine: Engine | None = None) -> None:
        self._engine = engine if isinstance(engine, WritesAhead) else None
        self._begun: dict[Asked, Begun] = {}
        self._lock, self._closed = threading.Lock(), False

    @contextmanager
    def writing(self, request: SampleRequest, sampling: Sampling) -> Iterator[None]:
        """Inside, the engine writes what is asked for; it is dropped where the inside fails."""
        begun = None if self._engine is None else self._engine.begin(request, sampling)
        try:
            yield
        except BaseException:
            if begun is not None:
                begun.cancel()
            raise
        if begun is not None:
            self._hold((request, sampling), begun)

    def take(self, request: SampleRequest, sampling: Sampling) -> Begun | None:
        """What was begun for this request, to be waited for."""
        with self._lock:
            return self._begun.pop((request, sampling), None)

    def keep_only(self, prefix: Tokens | None) -> None:
        """Cancel everything that does not come directly behind ``prefix`` (None: everything)."""
        with self._lock:
            dropped = [asked for asked in self._begun if asked[0].prefix != prefix]
            for asked in dropped:
                self._begun.pop(asked).cancel()

    def close(self) -> None:
        """Cancel everything, and from now on at once: a node's thread may outlive its run."""
        self._closed = True
        self.keep_only(None)

    def _hold(self, asked: Asked, begun: Begun) -> None:
        with self._lock:
            if not self._closed:
                self._begun[asked] = begun
                return
        begun.cancel()
