"""The levels: a distribution over the chance of success, its mean, its quantiles, and the loss that trains it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from estimator.levels import LEVEL_VALUES, interval, mean, tilt
from training.labels import SAMPLED, Labelled
from training.techniques.soft import OneTokenReadout, level_loss

distributions = st.lists(st.floats(0.001, 1), min_size=10, max_size=10).map(lambda w: np.array(w) / np.sum(w))


@given(distributions, st.floats(0.01, 0.99))
def test_tilting_reaches_the_mean_and_keeps_a_distribution(q: np.ndarray, target: float) -> None:
    tilted = tilt(q, target)
    assert tilted.sum() == pytest.approx(1) and (tilted >= 0).all()
    assert mean(tilted) == pytest.approx(target, abs=1e-5)


@given(distributions)
def test_the_interval_is_ordered_and_one_of_less_mass_lies_inside(q: np.ndarray) -> None:
    (low, high), (inner_low, inner_high) = interval(q), interval(q, 0.5)
    assert 0 <= low <= inner_low <= inner_high <= high <= 1


def test_a_level_fills_its_cell_and_the_ends_are_certain() -> None:
    low, high = interval(np.eye(10)[4])
    assert high - low == pytest.approx(0.8 / 9, abs=1e-6)
    assert interval(np.eye(10)[0])[0] == 0 and interval(np.eye(10)[9])[1] == 1
    assert interval((np.eye(10)[0] + np.eye(10)[9]) / 2) == (0, 1)


@pytest.mark.parametrize("k", [1, 12])
def test_the_loss_is_least_at_the_true_mean(k: int) -> None:
    """Whatever k: the best single distribution for counts from one success rate has that rate as its mean, while a flat
    Beta prior on each label would pull it towards one half."""
    rng = np.random.default_rng(0)
    correct = torch.tensor(rng.binomial(k, 0.85, 4000), dtype=torch.float32)
    logits = torch.zeros(10, requires_grad=True)
    optimiser = torch.optim.Adam([logits], lr=0.05)
    for _ in range(400):
        optimiser.zero_grad()
        level_loss(logits.expand(4000, 10), correct, torch.full((4000,), float(k))).mean().backward()
        optimiser.step()
    assert float(logits.detach().softmax(-1) @ torch.tensor(LEVEL_VALUES, dtype=torch.float32)) == pytest.approx(0.85, abs=0.02)


def test_counts_teach_the_spread() -> None:
    """Half of the texts succeed always, half never: with k = 12 the distribution splits to the ends."""
    correct = torch.tensor([0.0, 12.0] * 500)
    logits = torch.zeros(10, requires_grad=True)
    optimiser = torch.optim.Adam([logits], lr=0.05)
    for _ in range(400):
        optimiser.zero_grad()
        level_loss(logits.expand(1000, 10), correct, torch.full((1000,), 12.0)).mean().backward()
        optimiser.step()
    q = logits.detach().softmax(-1)
    assert q[0] + q[-1] > 0.95


def test_more_prefixes_of_a_sampled_answer_are_read_from_its_first_point_on() -> None:
    """Also where that is its end: a partial answer begun otherwise is labelled from where the model went on."""
    readout = OneTokenReadout.__new__(OneTokenReadout)
    readout.extra_points = 5
    rng = np.random.default_rng(0)
    for begin in (3, 7, 8):
        row = Labelled("q", "arithmetic", SAMPLED, tuple(range(8)), ((begin, 1, 1),), 3)
        [drawn] = readout.draw([row], rng)
        assert drawn[0] == (begin, 1, 1) and len(drawn) == 6
        assert all(begin <= n <= 8 and (c, k) == (1, 1) for n, c, k in drawn)
