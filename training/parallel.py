"""Data-parallel steps over a few CPU processes: two single-thread processes beat one with two threads at a small size. One
process runs in place, with all threads, and on a GPU where there is one."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from multiprocessing import get_context
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch._C._distributed_c10d import HashStore
from torch.multiprocessing.spawn import ProcessRaisedException, start_processes


def default_processes() -> int:
    """One on a GPU, else two. What has used a GPU cannot be forked."""
    return 1 if torch.cuda.is_available() else 2


def launch(work: Callable[..., None], args: tuple[Any, ...], processes: int) -> None:
    """Run ``work(rank, *args)`` in ``processes`` forked processes that can all-reduce (a single one runs here). What a process
    raises is raised here."""
    if processes == 1:
        dist.init_process_group("gloo", store=HashStore(), rank=0, world_size=1)
        try:
            work(0, *args)
        finally:
            dist.destroy_process_group()
        return
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    raised = get_context("fork").SimpleQueue()
    try:
        start_processes(_enter, (work, args, processes, port, raised), nprocs=processes, start_method="fork")
    except ProcessRaisedException as error:
        if raised.empty():
            raise
        raise raised.get() from error


def _enter(rank: int, work: Callable[..., None], args: tuple[Any, ...], processes: int, port: int, raised: Any) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=processes)
    try:
        work(rank, *args)
    except Exception as error:
        raised.put(error)
        raise
    dist.destroy_process_group()


def share_gradients(parameters: Sequence[torch.nn.Parameter], loss: float, count: int, clip: float = 1.0) -> float:
    """Sum gradients of summed losses over all processes, divide by the total count, clip to norm ``clip``.
    Returns the mean loss over all processes' items."""
    grads = [p.grad for p in parameters if p.grad is not None]
    totals = torch.tensor([loss, float(count)], device=grads[0].device)
    flat = torch.cat([g.reshape(-1) for g in grads] + [totals])
    if dist.get_world_size() > 1:
        dist.all_reduce(flat)
    total_loss, total_count = flat[-2].item(), flat[-1].item()
    flat /= total_count
    flat *= min(1.0, clip / (flat[:-2].norm().item() + 1e-6))
    at = 0
    for grad in grads:
        grad.copy_(flat[at : at + grad.numel()].view_as(grad))
        at += grad.numel()
    return total_loss / total_count


def length_batches(lengths: Any, tokens: int, seed: int, num_batches: int | None = None) -> list[Any]:
    """Index batches of rows that are about equally long, of at most ``tokens`` tokens with their padding (a longer row is
    alone), in random order; one pass over the rows, or as many as give ``num_batches``."""
    rng = np.random.default_rng(seed)
    out: list[Any] = []
    while not out or (num_batches is not None and len(out) < num_batches):
        order = np.argsort(lengths + rng.uniform(0, 8, len(lengths)), kind="stable")
        starts, longest = [0], 0
        for i, length in enumerate(lengths[order]):
            longest = max(longest, length)
            if i > starts[-1] and (i + 1 - starts[-1]) * longest > tokens:
                starts.append(i)
                longest = length
        groups = np.split(order, starts[1:])
        out.extend(groups[j] for j in rng.permutation(len(groups)))
    return out[:num_batches]
