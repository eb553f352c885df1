"""The LoRA products of a CPU server: each token gets its own adapter's, and tokens of the base get nothing."""

from __future__ import annotations

import pytest
import torch

from controller.vllm_worker.grouped_lora import expand, expand_slice, shrink

WIDTH, RANK, ADAPTERS = 6, 3, 2


def drawn(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


@pytest.mark.parametrize("indices", [[0, 0, 0], [-1, -1, -1], [1, -1, 0, 1, 1, -1]])
def test_a_token_is_multiplied_with_its_own_adapter(indices: list[int]) -> None:
    which = torch.tensor(indices)
    x, a, b = drawn(len(indices), WIDTH), drawn(ADAPTERS, 1, RANK, WIDTH), drawn(ADAPTERS, 1, WIDTH, RANK)
    inner, before = torch.full((len(indices), RANK), 9.0), drawn(len(indices), 2 * WIDTH)
    output, sliced, set_ = before.clone(), before.clone(), before.clone()
    shrink(x, a, inner, which, 0.5)
    expand(inner, b, output, which)
    expand_slice(inner, b, sliced, which, WIDTH, WIDTH - 2)
    expand(inner, b, set_, which, add_inputs=False)
    for t, i in enumerate(indices):
        delta = b[i, 0] @ (0.5 * a[i, 0] @ x[t]) if i >= 0 else torch.zeros(WIDTH)
        torch.testing.assert_close(output[t], before[t] + torch.cat([delta, torch.zeros(WIDTH)]))
        torch.testing.assert_close(set_[t], torch.cat([delta, before[t, WIDTH:]]))
        shifted = torch.cat([torch.zeros(WIDTH), delta[: WIDTH - 2], torch.zeros(2)])
        torch.testing.assert_close(sliced[t], before[t] + shifted)
