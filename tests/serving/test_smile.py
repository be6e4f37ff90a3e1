from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.errors import DataError, UsageError
from serving.pricing import black76
from serving.smile import DEFAULT, SmileParameters, VolInputs, spx_cdf, spx_vol
from serving.smile_level import atm_source, atm_vol
from serving.smile_marks import mark_spx, strike_for_delta

ROUND = SmileParameters(
    ratio_30d=0.9,
    ratio_per_skew=-0.03,
    skew_reference=120.0,
    band_30d=0.05,
    ratio_1d=0.8,
    ratio_1d_low=0.7,
    ratio_1d_high=1.0,
    slope_30d=-0.12,
    slope_per_skew=-0.06,
    skew_high=160.0,
    curvature_30d=0.03,
    ratio_vix1d=0.95,
    ratio_vix9d=0.95,
    shape="quadratic",
    z_limit=1e6,
)
D30 = 30 * 252 / 365


def test_level_at_thirty_days_by_hand():
    # 20 * (0.90 - 0.03 * (150 - 120) / 30) = 20 * 0.87
    inputs = VolInputs.of(vix=20.0, skew=150.0)
    assert atm_vol(inputs, D30, parameters=ROUND) == pytest.approx(0.174)
    assert atm_vol(inputs, D30, band=1.0, parameters=ROUND) == pytest.approx(0.174 * 1.05)
    assert atm_vol(inputs, 2 * D30, parameters=ROUND) == pytest.approx(0.174), "flat beyond"


def test_one_day_level_without_vix1d_is_a_wide_band():
    inputs = VolInputs.of(vix=20.0, skew=120.0)
    levels = [float(atm_vol(inputs, 1.0, band=b, parameters=ROUND)) for b in (-1, 0, 1)]
    assert levels == pytest.approx([0.14, 0.16, 0.20])
    assert atm_source(inputs, 1.0) == "vix as one day"


def test_one_day_level_takes_vix1d_when_known():
    inputs = VolInputs.of(vix=20.0, skew=120.0, vix1d=12.0)
    assert atm_vol(inputs, 1.0, parameters=ROUND) == pytest.approx(0.114)
    assert atm_source(inputs, 1.0) == "vix1d"


def test_between_tenors_total_variance_is_linear():
    inputs = VolInputs.of(vix=20.0, skew=120.0, vix1d=10.0)
    w1, w30 = 0.095**2 * 1, 0.18**2 * D30
    expected = np.sqrt((w1 + (11 - 1) / (D30 - 1) * (w30 - w1)) / 11)
    assert atm_vol(inputs, 11.0, parameters=ROUND) == pytest.approx(expected)


@settings(max_examples=60, deadline=None)
@given(
    vix=st.floats(8, 90),
    skew=st.floats(101, 180),
    vix1d=st.one_of(st.none(), st.floats(4, 120)),
    vix9d=st.one_of(st.none(), st.floats(6, 110)),
    vix3m=st.one_of(st.none(), st.floats(9, 70)),
    band=st.sampled_from([-1.0, 0.0, 1.0]),
)
def test_total_variance_never_falls_with_time(vix, skew, vix1d, vix9d, vix3m, band):
    inputs = VolInputs.of(vix=vix, skew=skew, vix1d=vix1d, vix9d=vix9d, vix3m=vix3m)
    days = np.linspace(0.2, 130, 200)
    variance = atm_vol(inputs, days, band=band) ** 2 * days
    assert (np.diff(variance) >= -1e-12).all()


@pytest.mark.parametrize("shape", ["quadratic", "ssvi"])
def test_shape_has_the_stated_level_slope_and_curvature_at_the_money(shape):
    p = replace(DEFAULT, shape=shape)
    inputs = VolInputs.of(vix=20.0, skew=p.skew_reference)
    level = float(atm_vol(inputs, D30, parameters=p))
    z = np.array([-1e-3, 0.0, 1e-3])
    strikes = 4000 * np.exp(z * level * np.sqrt(D30 / 252))
    ratio = spx_vol(strikes, 4000.0, D30, inputs, parameters=p) / level
    assert ratio[1] == pytest.approx(1.0)
    assert (ratio[2] - ratio[0]) / 2e-3 == pytest.approx(p.slope_30d, rel=3e-3)
    assert (ratio[2] - 2 * ratio[1] + ratio[0]) / 2e-6 == pytest.approx(p.curvature_30d, rel=2e-2)


@pytest.mark.parametrize("shape", ["quadratic", "ssvi"])
@settings(max_examples=60, deadline=None)
@given(
    vix=st.floats(8, 90),
    skew=st.floats(101, 180),
    days=st.sampled_from([0.5, 1.0, 5.0, 21.0, 42.0]),
    band=st.sampled_from([-1.0, 0.0, 1.0]),
)
def test_no_free_spread_or_butterfly(shape, vix, skew, days, band):
    inputs = VolInputs.of(vix=vix, skew=skew)
    p = replace(DEFAULT, shape=shape)
    spread = float(atm_vol(inputs, days, band=band, parameters=p)) * np.sqrt(days / 252)
    strikes = np.linspace(np.exp(-6 * spread), np.exp(5 * spread), 300)
    vol = spx_vol(strikes, 1.0, days, inputs, band=band, parameters=p)
    call = black76(1.0, strikes, days / 252, vol, call=True)
    slope = np.diff(call) / np.diff(strikes)
    assert (call >= np.maximum(1 - strikes, 0) - 1e-12).all(), "bounds"
    assert ((slope <= 1e-12) & (slope >= -1 - 1e-12)).all(), "call spreads within [0, width]"
    assert (np.diff(slope) >= -1e-9).all(), "convex in strike"
    put = black76(1.0, strikes, days / 252, vol, call=False)
    np.testing.assert_allclose(call - put, 1 - strikes, atol=1e-12)


def test_ssvi_refuses_parameters_that_allow_arbitrage():
    wild = replace(DEFAULT, shape="ssvi", slope_30d=-1.0)
    with pytest.raises(DataError, match="butterfly"):
        spx_vol(90.0, 100.0, 21.0, VolInputs.of(vix=20.0, skew=140.0), parameters=wild)


def test_marks_carry_their_source_and_an_ordered_band():
    inputs = VolInputs.of(vix=[20.0, 20.0], skew=130.0, vix1d=[15.0, np.nan], vix9d=18.0)
    marks = mark_spx([4900.0, 4900.0], 5000.0, [1.0, 5.0], inputs, call=False)
    assert list(marks.source) == ["vix1d", "vix as one day+vix9d"]
    assert (marks.low < marks.mid).all() and (marks.mid < marks.high).all()


@pytest.mark.parametrize("delta", [0.05, 0.10, 0.20, 0.40])
@pytest.mark.parametrize("call", [True, False])
def test_strike_for_delta_finds_the_nearest_listed_strike(delta, call):
    from scipy.special import ndtr

    inputs = VolInputs.of(vix=25.0, skew=140.0)
    found = float(strike_for_delta(delta, 4000.0, 21.0, inputs, call=call))
    listed = np.arange(2500.0, 5500.0, 5.0)
    vol = spx_vol(listed, 4000.0, 21.0, inputs)
    sd = vol * np.sqrt(21 / 252)
    d1 = np.log(4000.0 / listed) / sd + sd / 2
    slow = np.abs(ndtr(d1 if call else -d1) - delta)
    assert found == listed[slow.argmin()]


def test_missing_inputs_are_refused_by_name():
    with pytest.raises(DataError, match="without `skew`"):
        VolInputs.of(vix=[20.0, 21.0], skew=[130.0, np.nan])
    with pytest.raises(UsageError, match="`sessions` must be positive"):
        atm_vol(VolInputs.of(vix=20.0, skew=130.0), [1.0, 0.0])


def test_cdf_is_a_distribution_whose_mean_is_the_forward():
    inputs = VolInputs.of(vix=22.0, skew=135.0)
    strikes = np.linspace(50.0, 180.0, 6001)
    below = spx_cdf(strikes, 100.0, 21.0, inputs)
    assert below[0] < 1e-4 and below[-1] > 1 - 1e-6
    assert (np.diff(below) >= -1e-7).all()
    mean = strikes[-1] - np.trapezoid(below, strikes)  # E[S] by parts
    assert mean == pytest.approx(100.0, abs=0.05)


def test_cdf_of_a_flat_smile_is_lognormal():
    from scipy.special import ndtr

    flat = replace(
        DEFAULT,
        slope_30d=0.0,
        slope_per_skew=0.0,
        slope_1d=0.0,
        curvature_30d=0.0,
        curvature_1d=0.0,
    )
    inputs = VolInputs.of(vix=20.0, skew=120.0)
    sd = float(atm_vol(inputs, 21.0, parameters=flat)) * np.sqrt(21 / 252)
    strikes = np.array([90.0, 100.0, 108.0])
    expected = ndtr(np.log(strikes / 100.0) / sd + sd / 2)
    np.testing.assert_allclose(
        spx_cdf(strikes, 100.0, 21.0, inputs, parameters=flat), expected, atol=1e-6
    )


@given(
    vix=st.floats(5.0, 90.0),
    skew=st.floats(90.0, 170.0),
    others=st.tuples(*[st.one_of(st.none(), st.floats(5.0, 90.0))] * 4),
    days=st.floats(0.1, 400.0),
)
def test_one_evening_in_floats_is_the_array_to_the_last_bit(vix, skew, others, days):
    names = ("vix1d", "vix9d", "vix3m", "vix6m")
    one = VolInputs.of(vix=vix, skew=skew, **dict(zip(names, others, strict=True)))
    many = VolInputs.of(vix=[vix], skew=skew, **dict(zip(names, others, strict=True)))
    ends = np.array([-1.0, 0.0, 1.0])
    np.testing.assert_array_equal(atm_vol(one, days, band=ends), atm_vol(many, days, band=ends))
    assert str(atm_source(one, days)) == str(atm_source(many, [days])[0])
