"""Scores against scikit-learn and hand numbers; the bootstrap's determinism and coverage."""

from __future__ import annotations

import math

import numpy as np
import pytest

from features.errors import UsageError
from models.scores import (
    auc,
    average_precision,
    bootstrap_ratio,
    brier,
    calibration_bins,
    ece,
    ece_band,
    gain,
    log_loss,
    stationary_indices,
)


def _forecasts(n: int = 700, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.Generator(np.random.PCG64(seed))
    p = np.round(rng.beta(1.0, 4.0, n), 2).clip(0.01, 0.99)
    return (rng.random(n) < p).astype(float), p


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_scores_equal_scikit_learn(seed: int) -> None:
    from sklearn import metrics

    y, p = _forecasts(seed=seed)  # two decimals: many ties
    assert log_loss(y, p) == pytest.approx(metrics.log_loss(y, p), abs=1e-12)
    assert brier(y, p) == pytest.approx(metrics.brier_score_loss(y, p), abs=1e-12)
    assert auc(y, p) == pytest.approx(metrics.roc_auc_score(y, p), abs=1e-12)
    ours = average_precision(y, p)
    assert ours == pytest.approx(metrics.average_precision_score(y, p), abs=1e-12)


def test_hand_numbers() -> None:
    y, p = np.array([1.0, 0.0]), np.array([0.8, 0.4])
    assert log_loss(y, p) == pytest.approx(-(math.log(0.8) + math.log(0.6)) / 2)
    assert brier(y, p) == pytest.approx((0.04 + 0.16) / 2)
    assert auc(np.array([1.0, 0.0, 1.0, 0.0]), np.array([0.9, 0.9, 0.2, 0.1])) == 0.625
    assert log_loss(np.array([1.0]), np.array([0.0])) == pytest.approx(-math.log(1e-6))
    # Two bins: means 0.15 and 0.75, shares 0.5 and 0.5.
    y, p = np.array([0.0, 1.0, 0.0, 1.0]), np.array([0.1, 0.2, 0.7, 0.8])
    assert ece(y, p, bins=2) == pytest.approx((0.35 + 0.25) / 2)
    forecast, observed, count = calibration_bins(y, p, bins=2)
    assert forecast == pytest.approx([0.15, 0.75])
    assert observed.tolist() == [0.5, 0.5]
    assert count.tolist() == [2.0, 2.0]


def test_no_rows_or_one_class_is_nan() -> None:
    none = np.empty(0)
    assert all(math.isnan(f(none, none)) for f in (log_loss, brier, ece, auc))
    assert math.isnan(auc(np.ones(3), np.array([0.1, 0.2, 0.3])))
    assert math.isnan(average_precision(np.zeros(3), np.array([0.1, 0.2, 0.3])))


def test_stationary_indices_are_blocks_of_the_stated_mean_length() -> None:
    rows = stationary_indices(500, mean_block=21, repeats=200, seed=3)
    assert rows.shape == (200, 500)
    assert rows.min() >= 0
    assert rows.max() < 500
    continues = (rows[:, 1:] == (rows[:, :-1] + 1) % 500).mean()
    # A fresh start continues by chance once in 500.
    assert continues == pytest.approx(1 - (1 - 1 / 500) / 21, abs=0.003)
    np.testing.assert_array_equal(rows, stationary_indices(500, mean_block=21, repeats=200, seed=3))
    assert (rows != stationary_indices(500, mean_block=21, repeats=200, seed=4)).any()
    with pytest.raises(UsageError, match="mean_block"):
        stationary_indices(10, mean_block=0.5)


def test_stationary_indices_equal_a_slow_loop() -> None:
    n, block, repeats = 40, 5.0, 30
    rng = np.random.Generator(np.random.PCG64(3))
    first, fresh = rng.random((repeats, n)), rng.random((repeats, n))
    for k, row in enumerate(stationary_indices(n, mean_block=block, repeats=repeats, seed=3)):
        at = 0
        for j in range(n):
            at = int(first[k, j] * n) if j == 0 or fresh[k, j] < 1.0 / block else (at + 1) % n
            assert row[j] == at


def test_bootstrap_interval_covers_the_truth_of_a_dependent_series() -> None:
    """An AR(1) of mean 0: the block interval covers about as often as said, the plain one not."""
    rng = np.random.Generator(np.random.PCG64(7))
    covered, plain, trials, n = 0, 0, 150, 600
    for k in range(trials):
        noise = rng.standard_normal(n)
        x = np.empty(n)
        x[0] = noise[0]
        for i in range(1, n):
            x[i] = 0.7 * x[i - 1] + noise[i]
        for block in (21.0, 1.0):
            _, low, high = bootstrap_ratio(x, np.ones(n), block=block, draws=200, seed=k)
            hit = low <= 0.0 <= high
            covered, plain = (covered + hit, plain) if block > 1 else (covered, plain + hit)
    assert 0.80 <= covered / trials <= 0.97
    assert plain / trials < 0.70


def test_gain_is_zero_against_itself_and_positive_for_the_truth() -> None:
    y, p = _forecasts(n=2000)
    rate = np.full(y.size, y.mean())
    skilled = gain(y, p, {"climatology": rate, "coin": np.full(y.size, 0.5)}, draws=300)
    assert skilled.best_baseline == "climatology"
    assert skilled.gain == pytest.approx((log_loss(y, rate) - log_loss(y, p)) / log_loss(y, rate))
    assert 0 < skilled.lo < skilled.gain < skilled.hi
    assert skilled == gain(y, p, {"climatology": rate, "coin": np.full(y.size, 0.5)}, draws=300)
    same = gain(y, p, {"climatology": rate, "same": p}, draws=50)
    assert (same.gain, same.lo, same.hi, same.best_baseline) == (0.0, 0.0, 0.0, "same")
    with pytest.raises(UsageError, match="climatology"):
        gain(y, p, {"prior": p})


def test_a_baseline_with_a_null_does_not_compete() -> None:
    y, p = _forecasts()
    cheat = y.copy()
    cheat[0] = np.nan
    found = gain(y, p, {"climatology": np.full(y.size, y.mean()), "cheat": cheat}, draws=50)
    assert found.best_baseline == "climatology"


def test_ece_band_holds_a_calibrated_forecast_and_excludes_a_biased_one() -> None:
    y, p = _forecasts(n=3000)
    low, high = ece_band(p, horizon=1, draws=100)
    assert 0 < low < high
    assert ece(y, p) < 1.3 * high
    assert ece(y, np.clip(p + 0.1, 0, 1)) > high
    # Overlap makes a calibrated forecast look worse.
    assert ece_band(p, horizon=21, draws=100)[1] > high
    assert ece_band(p, horizon=1, draws=100) == (low, high)
