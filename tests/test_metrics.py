"""Metrics against their definitions and against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, roc_auc_score

from estimator.metrics import aurc, auroc, bootstrap, brier, ece, ece_equal_mass, excess_aurc


@pytest.fixture(scope="module")
def sample() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    c = rng.random(3000).round(2)  # rounding makes ties
    return c, (rng.random(3000) < c**1.3).astype(float)


def test_auroc_and_brier_are_those_of_scikit_learn(sample: tuple[np.ndarray, np.ndarray]) -> None:
    c, y = sample
    assert auroc(c, y) == pytest.approx(roc_auc_score(y, c), abs=1e-12)
    assert brier(c, y) == pytest.approx(brier_score_loss(y, c), abs=1e-12)
    assert np.isnan(auroc(c, np.ones_like(c)))
    assert auroc(np.full(10, 0.5), np.arange(10) % 2) == 0.5


def test_ece_is_its_definition(sample: tuple[np.ndarray, np.ndarray]) -> None:
    c, y = sample
    bins = np.minimum((c * 10).astype(int), 9)
    expected = sum(np.mean(bins == b) * abs(y[bins == b].mean() - c[bins == b].mean()) for b in np.unique(bins))
    assert ece(c, y) == pytest.approx(expected, abs=1e-12)
    assert ece([1.0, 0.0], [1, 0]) == 0 and ece([1.0, 1.0], [0, 0]) == 1


def test_equal_mass_bins_hold_equal_counts(sample: tuple[np.ndarray, np.ndarray]) -> None:
    c, y = sample
    order = np.argsort(c, kind="stable")
    parts = np.array_split(order, 10)
    assert ece_equal_mass(c, y) == pytest.approx(sum(abs((y[p] - c[p]).sum()) for p in parts) / len(c), abs=1e-12)


def test_a_perfect_order_has_no_excess_risk() -> None:
    y = np.array([1, 1, 0, 1, 0.0])
    assert excess_aurc([0.9, 0.8, 0.1, 0.7, 0.2], y) == 0
    assert aurc([0.9, 0.8, 0.1, 0.7, 0.2], y) == pytest.approx((0 + 0 + 0 + 1 / 4 + 2 / 5) / 5)


def test_the_bootstrap_covers_the_truth_and_resamples_groups(sample: tuple[np.ndarray, np.ndarray]) -> None:
    rng = np.random.default_rng(1)
    held = 0
    for i in range(60):
        y = (rng.random(200) < 0.4).astype(float)
        interval = bootstrap(lambda c, o: float(o.mean()), np.zeros(200), y, draws=200, seed=i)
        held += interval.low <= 0.4 <= interval.high
    assert held >= 51
    c, y = np.repeat(sample[0][:100], 5), np.repeat(sample[1][:100], 5)
    alone, grouped = bootstrap(brier, c, y), bootstrap(brier, c, y, groups=np.repeat(np.arange(100), 5))
    assert grouped.high - grouped.low > 1.5 * (alone.high - alone.low)


@pytest.mark.parametrize("c", [[], [0.5, float("nan")], [[0.5]], [0.5]])
def test_what_is_no_row_of_numbers_is_refused(c: list[float]) -> None:
    with pytest.raises(ValueError):
        brier(c, [1.0, 0.0])
