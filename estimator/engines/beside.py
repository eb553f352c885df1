"""Writing while reading, on a CPU: what comes next is written in a process of its own while this one reads what has come.

Threads would not do: most of a small model's time is Python's, which one thread at a time can have. The process is a fork, so
it shares the weights. While both compute, each does with half of the threads, so this is for where half of them write a
single text nearly as fast as all: where these wait for memory.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing import current_process, get_context
from multiprocessing.connection import Connection
from threading import Lock, Thread
from typing import Any
from weakref import finalize

import torch

from estimator.engines.base import STOPPED, EngineError, SampleRequest, Sampling, Usage
from estimator.types import Segment

STANDARD = 3  # file descriptors: input, output and errors
READY = 0  # the number of the first answer, which nobody asked for
PATIENCE = 10.0  # seconds until a process that has not begun to compute is taken for stuck


@dataclass(frozen=True)
class Writer:
    """What a writing process does. ``alone`` is called first: nobody else holds anything there. ``write`` gives a segment and
    what it took, or raises EngineError once it is told to stop; ``forget`` empties its caches."""

    alone: Callable[[], None]
    write: Callable[[SampleRequest, Sampling, Callable[[], bool]], tuple[Segment, Usage]]
    forget: Callable[[], None]


class CannotFork(RuntimeError):
    """No process could be started beside this one."""


def can_fork() -> bool:
    """Whether a process can be forked here and has a core to itself. (On macOS a fork that computes may hang or be killed.)"""
    return sys.platform == "linux" and not current_process().daemon and _cores() > 1


def _cores() -> int:
    return len(os.sched_getaffinity(0))


class WritingProcess:
    """A fork of this process that writes segments for one stream at a time. It ends with this object, or when no process that
    the parent was copied to is left. CannotFork where it does not come to work."""

    def __init__(self, writer: Writer) -> None:
        fork: Any = get_context("fork")
        self.threads = max(1, torch.get_num_threads() // 2)
        try:
            self._pipe, theirs = fork.Pipe()
        except OSError as error:
            raise CannotFork(str(error)) from error
        process = fork.Process(target=_serve, args=(theirs, writer, self.threads), daemon=True, name="writing")
        _in_fresh_thread(process.start)
        theirs.close()
        self.pid, self._parent, self._lost = process.pid, os.getpid(), False
        self._end = finalize(self, _kill, process, self._parent)
        self._sending, self._receiving = Lock(), Lock()
        self._asked, self._came = READY, READY - 1  # numbers of the last request, and of the last answer that was received
        self._forget = False
        self._stream: SegmentsAhead | None = None
        if self._pipe.poll(PATIENCE):
            self._receive()
        if self._came != READY:
            self._end()
            raise CannotFork("it does not come to compute: perhaps a lock that was held at the fork is held there for ever")

    @property
    def gone(self) -> bool:
        """Whether nothing can be begun any more: the process has ended, or belongs to the one that this one was forked from."""
        return self._lost or os.getpid() != self._parent

    @property
    def busy(self) -> bool:
        return self._stream is not None and not self._stream.over

    def begin(
        self, request: SampleRequest, sampling: Sampling, room: int, count: Callable[[Usage], None]
    ) -> SegmentsAhead | None:
        """None while another stream is being written."""
        if not self._receiving.acquire(blocking=False):
            return None
        try:
            while not self.busy and not self.gone and self._pipe.poll():
                self._receive()  # what nobody waits for any more must not fill the pipe
            if self.busy or self.gone:
                return None
            self._stream = SegmentsAhead(self, request, sampling, room, count)
            return self._stream
        finally:
            self._receiving.release()

    def forget(self) -> None:
        """Before it writes the next segment, it is to empty its caches."""
        self._forget = True

    def ask(self, request: SampleRequest, sampling: Sampling) -> int:
        """Have a segment written; the number of its answer."""
        self._asked += 1
        forget, self._forget = self._forget, False
        self._send((self._asked, (request, sampling, forget)))
        return self._asked

    def stop(self) -> None:
        """What is being written is wanted no more."""
        self._send(None)

    def answer(self, number: int) -> tuple[Segment, Usage] | None:
        """What was written under that number; None where nobody is left to write it, or somebody else has begun. Raises what
        writing it raised."""
        with self._receiving:
            made = None
            while self._came < number and not self.gone:
                made = self._receive()
            if self._came != number:
                return None
        if isinstance(made, Exception):
            raise made
        return made

    def _receive(self) -> Any:
        try:
            self._came, made = self._pipe.recv()
            return made
        except (EOFError, OSError):
            self._lost = True
        except BaseException:  # interrupted, perhaps in the middle of an answer
            self._give_up()
            raise

    def _send(self, message: Any) -> None:
        with self._sending:
            try:
                if not self.gone:
                    self._pipe.send(message)
            except OSError:
                self._lost = True
            except BaseException:  # interrupted, perhaps in the middle of it
                self._give_up()
                raise

    def _give_up(self) -> None:
        """What comes next out of the pipe, or goes into it, may be the rest of something; whoever waits is told by its end."""
        self._lost = True
        self._end()


def _kill(process: Any, parent: int) -> None:
    if os.getpid() == parent:  # not where other forks drop their copies
        process.kill()


def _in_fresh_thread(start: Callable[[], None]) -> None:
    """A fork of a thread that has computed nothing can start threads to compute with; one of another thread would wait for
    those of the parent, which are not in it."""
    failed: list[Exception] = []

    def run() -> None:
        try:
            start()
        except Exception as error:
            failed.append(error)

    try:
        thread = Thread(target=run)
        thread.start()
        thread.join()
    except RuntimeError as error:
        failed.append(error)
    if failed:
        raise CannotFork(str(failed[0])) from failed[0]


def _serve(pipe: Connection, writer: Writer, threads: int) -> None:
    """The process: a request at a time, until the parent's end of the pipe closes."""
    try:
        _close_all_but(pipe.fileno())
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        torch.set_num_threads(threads)
        writer.alone()
        torch.ones(256, 256).matmul(torch.ones(256, 256))
        pipe.send((READY, None))
        while True:
            message = pipe.recv()
            if message is not None:
                number, (request, sampling, forget) = message
                if forget:
                    writer.forget()
                try:
                    made: Any = writer.write(request, sampling, pipe.poll)  # more to read: nobody waits for this any more
                except EngineError as error:
                    made = error
                except Exception as error:  # not all of them can be sent
                    made = EngineError(f"{type(error).__name__}: {error}")
                pipe.send((number, made))
    finally:
        os._exit(0)  # nothing here is to be told, flushed or joined: it is the parent's


def _close_all_but(kept: int) -> None:
    """Whatever else was open would stay so as long as this process lives: connections, and locks on files."""
    for descriptor in map(int, os.listdir("/proc/self/fd")):
        if descriptor >= STANDARD and descriptor != kept:
            with suppress(OSError):  # that of the list itself
                os.close(descriptor)


class SegmentsAhead:
    """See ``estimator.engines.base.Stream``: the segments that ``Engine.sample`` would write one after the other, each begun
    when the one before it is handed out. ``count`` is told what each of these took."""

    def __init__(
        self,
        process: WritingProcess,
        request: SampleRequest,
        sampling: Sampling,
        room: int,
        count: Callable[[Usage], None],
    ) -> None:
        self._process, self._sampling, self._count = process, sampling, count
        self._request, self._room = request, room
        self._cancelled, self._lock = False, Lock()
        self.over = False
        self._number = self._begin()

    def next(self) -> Segment | None:
        made = None
        try:
            if not self.over:
                made = self._process.answer(self._number)
        finally:
            if made is None:
                with self._lock:
                    self.over = True
        if made is None:
            if self._cancelled:
                raise EngineError(STOPPED)
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
                try:
                    self._process.stop()  # first, or it would stop the stream that begins as soon as this one is over
                finally:
                    self.over = True

    def _begin(self) -> int:
        most = min(self._sampling.max_tokens, self._room)
        return self._process.ask(self._request, replace(self._sampling, max_tokens=most))
