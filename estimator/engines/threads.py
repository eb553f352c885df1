"""How many threads compute, and whether half of them would do."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

# Reading what was written takes .15 of the time of writing it, or more (see LOG.md): that is what reading beside can gain.
NEARLY = 1.15
ROUNDS = 4  # of timing a token; the first one wakes the threads


def half_suffices(model: Any) -> bool:
    """Whether half of the threads take nearly as short a time for a token as all of them do: where it takes them longer by more
    than reading takes, writing beside reading is slower than both in turn. Measured with a few passes of a single token."""
    threads = torch.get_num_threads()
    if threads == 1:
        return True
    rounds = [(_seconds_a_token(model, threads // 2), _seconds_a_token(model, threads)) for _ in range(ROUNDS)]
    half, all_of_them = (min(times) for times in zip(*rounds, strict=True))
    return half <= NEARLY * all_of_them


@torch.inference_mode()
def _seconds_a_token(model: Any, threads: int) -> float:
    with computing_with(threads):
        started = time.perf_counter()
        model(input_ids=torch.zeros(1, 1, dtype=torch.long), use_cache=False)
        return time.perf_counter() - started


@contextmanager
def computing_with(threads: int) -> Iterator[None]:
    """Inside, this thread computes with so many threads, and so does any other that computes for the first time."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
