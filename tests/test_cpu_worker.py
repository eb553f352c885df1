"""What a CPU server's worker is given: each token its own adapter's product, each request its own log-probabilities."""

from __future__ import annotations

import pytest
import torch

from controller.vllm_worker.cpu_worker import TOP, add_products, runs_of, with_top

WIDTH, RANK, ADAPTERS = 6, 3, 2


def drawn(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


@pytest.mark.parametrize("indices", [[0, 0, 0], [-1, -1, -1], [1, -1, 0, 1, 1, -1], [-1, 1, 1, 0, -1]])
def test_a_token_is_multiplied_with_its_own_adapter(indices: list[int]) -> None:
    x, before = drawn(len(indices), WIDTH), drawn(len(indices), 7)
    down = [drawn(ADAPTERS, 1, RANK, WIDTH), drawn(ADAPTERS, 1, RANK, WIDTH) + 1]
    up = [drawn(ADAPTERS, 1, 4, RANK), drawn(ADAPTERS, 1, 3, RANK)]  # two layers in one, of 4 and of 3 columns
    output = before.clone()
    add_products(output, x, down, up, runs_of(torch.tensor(indices)))
    for t, i in enumerate(indices):
        delta = torch.cat([b[i, 0] @ (a[i, 0] @ x[t]) for a, b in zip(down, up, strict=True)]) if i >= 0 else torch.zeros(7)
        torch.testing.assert_close(output[t], before[t] + delta)


def test_a_request_beside_a_score_keeps_its_highest_log_probabilities() -> None:
    logprobs = drawn(3, 50)
    wanted = with_top(logprobs, {1: [7, 9]})
    assert wanted[1] == [7, 9] and set(wanted) == {0, 1, 2}
    for row in (0, 2):
        assert wanted[row] == logprobs[row].argsort(descending=True)[:TOP].tolist()
    assert with_top(logprobs[:1], {0: [3]}) == {0: [3]}
