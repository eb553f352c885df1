"""What ``controller serve`` loads into the worker of a CPU server (``--worker-extension-cls``), for two faults of vLLM there.

Its LoRA copies an adapter's matrices for every token, which costs a small model ten times its forward pass: here the tokens
of a batch that belong to one adapter are multiplied together, and tokens of the base are not touched. And as soon as one
request of a batch asks for ``logprob_token_ids`` (a score does) the others lose their highest log-probabilities: here they
keep them. The module stands alone: it runs in the environment of vLLM, where this project is not installed.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from typing import Any

import torch

TOP = 20  # the highest log-probabilities that a request may ask for, by the server's default


class CpuWorker:
    """An empty extension of vLLM's worker: importing this module is what it is for."""


def shrink(
    inputs: torch.Tensor, lora_a: torch.Tensor, output: torch.Tensor, indices: torch.Tensor, scaling: float = 1.0
) -> None:
    """``output[t, :rank] = scaling * lora_a[indices[t]] @ inputs[t]``; zero where ``indices[t]`` is negative (the base).
    ``lora_a`` is (adapters, 1, rank, width)."""
    rank = lora_a.shape[-2]
    output[:, :rank] = 0
    for slot, rows in _groups(indices):
        output[rows, :rank] = scaling * (inputs[rows].to(output.dtype) @ _matrix(lora_a, slot, output).T)


def expand(
    inputs: torch.Tensor, lora_b: torch.Tensor, output: torch.Tensor, indices: torch.Tensor, add_inputs: bool = True
) -> None:
    """``output[t] += lora_b[indices[t]] @ inputs[t]`` over the columns that both have; ``=`` without ``add_inputs``."""
    expand_slice(inputs, lora_b, output, indices, 0, min(lora_b.shape[-2], output.shape[-1]), add_inputs)


def expand_slice(
    inputs: torch.Tensor,
    lora_b: torch.Tensor,
    output: torch.Tensor,
    indices: torch.Tensor,
    slice_offset: int,
    slice_size: int,
    add_inputs: bool = True,
) -> None:
    """``expand`` into ``slice_size`` columns from ``slice_offset`` on."""
    columns = slice(slice_offset, slice_offset + slice_size)
    if not add_inputs:
        output[:, columns] = 0
    for slot, rows in _groups(indices):
        output[rows, columns] += inputs[rows].to(output.dtype) @ _matrix(lora_b, slot, output)[:slice_size].T


def _groups(indices: torch.Tensor) -> Iterator[tuple[int, Any]]:
    """The adapters of a batch with the rows of each."""
    slots = indices.unique().tolist()
    for slot in slots:
        if slot >= 0:
            yield slot, slice(0, len(indices)) if len(slots) == 1 else (indices == slot).nonzero()[:, 0]


def _matrix(stacked: torch.Tensor, slot: int, like: torch.Tensor) -> torch.Tensor:
    return stacked[slot].reshape(stacked.shape[-2:]).to(like.dtype)


def _by_sequence(function: Any) -> Any:
    """The same for a batch that is described by sequences: their adapters and lengths instead of each token's adapter."""

    def run(inputs: Any, weights: Any, output: Any, starts: Any, lengths: Any, indices: Any, *rest: Any) -> None:
        _batches, _longest, _tokens, *options = rest
        function(inputs, weights, output, torch.repeat_interleave(indices, lengths), *options)

    return run


def with_top(logprobs: torch.Tensor, wanted: Mapping[int, list[int]]) -> dict[int, list[int]]:
    """The token ids that each row of ``logprobs`` (rows, vocabulary) is asked for, and for rows that are not asked for any
    their ``TOP`` likeliest."""
    others = [row for row in range(len(logprobs)) if row not in wanted]
    tops = logprobs[others].topk(min(TOP, logprobs.shape[-1])).indices.tolist()
    return {**wanted, **dict(zip(others, tops, strict=True))}


def install() -> None:
    """Put these in the place of vLLM's functions."""
    cpu = importlib.import_module("vllm.lora.punica_wrapper.punica_cpu")
    for name, function in (("shrink", shrink), ("expand", expand), ("expand_slice", expand_slice)):
        for kind, version in (("bgmv", function), ("sgmv", _by_sequence(function))):
            _replace(cpu, f"{kind}_{name}", version)
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
