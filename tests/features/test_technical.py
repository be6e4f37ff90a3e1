"""MACD, RSI and ATR against TA-Lib, and what must not change them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features import technical
from features.realized import realised_vol

RNG = np.random.default_rng(5)
CLOSE = 100.0 * np.exp(np.cumsum(RNG.normal(0, 0.01, 900)))
HIGH = CLOSE * (1 + np.abs(RNG.normal(0, 0.004, 900)))
LOW = CLOSE * (1 - np.abs(RNG.normal(0, 0.004, 900)))


def test_macd_equals_talib_once_warm():
    talib = pytest.importorskip("talib")
    _, _, expected = talib.MACD(CLOSE, 12, 26, 9)
    ours = technical.macd_histogram(CLOSE)
    assert np.isfinite(ours).sum() == len(CLOSE) - technical.MACD_ROWS + 1
    np.testing.assert_allclose(ours[400:], expected[400:], atol=2e-4)


def test_rsi_equals_talib_once_warm():
    talib = pytest.importorskip("talib")
    np.testing.assert_allclose(technical.rsi(CLOSE)[400:], talib.RSI(CLOSE, 14)[400:], atol=1e-3)


def test_atr_equals_talib_once_warm():
    talib = pytest.importorskip("talib")
    expected = talib.ATR(HIGH, LOW, CLOSE, 14) / CLOSE
    np.testing.assert_allclose(technical.atr_pct(HIGH, LOW, CLOSE)[400:], expected[400:], rtol=1e-5)


@given(scale=st.floats(0.01, 100.0))
@settings(max_examples=20, deadline=None)
def test_price_scale_does_not_matter(scale):
    np.testing.assert_allclose(technical.rsi(CLOSE * scale), technical.rsi(CLOSE), rtol=1e-7)
    np.testing.assert_allclose(
        technical.macd_histogram(np.log(CLOSE * scale)),
        technical.macd_histogram(np.log(CLOSE)),
        atol=1e-9,
    )
    np.testing.assert_allclose(
        technical.atr_pct(HIGH * scale, LOW * scale, CLOSE * scale),
        technical.atr_pct(HIGH, LOW, CLOSE),
        rtol=1e-9,
    )


def test_upside_down_prices_flip_the_sign():
    log_close = np.log(CLOSE)
    np.testing.assert_allclose(
        technical.macd_histogram(-log_close), -technical.macd_histogram(log_close), atol=1e-12
    )
    np.testing.assert_allclose(technical.rsi(-CLOSE), 100 - technical.rsi(CLOSE), atol=1e-9)


def test_rsi_of_a_still_price_is_fifty():
    assert technical.rsi(np.full(300, 7.0))[-1] == 50.0


def test_realised_vol_of_a_constant_step_is_its_closed_form():
    # every return is +-1 %: 100 sqrt(252) x 0.01 = 15.87 vol points, whatever the signs
    signs = np.where(RNG.random(100) < 0.5, -0.01, 0.01)
    assert realised_vol(np.cumsum(signs), 21)[-1] == pytest.approx(15.874507866)


def test_a_week_counts_from_its_last_session_on():
    # two full weeks and a Monday; the op marks the week's close itself
    grid = pd.bdate_range("2024-01-08", "2024-01-22")
    ends = (grid.day_of_week == 4).astype(float)
    x = np.arange(11, dtype=float)
    shown = technical.on_weeks(grid, np.asarray(ends), lambda v: v, x, rows=1)
    assert np.isnan(shown[:4]).all()
    # Friday the 12th shows itself, and is shown until Thursday the 18th; then Friday the 19th
    assert shown[4:].tolist() == [4.0, 4.0, 4.0, 4.0, 4.0, 9.0, 9.0]
