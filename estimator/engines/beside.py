"""Writing while reading, on a CPU: what comes next is written in a process of its own while this one reads what has come.

Threads would not do: most of a small model's time is Python's, which one thread at a time can have. The process is a fork, so
it shares the weights. Each side computes with half of the threads: writing a single text waits for memory, not for them.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing import current_process, get_all_start_methods, get_context
from multiprocessing.connection import Connection
from threading import Lock, Thread
from typing import Any, Protocol
from weakref import finalize

import torch

from estimator.engines.base import EngineError, SampleRequest, Sampling, Usage
from estimator.types import Segment

Count = Callable[[Usage], None]
STOP, FORGET = "stop", "forget"


class Writer(Protocol):
    """What writes in the process."""

    def alone(self) -> None:
        """It is in a process of its own now, in which nobody else holds anything."""
        ...

    def written(self, request: SampleRequest, sampling: Sampling, stopped: Callable[[], bool]) -> tuple[Segment, Usage]:
        """A segment and what it took; EngineError once it is ``stopped``."""
        ...

    def forget(self) -> None:
        """Empty the caches."""
        ...


def can_fork() -> bool:
    """Whether a process can be forked here and has a core to itself."""
    return "fork" in get_all_start_methods() and not current_process().daemon and _cores() > 1


@contextmanager
def computing_with(threads: int) -> Iterator[None]:
    """Inside, this thread computes with so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class WritingProcess:
    """A fork of this process that writes segments for one stream at a time. It ends with this object or with the parent, and
    once it is ``gone`` nothing is begun any more. OSError where it cannot be forked."""

    def __init__(self, writer: Writer) -> None:
        fork: Any = get_context("fork")
        self.threads = max(1, torch.get_num_threads() // 2)
        self._pipe, theirs = fork.Pipe()
        work = (theirs, self._pipe, writer, self.threads)
        process = fork.Process(target=_serve, args=work, daemon=True, name="writing")
        _in_fresh_thread(process.start)
        theirs.close()
        self.pid = process.pid
        finalize(self, _terminate, process, os.getpid())
        self._sending, self._receiving = Lock(), Lock()
        self._asked, self.gone = 0, False
        self._stream: SegmentsAhead | None = None

    def begin(self, request: SampleRequest, sampling: Sampling, room: int, count: Count) -> SegmentsAhead | None:
        """None while another stream is being written."""
        if not self._receiving.acquire(blocking=False):
            return None
        try:
            if self.gone or (self._stream is not None and not self._stream.over):
                return None
            self._stream = SegmentsAhead(self, request, sampling, room, count)
            return self._stream
        finally:
            self._receiving.release()

    def ask(self, request: SampleRequest, sampling: Sampling) -> int:
        """Have a segment written; the number of its answer."""
        self._asked += 1
        self.tell((self._asked, (request, sampling)))
        return self._asked

    def tell(self, message: tuple[int, Any]) -> None:
        with self._sending:
            try:
                self._pipe.send(message)
            except OSError:
                self.gone = True

    def answer(self, number: int) -> tuple[Segment, Usage] | None:
        """What was written under that number; None where nobody is left to write it. Raises what writing it raised."""
        with self._receiving:
            came, made = 0, None
            while came < number and not self.gone:
                try:
                    came, made = self._pipe.recv()  # perhaps the answer to what nobody waits for any more
                except (EOFError, OSError):
                    self.gone = True
                except BaseException:  # interrupted, perhaps in the middle of an answer
                    self.gone = True
                    self._pipe.close()
                    raise
        if isinstance(made, Exception):
            raise made
        return None if self.gone else made


def _terminate(process: Any, parent: int) -> None:
    if os.getpid() == parent:  # not where other forks drop their copies
        process.terminate()


def _in_fresh_thread(start: Callable[[], None]) -> None:
    """A fork of a thread that has computed nothing can start threads to compute with; one of another thread would wait for
    those of the parent, which are not in it."""
    failed: list[OSError] = []

    def run() -> None:
        try:
            start()
        except OSError as error:
            failed.append(error)

    thread = Thread(target=run)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]


def _serve(pipe: Connection, other_end: Connection, writer: Writer, threads: int) -> None:
    other_end.close()  # or its closing there would not be seen here
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    torch.set_num_threads(threads)
    writer.alone()
    while True:
        try:
            number, asked = pipe.recv()
        except EOFError:
            return
        if asked == FORGET:
            writer.forget()
        elif asked != STOP:
            request, sampling = asked
            try:
                made: Any = writer.written(request, sampling, pipe.poll)  # more to read: nobody waits for this any more
            except Exception as error:
                made = error
            pipe.send((number, made))


class SegmentsAhead:
    """See ``estimator.engines.base.Stream``: the segments that ``Engine.sample`` would write one after the other, each begun
    when the one before it is handed out."""

    def __init__(self, process: WritingProcess, request: SampleRequest, sampling: Sampling, room: int, count: Count) -> None:
        self._process, self._sampling, self._count = process, sampling, count
        self._request, self._room = request, room
        self._cancelled, self._lock = False, Lock()
        self.over = False
        self._number = self._begin()

    def next(self) -> Segment | None:
        if self._cancelled:
            raise EngineError("what was being written was stopped")
        made = None if self.over else self._process.answer(self._number)
        if made is None:
            self.over = True
            return None
        segment, used = made
        self._count(used)
        self._request = replace(self._request, prefix=(*self._request.prefix, *segment.token_ids), first_index=0)
        self._room -= len(segment.token_ids)
        with self._lock:
            self.over = self.over or segment.finished or self._room < 1
            if not self.over:
                self._number = self._begin()
        return segment

    def cancel(self) -> None:
        with self._lock:
            self._cancelled = True
            if not self.over:
                self.over = True
                self._process.tell((0, STOP))

    def _begin(self) -> int:
        most = min(self._sampling.max_tokens, self._room)
        return self._process.ask(self._request, replace(self._sampling, max_tokens=most))
