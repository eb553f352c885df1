"""What ``controller serve`` loads into the worker of a CPU server (``--worker-extension-cls``), for two faults of vLLM there.

Its LoRA copies an adapter's matrices for every token, which costs a small model ten times its forward pass: here tokens of an
adapter that lie together are found once a batch and multiplied as one, and tokens of the base are not touched. And as soon as
one request of a batch asks for ``logprob_token_ids`` (a score does) the others lose their highest log-probabilities: here they
keep them. The module stands alone: it runs in the environment of vLLM, where this project is not installed.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

import torch
from torch.nn.functional import linear

TOP = 20  # the highest log-probabilities that a request may ask for, by the server's default


class CpuWorker:
    """An empty extension of vLLM's worker: importing this module is what it is for."""


Runs = list[tuple[int, slice]]


def runs_of(indices: torch.Tensor) -> Runs:
    """The adapters of a batch's tokens, each with rows that lie together, as those of one score do; ``indices`` names every
    token's adapter, negative for the base."""
    slots, counts = (part.tolist() for part in indices.unique_consecutive(return_counts=True))
    ends = list(accumulate(counts))
    return [(slot, slice(end - n, end)) for slot, n, end in zip(slots, counts, ends, strict=True) if slot >= 0]


def add_products(
    output: torch.Tensor, inputs: torch.Tensor, down: Sequence[torch.Tensor], up: Sequence[torch.Tensor], runs: Runs
) -> None:
    """``output[t] += B A inputs[t]`` with the matrices of each token's adapter. A layer that holds several has them side by
    side in its output's columns; ``down`` and ``up`` have the A and B of each, (adapters, 1, rank, width) and
    (adapters, 1, columns, rank)."""
    for slot, rows in runs:
        read, begin = inputs[rows], 0
        for a, b in zip(down, up, strict=True):
            end = begin + b.shape[-2]
            output[rows, begin:end].addmm_(linear(read, a[slot, 0]), b[slot, 0].T)  # where it lies: nothing is copied
            begin = end


def with_top(logprobs: torch.Tensor, wanted: Mapping[int, list[int]]) -> dict[int, list[int]]:
    """The token ids that each row of ``logprobs`` (rows, vocabulary) is asked for, and for rows that are not asked for any
    their ``TOP`` likeliest."""
    others = [row for row in range(len(logprobs)) if row not in wanted]
    tops = logprobs[others].topk(min(TOP, logprobs.shape[-1])).indices.tolist()
    return {**wanted, **dict(zip(others, tops, strict=True))}


def install() -> None:
    """Put these in the place of vLLM's functions."""
    wrapper = importlib.import_module("vllm.lora.punica_wrapper.punica_cpu").PunicaWrapperCPU
    update: Any = getattr(wrapper, "update_metadata", None)

    def update_and_find(self: Any, *args: Any, **options: Any) -> None:
        update(self, *args, **options)
        self.runs = runs_of(self.token_lora_indices)  # once a batch, not once a layer

    def add_lora_linear(
        self: Any, y: torch.Tensor, x: torch.Tensor, a: Any, b: Any, scale: float, slices: Any, **_: Any
    ) -> None:
        assert scale == 1.0, "vLLM has the scale in B"
        add_products(y, x, a, b, self.runs)

    _replace(wrapper, "update_metadata", update_and_find)
    _replace(wrapper, "add_lora_linear", add_lora_linear)
    sampler = importlib.import_module("vllm.v1.sample.sampler").Sampler
    gather: Any = getattr(sampler, "gather_specific_token_logprobs", None)

    def gather_both(self: Any, logprobs: torch.Tensor, wanted: dict[int, list[int]], sampled: torch.Tensor) -> Any:
        return gather(self, logprobs, with_top(logprobs, wanted) if wanted else wanted, sampled)

    _replace(sampler, "gather_specific_token_logprobs", gather_both)


def _replace(owner: Any, name: str, function: Any) -> None:
    if not hasattr(owner, name):
        raise ImportError(f"this vLLM has no {name}: start the server without --worker-extension-cls")
    setattr(owner, name, function)


if importlib.util.find_spec("vllm") is not None:
    install()
