"""An answer that is being written while what comes before is scored."""

from __future__ import annotations

import threading

from estimator.engines.base import Engine, EngineError, SampleRequest, Sampling, Stream, Streams
from estimator.types import Segment, Tokens


class Ahead:
    """Of one run, on an engine that can write while it scores; on another one, or without one, nothing is written in advance.
    One stream at most is open; whatever goes another way than it does ends it, and ``close`` does at the latest."""

    def __init__(self, engine: Engine | None = None) -> None:
        self._engine = engine if isinstance(engine, Streams) else None
        self._stream: Stream | None = None
        self._at: Tokens = ()  # where its next segment begins
        self._lock, self._closed = threading.Lock(), False

    def begin(self, request: SampleRequest, sampling: Sampling, room: int) -> Stream | None:
        """Let the engine write behind the prefix, to the end or ``room`` tokens; None where it cannot. EngineError behind the
        end of the run."""
        if self._engine is None:
            return None
        self._drop()
        stream = self._engine.begin(request, sampling, room)
        with self._lock:
            if not self._closed:
                self._stream, self._at = stream, request.prefix
                return stream
        if stream is not None:
            stream.cancel()
        raise EngineError("the run has ended")

    def next(self, request: SampleRequest, sampling: Sampling, room: int) -> Segment | None:
        """The next segment, out of the open stream if it has come to this place, else of a new one that goes on to the end or
        ``room`` tokens. None where nothing can be written so."""
        stream = self._stream if self._at == request.prefix and not request.first_index else None
        segment = None if stream is None else stream.next()
        if segment is None:  # or it stopped short of what it may write
            stream = self.begin(request, sampling, room)
            segment = None if stream is None else stream.next()
        if segment is not None:
            self._at = (*request.prefix, *segment.token_ids)
        return segment

    def close(self) -> None:
        """End it for good: a node's thread may outlive its run."""
        self._closed = True
        self._drop()

    def _drop(self) -> None:
        """End what is being written."""
        with self._lock:
            stream, self._stream = self._stream, None
        if stream is not None:
            stream.cancel()
