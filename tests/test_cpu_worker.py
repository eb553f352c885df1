"""What a CPU server's worker is given: each token its own adapter's product, each request its own log-probabilities."""

from __future__ import annotations

import pytest
import torch

from controller.vllm_worker.cpu_worker import TOP, expand, expand_slice, shrink, with_top

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


def test_a_request_beside_a_score_keeps_its_highest_log_probabilities() -> None:
    logprobs = drawn(3, 50)
    wanted = with_top(logprobs, {1: [7, 9]})
    assert wanted[1] == [7, 9] and set(wanted) == {0, 1, 2}
    for row in (0, 2):
        assert wanted[row] == logprobs[row].argsort(descending=True)[:TOP].tolist()
    assert with_top(logprobs[:1], {0: [3]}) == {0: [3]}
