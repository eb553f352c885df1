"""Several things done at the same time, their results in the order of the input."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any, TypeVar

AHEAD = 2  # a result that takes long holds back no more than this many times the concurrency of finished ones
Item = TypeVar("Item")
Done = TypeVar("Done")


def in_order(
    work: Callable[[Item, threading.Event], Done],
    items: Sequence[Item],
    concurrency: int,
    close: Callable[[], None] | None = None,
    ending: threading.Event | None = None,
) -> Iterator[Done]:
    """What ``work`` makes of each item, in the order of the items and ``concurrency`` at a time; it is to end soon once the
    event that it is given is set (``ending``, where the caller may set it as well). Only a window of items is under way or
    waits for its turn, so that memory does not grow with their number. When one ends it all, the others are stopped (``close``
    is called too), and those that had finished still come."""
    waiting: deque[Future[Done]] = deque()
    todo, ending = iter(items), ending or threading.Event()

    def end() -> None:
        ending.set()
        for future in waiting:
            future.cancel()
        if close is not None:
            close()

    with ThreadPoolExecutor(concurrency, "question") as pool:
        try:
            while True:
                for item in islice(todo, AHEAD * concurrency - len(waiting)):
                    waiting.append(pool.submit(work, item, ending))
                if not waiting:
                    return
                done = waiting[0].result()
                waiting.popleft()
                yield done
        except GeneratorExit:
            end()
            raise
        except BaseException:
            finished = [f for f in waiting if _succeeded(f)]
            end()
            yield from (f.result() for f in finished)
            raise


def _succeeded(future: Future[Any]) -> bool:
    return future.done() and not future.cancelled() and future.exception() is None
