import numpy as np
import pandas as pd
import pytest

from features.errors import DataError, UsageError
from features.store import MarketStore
from serving.smile import DEFAULT
from training.backtest.expiries import (
    month_ends,
    monthly_expiries,
    sessions_left,
    vix_expiries,
)
from training.backtest.market import Market, spy_gap
from training.backtest.programs import monthly_returns, schedule
from training.backtest.replicate import compare, replicate
from training.backtest.rolls import ROLL_DEFAULT, RollParameters, roll_points
from training.backtest.vxth import call_weight

EXACT = RollParameters(opening_error=0.0, roll_error=0.0)
MONTHS = pd.period_range("2010-01", "2010-04", freq="M")


def still_market(years=3, *, vix=20.0, seed=None):
    sessions = pd.bdate_range("2008-01-02", periods=252 * years, name="session").as_unit("us")
    steps = np.zeros(len(sessions))
    if seed is not None:
        steps[1:] = np.random.default_rng(seed).normal(0, 0.01, len(sessions) - 1)
    close = 1000.0 * np.exp(np.cumsum(steps))
    frame = pd.DataFrame(
        {"open": close, "high": close, "low": close, "close": close, "vix": vix, "vix_open": vix},
        index=sessions,
    )
    for name in ("vix1d", "vix9d", "vix3m", "vix6m", "vvix", "spy_gap"):
        frame[name] = np.nan
    frame["skew"], frame["rate"], frame["dividend"] = 120.0, 0.0, 0.0
    empty = pd.DataFrame(columns=["date", "expiry", "is_final_settlement", "settle"])
    return Market(frame, empty)


def test_expiries_of_known_months():
    found = monthly_expiries(pd.Timestamp("2008-03-01"), pd.Timestamp("2008-04-30"))
    # Good Friday 2008-03-21 is closed: the Thursday stands in
    assert [str(d.date()) for d in found] == ["2008-03-20", "2008-04-18"]
    vix = vix_expiries(pd.Timestamp("2020-03-01"), pd.Timestamp("2020-04-30"))
    assert [str(d.date()) for d in vix] == ["2020-03-18", "2020-04-15"]


def test_time_left_counts_the_last_opening_as_a_quarter_session():
    now, expiry = np.array([10]), np.array([15])
    assert sessions_left(now, expiry, am=True) == pytest.approx(4.25)
    assert sessions_left(now, expiry, am=False) == pytest.approx(5.0)
    assert sessions_left(now, expiry, am=False, passed=0.25) == pytest.approx(5.75)


def test_month_ends():
    days = pd.DatetimeIndex(["2024-01-30", "2024-01-31", "2024-02-01", "2024-02-29"])
    assert list(month_ends(days)) == [1, 3]


def test_a_still_market_pays_the_whole_credit():
    market = still_market()
    run = monthly_returns(market, "put", rolls=EXACT)
    # strike 1000 at 1000: V grows by 1 / (1 - credit / 1000) a roll when nothing is exercised
    level = np.prod(1 + run.returns.to_numpy())
    growth = 1 / (1 - run.credit / 1000)
    assert np.prod(growth[:-2]) < level < np.prod(growth)
    assert (run.strikes == 1000).all()


def test_condors_width_and_backing():
    run = monthly_returns(still_market(), "bfly", rolls=EXACT)
    assert (run.strikes[0] == [950, 1000, 1000, 1050]).all()
    # nothing moves: a roll earns credit / (10 x width of 50), less what a month-end mark still owes
    earned = np.prod(1 + run.returns.to_numpy()) - 1
    per_roll = run.credit.mean() / 500
    assert earned == pytest.approx((1 + per_roll) ** len(run.returns) - 1, rel=0.05)


def test_a_higher_smile_sells_for_more():
    market = still_market()
    low, high = (monthly_returns(market, "cndr", band=b) for b in (-1.0, 1.0))
    assert (high.credit > low.credit).all()


def test_returns_do_not_change_when_later_sessions_are_cut_off():
    market = still_market(seed=3)
    whole = monthly_returns(market, "cndr").returns
    cut = Market(market.frame.iloc[:600], market.futures)
    early = monthly_returns(cut, "cndr").returns
    pd.testing.assert_series_equal(early, whole.loc[early.index])


def test_roll_points_follow_the_vix_gap_when_the_print_is_stale():
    market = still_market()
    frame = market.frame.copy()
    frame.iloc[300, frame.columns.get_loc("vix_open")] = 22.0
    points = roll_points(Market(frame, market.futures), np.array([300]))
    # beta 0.10 at VIX 20, a fifth of it taken back towards an unchanged close
    assert points.soq[0] == pytest.approx(1000 * np.exp(-0.08 * np.log(1.1)))


def test_a_traded_opening_stands_before_every_estimate():
    market = still_market()
    frame = market.frame.copy()
    frame.iloc[300, frame.columns.get_loc("vix_open")] = 22.0
    frame.iloc[300, frame.columns.get_loc("spy_gap")] = 0.004
    points = roll_points(Market(frame, market.futures), np.array([299, 300]))
    assert points.soq[1] == pytest.approx(1000 * np.exp(0.004))
    assert points.opening_error[1] == 0.0 < points.opening_error[0]


def test_spys_dividend_is_no_gap():
    days = pd.DatetimeIndex(["2012-12-20", "2012-12-21"])
    bars = pd.DataFrame(
        {"date": days, "open": [144.0, 143.0], "close": [144.0, 142.5], "adjusted_close": 142.5}
    )
    # 144 closes, a dollar and a half is paid, 143 opens: the index rose by half a dollar
    gap = spy_gap(bars, days)
    assert np.isnan(gap.iloc[0])
    assert gap.iloc[1] == pytest.approx(np.log(143.0 / 142.5))


def test_unknown_levels_cost_a_seller_of_convexity():
    market = still_market()
    sure = monthly_returns(market, "bfly", rolls=EXACT).returns
    unsure = monthly_returns(market, "bfly", rolls=ROLL_DEFAULT).returns
    assert unsure.mean() < sure.mean()


def test_a_missing_smile_input_is_named():
    market = still_market()
    at = schedule(market).roll[5]
    market.frame.iloc[at, market.frame.columns.get_loc("vix")] = np.nan
    with pytest.raises(DataError, match=r"no `vix` on .*never trades on carried-forward"):
        monthly_returns(market, "cndr")


def test_compare_by_hand():
    model = pd.Series([0.01, -0.02, 0.03, 0.00], index=MONTHS)
    index = pd.Series([0.02, -0.01, 0.04, 0.01], index=MONTHS)
    row = compare("put", model, index)
    assert row["monthly_corr"] == 1.0 and row["tracking_error_pct"] == pytest.approx(0.0)
    expected = ((1.01 * 0.98 * 1.03) ** 3 - 1) * 100
    assert row["annual_return_model_pct"] == pytest.approx(expected, abs=1e-3)
    nothing = compare("vxth", model, pd.Series(dtype=float, index=pd.PeriodIndex([], freq="M")))
    assert nothing["monthly_corr"] is None and nothing["annual_vol_index_pct"] is None
    assert nothing["months"] == 4 and nothing["from"] == "2010-01"


def test_vxth_weights_at_their_edges():
    weights = call_weight(np.array([15.0, 15.01, 30.0, 30.01, 50.0, 50.01]))
    assert list(weights) == [0.0, 0.01, 0.01, 0.005, 0.005, 0.0]


def test_unknown_index_and_empty_span_are_wrong_usage(tmp_path):
    with pytest.raises(UsageError, match="must be one of cndr"):
        replicate(MarketStore(tmp_path), "spx")
    with pytest.raises(UsageError, match="must not lie after"):
        replicate(MarketStore(tmp_path), "put", start="2010-01-01", end="2009-01-01")


def test_calibrated_numbers_say_where_they_come_from():
    assert "1996-2007" in DEFAULT.provenance
