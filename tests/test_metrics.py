"""Metrics against their definitions and against scikit-learn, torchmetrics and lm-polygraph."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, roc_auc_score

from estimator.calibration import Platt
from estimator.metrics import aurc, auroc, bootstrap, brier, count_calibration, ece, ece_equal_mass, excess_aurc, prr

Sample = tuple[np.ndarray, np.ndarray]


@pytest.fixture(scope="module")
def sample() -> Sample:
    rng = np.random.default_rng(0)
    c = rng.random(3000).round(2)  # rounding makes ties
    return c, (rng.random(3000) < c**1.3).astype(float)


def test_auroc_and_brier_are_those_of_scikit_learn(sample: Sample) -> None:
    c, y = sample
    assert auroc(c, y) == pytest.approx(roc_auc_score(y, c), abs=1e-12)
    assert brier(c, y) == pytest.approx(brier_score_loss(y, c), abs=1e-12)
    assert np.isnan(auroc(c, np.ones_like(c)))
    assert auroc(np.full(10, 0.5), np.arange(10) % 2) == 0.5


def test_ece_and_auroc_are_those_of_torchmetrics() -> None:
    import torch
    from torchmetrics.functional.classification import binary_auroc, binary_calibration_error

    rng = np.random.default_rng(3)
    c = rng.random(2000)  # no confidence on the edge of a bin, where the two put it on different sides
    y = (rng.random(2000) < c**1.5).astype(int)
    p, t = torch.tensor(c, dtype=torch.float64), torch.tensor(y)
    for bins in (5, 10, 15):
        assert ece(c, y, bins) == pytest.approx(float(binary_calibration_error(p, t, n_bins=bins, norm="l1")), abs=1e-6)
    assert auroc(c, y) == pytest.approx(float(binary_auroc(p, t)), abs=1e-6)


UNSURE = [-0.91, -0.12, -0.55, -0.34, -0.78, -0.63, -0.27, -0.86]


@pytest.mark.parametrize(
    ("outcome", "risk", "ratio", "area", "error"),
    [
        ([1, 0, 1, 0, 1, 0, 0, 1], 0.21398809523809526, 0.9015009380863039, 0.9375, 0.28250000000000003),
        ([1, 0, 0, 1, 1, 0, 1, 1], 0.20550595238095237, 0.6241095890410959, 0.7333333333333334, 0.3924999999999999),
    ],
)
def test_metrics_are_those_of_lm_polygraph(outcome: list[int], risk: float, ratio: float, area: float, error: float) -> None:
    """Written down from lm-polygraph 0.7.0, which wants other versions of our libraries: RiskCoverageCurveAUC,
    PredictionRejectionArea between its oracle and the base rate (where it shuffles, ours is the mean of all orders),
    ROCAUC and ECE with 10 bins."""
    sure = -np.array(UNSURE)
    assert aurc(sure, outcome) == pytest.approx(risk, abs=1e-6)
    assert prr(sure, outcome) == pytest.approx(ratio, abs=1e-6)
    assert auroc(sure, outcome) == pytest.approx(area, abs=1e-6)
    assert ece(sure, outcome) == pytest.approx(error, abs=1e-6)


def test_ece_is_its_definition(sample: Sample) -> None:
    c, y = sample
    bins = np.minimum((c * 10).astype(int), 9)
    expected = sum(np.mean(bins == b) * abs(y[bins == b].mean() - c[bins == b].mean()) for b in np.unique(bins))
    assert ece(c, y) == pytest.approx(expected, abs=1e-12)
    assert ece([1.0, 0.0], [1, 0]) == 0 and ece([1.0, 1.0], [0, 0]) == 1
    with pytest.raises(ValueError, match="outside"):
        ece([1.2, 0.1], [1, 0])


def test_equal_mass_bins_hold_equal_counts() -> None:
    rng = np.random.default_rng(2)
    c = rng.random(1003)  # no ties
    y = (rng.random(1003) < c**1.3).astype(float)
    parts = np.array_split(np.argsort(c), 10)
    assert ece_equal_mass(c, y) == pytest.approx(sum(abs((y[p] - c[p]).sum()) for p in parts) / len(c), abs=1e-12)


def test_counts_weigh_by_their_samples() -> None:
    rng = np.random.default_rng(4)
    c, k = rng.random(400), rng.integers(1, 40, 400)
    correct = rng.binomial(k, c**1.4)
    repeated = np.repeat(c, k)
    each = np.concatenate([np.arange(n) < right for n, right in zip(k, correct, strict=True)]).astype(float)
    assert count_calibration(c, correct, k) == pytest.approx(ece(repeated, each), abs=1e-12)
    with pytest.raises(ValueError, match="more samples"):
        count_calibration([0.5], [3], [2])


def test_a_perfect_order_has_no_excess_risk() -> None:
    y = np.array([1, 1, 0, 1, 0.0])
    c = [0.9, 0.8, 0.1, 0.7, 0.2]
    assert excess_aurc(c, y) == 0 and prr(c, y) == 1
    assert aurc(c, y) == pytest.approx((0 + 0 + 0 + 1 / 4 + 2 / 5) / 5)
    assert prr(np.full(5, 0.5), y) == pytest.approx(0) and np.isnan(prr(c, np.ones(5)))
    assert np.isnan(prr(c, np.full(5, 0.3))), "outcomes that are all one share have no order, whatever their sum rounds to"


def test_risk_of_ties_is_the_mean_over_their_orders() -> None:
    rng = np.random.default_rng(5)
    c, y = rng.integers(0, 3, 60) / 4, (rng.random(60) < 0.5).astype(float)
    broken = [aurc(c + 1e-6 * rng.permutation(60), y) for _ in range(3000)]
    assert aurc(c, y) == pytest.approx(np.mean(broken), abs=4 * np.std(broken) / np.sqrt(3000))


METRICS = (ece, ece_equal_mass, auroc, brier, aurc, excess_aurc, prr)


@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=2, max_size=40), st.randoms(use_true_random=False))
def test_no_metric_depends_on_the_order_of_the_rows(rows: list[tuple[int, bool]], random: object) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    (c, y), (c2, y2) = (np.array(r, float).T for r in (rows, shuffled))
    for metric in METRICS:
        assert metric(c / 6, y) == pytest.approx(metric(c2 / 6, y2), abs=1e-12, nan_ok=True), metric.__name__


def test_the_bootstrap_covers_the_truth_and_resamples_groups(sample: Sample) -> None:
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


def test_platt_recovers_the_sigmoid_that_made_the_outcomes() -> None:
    rng = np.random.default_rng(6)
    x = rng.normal(3, 5, 20_000)
    y = rng.random(20_000) < 1 / (1 + np.exp(-(0.7 * x - 1)))
    probe = np.array([-2.0, 1.0, 4.0])
    np.testing.assert_allclose(Platt.fit(x, y)(probe), 1 / (1 + np.exp(-(0.7 * probe - 1))), atol=0.02)
    reference = LogisticRegression(C=np.inf).fit(x[:, None], y)
    np.testing.assert_allclose(Platt.fit(x, y)(probe), reference.predict_proba(probe[:, None])[:, 1], atol=2e-3)


def test_platt_calibrates_and_keeps_the_order(sample: Sample) -> None:
    c, y = sample
    over = c**0.3
    fitted = Platt.fit(over[::2], y[::2], logit=True)
    assert ece(over[1::2], y[1::2]) > 0.2 > 0.05 > ece(fitted(over[1::2]), y[1::2])
    assert auroc(fitted(over), y) == pytest.approx(auroc(over, y), abs=0.005)
    assert Platt.model_validate_json(fitted.model_dump_json()) == fitted


def test_platt_stays_finite_and_refuses_nonsense() -> None:
    separable = Platt.fit([-1.0, -2.0, 1.0, 2.0], [0, 0, 1, 1])
    assert 0 < separable([-2.0])[0] < separable([2.0])[0] < 1
    assert Platt.fit([0.1, 0.2, 0.3], [1, 1, 1])([0.2])[0] == pytest.approx(4 / 5, abs=1e-3)
    for values, correct in (([], []), ([float("nan")], [1]), ([0.5, 0.6], [1]), ([0.5], [0.3])):
        with pytest.raises(ValueError):
            Platt.fit(values, correct)
