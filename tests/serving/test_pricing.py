import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.errors import UsageError
from serving.pricing import black76, black_scholes, greeks76, implied_vol, parity_forward


@pytest.fixture(scope="module")
def cases():
    rng = np.random.default_rng(7)
    n = 2000
    forward = rng.uniform(10, 7000, n)
    tau = rng.uniform(0.002, 2.0, n)
    deviation = rng.uniform(0.01, 0.8, n)
    strike = forward * np.exp(rng.uniform(-4, 4, n) * deviation)
    call = rng.random(n) < 0.5
    discount = np.exp(-0.04 * tau)
    return forward, strike, tau, deviation / np.sqrt(tau), call, discount


def test_black76_by_hand():
    # F = K = 100, vol sqrt(T) = 0.2: D F (2 N(0.1) - 1) = 0.95 * 100 * 0.0796556746
    price = black76(100.0, 100.0, 1.0, 0.2, call=True, discount=0.95)
    assert price == pytest.approx(7.56728908, abs=1e-7)


def test_black76_equals_quantlib(cases):
    ql = pytest.importorskip("QuantLib")
    forward, strike, tau, vol, call, discount = cases
    ours = black76(forward, strike, tau, vol, call=call, discount=discount)
    theirs = [
        ql.blackFormula(ql.Option.Call if c else ql.Option.Put, k, f, s, d)
        for c, k, f, s, d in zip(call, strike, forward, vol * np.sqrt(tau), discount, strict=True)
    ]
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)


def test_greeks_equal_quantlib(cases):
    ql = pytest.importorskip("QuantLib")
    forward, strike, tau, vol, call, discount = (a[:300] for a in cases)
    ours = greeks76(forward, strike, tau, vol, call=call, discount=discount)
    for i in range(300):
        kind = ql.Option.Call if call[i] else ql.Option.Put
        theirs = ql.BlackCalculator(
            ql.PlainVanillaPayoff(kind, strike[i]),
            forward[i],
            vol[i] * math.sqrt(tau[i]),
            discount[i],
        )
        assert ours.delta[i] == pytest.approx(theirs.deltaForward(), abs=1e-9)
        assert ours.gamma[i] == pytest.approx(theirs.gammaForward(), abs=1e-9)
        assert ours.vega[i] == pytest.approx(theirs.vega(tau[i]), rel=1e-8, abs=1e-8)


def test_theta_is_the_price_lost_per_year_at_a_fixed_forward():
    step = 1e-6
    up = black76(100.0, 105.0, 0.5 - step, 0.3, call=True, discount=0.97)
    down = black76(100.0, 105.0, 0.5 + step, 0.3, call=True, discount=0.97)
    theta = greeks76(100.0, 105.0, 0.5, 0.3, call=True, discount=0.97).theta
    assert theta == pytest.approx((up - down) / (2 * step), rel=1e-6)


def test_black_scholes_is_black76_on_the_carried_forward():
    price = black_scholes(100.0, 95.0, 0.25, 0.2, call=False, rate=0.05, dividend=0.02)
    forward, discount = 100.0 * math.exp(0.03 * 0.25), math.exp(-0.05 * 0.25)
    assert price == pytest.approx(black76(forward, 95.0, 0.25, 0.2, call=False, discount=discount))


def test_parity_gives_the_forward_back(cases):
    forward, strike, tau, vol, _, discount = cases
    call = black76(forward, strike, tau, vol, call=True, discount=discount)
    put = black76(forward, strike, tau, vol, call=False, discount=discount)
    np.testing.assert_allclose(parity_forward(call, put, strike, discount), forward, rtol=1e-9)


def test_nothing_left_gives_the_intrinsic_value():
    strikes = np.array([90.0, 100.0, 110.0])
    np.testing.assert_array_equal(black76(100.0, strikes, 0.0, 0.2, call=True), [10.0, 0.0, 0.0])
    np.testing.assert_array_equal(black76(100.0, strikes, 0.5, 0.0, call=False), [0.0, 0.0, 10.0])
    np.testing.assert_array_equal(
        greeks76(100.0, strikes, 0.0, 0.2, call=True).gamma, [0.0, 0.0, 0.0]
    )


def test_implied_vol_inverts_out_of_the_money(cases):
    forward, strike, tau, vol, _, discount = cases
    call = strike >= forward
    price = black76(forward, strike, tau, vol, call=call, discount=discount)
    found = implied_vol(price, forward, strike, tau, call=call, discount=discount)
    np.testing.assert_allclose(found, vol, rtol=1e-9)


def test_implied_vol_has_none_outside_the_bounds():
    # below intrinsic 10, at intrinsic, above the forward, at expiry
    found = implied_vol(
        [9.0, 10.0, 101.0, 12.0], 100.0, 90.0, [0.5, 0.5, 0.5, 0.0], call=True, discount=1.0
    )
    assert np.isnan(found).all()


def test_impossible_inputs_are_refused():
    with pytest.raises(UsageError, match=r"`strike` must be positive, got 0\.0"):
        black76(100.0, 0.0, 1.0, 0.2, call=True)
    with pytest.raises(UsageError, match="`tau` must be not negative"):
        black76(100.0, 90.0, -1.0, 0.2, call=True)


@settings(max_examples=150, deadline=None)
@given(
    forward=st.floats(5, 8000),
    moneyness=st.floats(-0.8, 0.8),
    tau=st.floats(0.001, 3),
    vol=st.floats(0.02, 2.0),
    call=st.booleans(),
    scale=st.floats(0.1, 50),
)
def test_prices_stay_in_their_bounds_and_scale(forward, moneyness, tau, vol, call, scale):
    strike = forward * math.exp(moneyness)
    price = float(black76(forward, strike, tau, vol, call=call))
    intrinsic = max((forward - strike) if call else (strike - forward), 0.0)
    ceiling = forward if call else strike
    assert intrinsic - 1e-9 * forward <= price <= ceiling * (1 + 1e-12)
    scaled = float(black76(scale * forward, scale * strike, tau, vol, call=call))
    assert scaled == pytest.approx(scale * price, rel=1e-9, abs=1e-9 * scale * forward)
