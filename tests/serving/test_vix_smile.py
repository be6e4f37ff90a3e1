import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.errors import DataError
from serving.pricing import black76, greeks76
from serving.vix_calls import call_delta, call_price, call_vol, strike_for_delta
from serving.vix_smile import (
    VIX_DEFAULT,
    mark_vix,
    vix_strike_for_delta,
    vix_strikes,
    vix_vol,
)


def test_level_follows_the_stated_decay():
    # the dossier's own figures: about 95, 66 and 55 % at 30, 110 and 220 days
    levels = vix_vol(20.0, 20.0, [30, 110, 220], 95.0)
    np.testing.assert_allclose(levels, [0.95, 0.6603, 0.5439], atol=2e-2)
    assert vix_vol(20.0, 20.0, 5, 95.0) == vix_vol(20.0, 20.0, 20, 95.0), "not extrapolated"


def test_skew_rises_with_strike_and_saturates():
    vols = vix_vol([5.0, 20.0, 40.0, 4000.0], 20.0, 30, 90.0)
    assert (np.diff(vols) > 0).all()
    assert 0.99 < vols[-1] / (0.9 * VIX_DEFAULT.factor_high) < 1.0


@pytest.mark.parametrize("days", [5, 30, 110, 220])
@pytest.mark.parametrize("vvix", [70.0, 110.0, 200.0])
def test_calls_fall_and_are_convex_in_strike(days, vvix):
    strikes = np.arange(10.0, 90.0, 0.5)
    vol = vix_vol(strikes, 20.0, days, vvix)
    call = black76(20.0, strikes, days / 365, vol, call=True)
    slope = np.diff(call) / 0.5
    assert ((slope <= 1e-12) & (slope >= -1 - 1e-12)).all()
    assert (np.diff(slope) >= -1e-9).all()


def test_strike_for_delta_is_nearest_on_the_ladder():
    from scipy.special import ndtr

    for future, days in ((12.3, 30), (19.4, 110), (33.0, 220)):
        ladder = vix_strikes(future)
        sd = vix_vol(ladder, future, days, 95.0) * np.sqrt(days / 365)
        delta = ndtr(np.log(future / ladder) / sd + sd / 2)
        assert vix_strike_for_delta(0.5, future, days, 95.0) == ladder[np.abs(delta - 0.5).argmin()]


def test_band_and_source_are_on_every_mark():
    marks = mark_vix([18.0, 25.0], 20.0, 30, 95.0)
    assert (marks.low < marks.mid).all() and (marks.mid < marks.high).all()
    assert set(marks.source) == {"vvix+vix future"}


def test_no_mark_without_vvix():
    with pytest.raises(DataError, match="without `vvix`"):
        mark_vix(20.0, 20.0, 30, np.nan)


@settings(max_examples=200)
@given(
    st.floats(10, 60), st.floats(9, 70), st.floats(1, 300), st.floats(60, 200),
    st.sampled_from([-1.0, 0.0, 1.0]),
)  # fmt: skip
def test_single_calls_are_those_of_the_arrays(strike, future, days, vvix, band):
    vol = vix_vol(strike, future, days, vvix, band=band)
    assert call_vol(strike, future, days, vvix, band=band) == pytest.approx(float(vol), rel=1e-12)
    tau = days / 365
    price = black76(future, strike, tau, vol, call=True)
    assert call_price(strike, future, days, float(vol)) == pytest.approx(
        float(price), rel=1e-9, abs=1e-12
    )
    delta = greeks76(future, strike, tau, vol, call=True).delta
    assert call_delta(strike, future, days, float(vol)) == pytest.approx(float(delta), abs=1e-12)
    assert call_price(strike, future, 0, float(vol)) == max(future - strike, 0.0)


@pytest.mark.parametrize("delta", [0.15, 0.3, 0.5])
@pytest.mark.parametrize("days", [12, 30, 110, 220])
def test_single_strikes_are_those_of_the_arrays(delta, days):
    for future in np.arange(11.0, 45.0, 1.7):
        wanted = float(vix_strike_for_delta(delta, future, days, 95.0))
        assert strike_for_delta(delta, float(future), days, 95.0) == wanted


def test_a_single_call_needs_a_market():
    with pytest.raises(DataError, match="without `vvix`"):
        call_vol(20.0, 20.0, 30, np.nan)
