"""The interval and the proxy of its coverage, on worlds whose true probabilities are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from models.coverage import bin_coverage
from models.interval import LEVEL, interval, jackknife, student_quantile
from models.logit import logit, sigmoid


def _world(seed: int, *, error: float, n: int = 4000, h: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Outcomes that overlap over `h` rows, and forecasts off by one error for the whole world."""
    from scipy.special import ndtr

    rng = np.random.Generator(np.random.PCG64(seed))
    truth = sigmoid(-1.0 + np.sin(np.arange(n) / 40.0))
    noise = np.convolve(rng.standard_normal(n + h - 1), np.ones(h), "valid") / np.sqrt(h)
    y = (ndtr(noise) < truth).astype(float)
    return y, sigmoid(logit(truth) + error * rng.standard_normal())


def test_the_jackknife_is_that_of_the_mean_of_blocks() -> None:
    """Leave-one-block-out means of normal blocks: the standard error is that of the blocks."""
    rng = np.random.Generator(np.random.PCG64(1))
    blocks = rng.standard_normal((5, 2000))
    members = (blocks.sum(axis=0) - blocks) / 4.0
    half = jackknife(members)
    np.testing.assert_allclose(half, 2.13185 * blocks.std(axis=0, ddof=1) / np.sqrt(5), rtol=1e-5)
    # Student's quantile makes it hold the truth nine times of ten
    assert (np.abs(blocks.mean(axis=0)) <= half).mean() == pytest.approx(0.9, abs=0.03)


@pytest.mark.parametrize("freedom", [1, 4, 9, 10, 30])
def test_student_s_quantile_is_scipy_s(freedom: int) -> None:
    from scipy.special import stdtrit

    assert student_quantile(freedom) == stdtrit(freedom, (1.0 + LEVEL) / 2.0)


def test_the_interval_holds_forecast_and_prior() -> None:
    log_odds, prior = np.array([-1.0, 0.5, np.nan]), np.array([0.4, 0.2, np.nan])
    lo, hi = interval(log_odds, np.array([0.1, 0.0, 0.0]), prior)
    p = sigmoid(log_odds)
    assert (lo[:2] < p[:2]).all() and (p[:2] < hi[:2]).all()
    assert ((lo <= prior + 1e-12) & (prior <= hi + 1e-12))[:2].all()
    assert np.isnan(lo[2]) and np.isnan(hi[2])


def test_the_proxy_says_nine_of_ten_where_that_is_true() -> None:
    shares, without = [], []
    for seed in range(60):
        y, p = _world(seed, error=0.4)
        lo, hi = sigmoid(logit(p) - 1.645 * 0.4), sigmoid(logit(p) + 1.645 * 0.4)
        found = bin_coverage(y, p, lo, hi, horizon=5)
        shares.append(found.share)
        without.append(found.without)
    assert np.mean(shares) == pytest.approx(0.9, abs=0.05)
    assert np.mean(without) < 0.6


def test_a_perfect_forecast_needs_no_width() -> None:
    shares = []
    for seed in range(60):
        y, p = _world(seed, error=0.0)
        shares.append(bin_coverage(y, p, p, p, horizon=5).share)
    assert np.mean(shares) == pytest.approx(0.9, abs=0.05)


def test_every_asked_row_has_an_interval_with_width(fitted: Any) -> None:
    out = fitted.forecaster.predict(fitted.dataset, fitted.later[:60]).dropna(subset="p")
    assert (out["hi"] > out["lo"]).all()
    some = out[out["p"].between(0.05, 0.95)]
    assert (some["hi"] - some["lo"]).between(0.002, 0.9).all()
    light = fitted.forecaster.predict(fitted.dataset, fitted.later[:5], light=True)
    assert light[["lo", "hi"]].isna().all(axis=None)
