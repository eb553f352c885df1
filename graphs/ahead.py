"""An answer that is being written while what comes before is scored."""

from __future__ import annotations

import threading

from estimator.engines.base import Engine, SampleRequest, Sampling, Stream, Streams
from estimator.types import Segment, Tokens


class Ahead:
    """Of one run, on an engine that can write while it scores; on another one, or without one, nothing is written in advance.
    One stream at most is open; whatever goes another way than it does ends it, and ``close`` does at the latest."""

    def __init__(self, engine: Engine | None = None) -> None:
        self._engine = engine if isinstance(engine, Streams) else None
        self._stream: Stream | None = None
        self._at: Tokens = ()  # where its next segment begins
        self._lock, self._closed = threading.Lock(), False

    def begin(self, request: SampleRequest, sampling: Sampling) -> None:
        """Let the engine write behind the prefix, to the end or ``sampling.max_tokens``."""
        if self._engine is None:
            return
        self.drop()
        stream = self._engine.begin(request, sampling)
        with self._lock:
            if not self._closed:
                self._stream, self._at = stream, request.prefix
                return
        if stream is not None:
            stream.cancel()

    def next(self, request: SampleRequest, sampling: Sampling, most: int) -> Segment | None:
        """The next segment, of at most ``most`` tokens, out of the open stream if it has come to this place, else of a new one
        that goes on to ``sampling.max_tokens``. None where nothing can be written so."""
        if self._stream is None or self._at != request.prefix or request.first_index:
            self.begin(request, sampling)
        stream = self._stream
        if stream is None:
            return None
        segment = stream.next(most)
        self._at = (*request.prefix, *segment.token_ids)
        return segment

    def drop(self) -> None:
        """End what is being written."""
        with self._lock:
            stream, self._stream = self._stream, None
        if stream is not None:
            stream.cancel()

    def close(self) -> None:
        """End it for good: a node's thread may outlive its run."""
        self._closed = True
        self.drop()
