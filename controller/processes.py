"""A file of questions shared out among processes.

One Python process reads and scores fewer tokens a second than a fast server writes, and a model in this process keeps few
cores busy. So each process has every n-th question, with a model or connections of its own, and hands its rows back in order.
"""

from __future__ import annotations

import signal
import threading
import time
import traceback
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from operator import itemgetter
from queue import Queue
from typing import Any

from controller.assemble import Run, load_run
from controller.batch import Job, Row, answered
from controller.errors import Failure
from controller.ordered import AHEAD
from controller.settings import Settings
from graphs.policy import Policy

READY, STOP = "ready", "stop"
Load = Callable[[Settings, Policy], Run]
PATIENCE = 10.0  # seconds in which a process that is told to stop has to end
KILLED = "a process that was answering questions is gone (killed, perhaps for want of memory): ask for fewer --processes"


@dataclass(frozen=True)
class Share:
    """What one process does; all of it can be sent there."""

    settings: Settings
    policy: Policy
    jobs: tuple[Job, ...]
    concurrency: int
    load: Load


def shared_out(
    settings: Settings, policy: Policy, jobs: Sequence[Job], processes: int, concurrency: int, load: Load = load_run
) -> Generator[Row, None, None]:
    """The rows of all jobs in their order, as ``batch.answered`` gives them; ``concurrency`` questions at a time in all,
    rounded up to as many in each process. What ends one process ends all of them: then their other rows that are finished
    still come, and what it raised, or Failure, goes on to the caller. ``load`` is called in each process."""
    count, helpers = min(processes, len(jobs)), []
    sent = Settings.model_construct(**dict(settings))  # of a class that can be sent, and not read from the environment again
    try:
        for i in range(count):
            helpers.append(Helper(Share(sent, policy, tuple(jobs[i::count]), -(-concurrency // count), load)))
        for i in range(len(jobs)):
            row = helpers[i % count].row()
            assert row is not None, "a process ends behind its last row"
            yield row
    except GeneratorExit:
        _finished(helpers)  # what nobody takes must not keep a process from ending
        raise
    except BaseException:
        yield from _finished(helpers)
        raise
    finally:
        _end(helpers)


def _finished(helpers: Sequence[Helper]) -> list[Row]:
    """Stop them all; the rows that they have finished, in the order of the questions."""
    until = time.monotonic() + PATIENCE
    for helper in helpers:
        helper.stop()
    left = [(i + k * len(helpers), row) for i, helper in enumerate(helpers) for k, row in helper.rest(until)]
    return [row for _, row in sorted(left, key=itemgetter(0))]


def _end(helpers: Sequence[Helper]) -> None:
    """They were told to stop, or have nothing left to do."""
    until = time.monotonic() + PATIENCE
    for helper in helpers:
        helper.process.join(max(until - time.monotonic(), 0))
    for helper in helpers:
        helper.process.kill()
        helper.process.join()


class Helper:
    """One of the processes, as its parent sees it. What it sends is received by a thread, so that an interruption of whoever
    waits for a row tears no message apart."""

    def __init__(self, share: Share) -> None:
        context: Any = get_context("spawn")  # what has threads cannot be forked
        self._pipe, theirs = context.Pipe()
        # Daemons start no processes of their own: with a model here, each writes and scores in turn.
        # The share is sent later: a start waits until all that it hands over has been taken, and cannot be interrupted.
        self.process = context.Process(target=_serve, args=(theirs,), daemon=True, name="answering")
        with _no_interruptions():
            self.process.start()
        theirs.close()
        self._ready, self._over, self._given = False, False, 0
        self._came: Queue[Row | Exception | None] = Queue(AHEAD * share.concurrency)
        threading.Thread(target=self._listen, args=(share,), name="rows", daemon=True).start()

    def row(self, timeout: float | None = None) -> Row | None:
        """The next row, None behind the last one. Raises what ended the process, and queue.Empty after ``timeout`` seconds."""
        made = self._came.get(timeout=timeout)
        self._over = made is None or isinstance(made, Exception)
        if isinstance(made, Exception):
            raise made
        self._given += made is not None
        return made

    def stop(self) -> None:
        """Have it end soon. Before it has loaded there is nothing that it could finish."""
        if self._ready:
            with suppress(OSError):  # it has ended
                self._pipe.send(STOP)
        else:
            self.process.terminate()

    def rest(self, until: float) -> Iterator[tuple[int, Row]]:
        """The rows that it has finished, once it was stopped, with their numbers in its share, as far as they come ``until``
        then (of the monotonic clock)."""
        with suppress(Exception):
            while not self._over and (row := self.row(max(until - time.monotonic(), 0))) is not None:
                yield self._given - 1, row

    def _listen(self, share: Share) -> None:
        try:
            self._pipe.send(share)
            while (made := self._pipe.recv()) is not None:
                if made == READY:
                    self._ready = True
                else:
                    self._came.put(made)
            self._came.put(None)
        except (EOFError, OSError):
            self._came.put(Failure(KILLED))
        except Exception as error:  # what cannot be sent, or read where it comes
            self._came.put(Failure(f"a process that was answering questions ended ({type(error).__name__}: {error})"))


@contextmanager
def _no_interruptions() -> Iterator[None]:
    """What is started inside ignores Ctrl-C for good: that is the parent's to answer."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _serve(pipe: Connection) -> None:
    """The process: load, answer, and end early when it is told to, or when the parent is gone."""
    try:
        share: Share = pipe.recv()
        run = share.load(share.settings, share.policy)
        pipe.send(READY)
        ending = threading.Event()
        threading.Thread(target=_heed, args=(pipe, ending, run), daemon=True).start()
        for row in answered(run, share.jobs, share.concurrency, ending):
            pipe.send(row)
        pipe.send(None)
    except (KeyboardInterrupt, BrokenPipeError, EOFError):  # told to stop, or nobody is left to take a row
        pass
    except Exception as error:  # the parent tells it, a bug with where it was
        error.add_note(traceback.format_exc())
        pipe.send(error)
    finally:
        pipe.close()


def _heed(pipe: Connection, ending: threading.Event, run: Run) -> None:
    with suppress(EOFError, OSError):
        pipe.recv()
    ending.set()
    if run.loaded.close is not None:
        run.loaded.close()
