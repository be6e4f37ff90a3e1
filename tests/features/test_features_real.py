"""Hand-checked single values on the real market: for each kind of day that must be right."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from features import pipeline
from features.checks import check_lookahead
from features.sources.tidy import import_folder
from features.store import MarketStore

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def store(real_data, tmp_path_factory) -> MarketStore:
    made = MarketStore(tmp_path_factory.mktemp("real"))
    import_folder(made, real_data, now=pd.Timestamp("2026-11-23", tz="UTC"))
    return made


@pytest.fixture(scope="module")
def table(store) -> pd.DataFrame:
    return pipeline.build(store)


@pytest.fixture(scope="module")
def preopen(store) -> pd.DataFrame:
    return pipeline.build(store, at="preopen", start="2021-05-10", end="2024-08-09")


VALUES = [
    # 2008-10-15: worst day since 1987 and the steepest inversion of 2008; NYSE breadth still has
    # everything. SPX 998.01 -> 907.84; 340 up, 2916 down; VX 58.18 and 42.70; FOMC on the 29th
    ("2008-10-15", "spx_ret_1", np.log(907.84 / 998.01)),
    ("2008-10-15", "rv_1", 100 * np.sqrt(252) * abs(np.log(907.84 / 998.01))),
    ("2008-10-15", "advance_share", 340 / (340 + 2916)),
    ("2008-10-15", "high_low_share", (9 - 219) / (340 + 2916)),
    ("2008-10-15", "vx2_vx1", 42.70 / 58.18 - 1),
    ("2008-10-15", "bw_f", 1.0),
    ("2008-10-15", "to_fomc", 10.0),
    # 2011-08-08: the downgrade; VIX 32.00 -> 48.00, FOMC the next day, 0 advances among the
    # S&P 500 members, so the precedence must take NYSE's 47 against 3030
    ("2011-08-08", "vix_chg_1", np.log(48.00 / 32.00)),
    ("2011-08-08", "advance_share", 47 / (47 + 3030)),
    ("2011-08-08", "fomc_in_1", 1.0),
    ("2011-08-08", "vix9d_vix", 68.00 / 48.00),
    ("2011-08-08", "contango_light", 0.0),
    # 2018-02-05: a spike out of calm; VIX 17.31 -> 37.32 after the close of the futures' day,
    # NYSE has advances only (324, 2739), highs and lows come from the S&P 500 members
    ("2018-02-05", "vix_chg_1", np.log(37.32 / 17.31)),
    ("2018-02-05", "vix_vix3m", 37.32 / 28.13),
    ("2018-02-05", "advance_share", 324 / (324 + 2739)),
    ("2018-02-05", "vix_vx1", 37.32 / 33.225),
    # 2020-03-16: the highest VIX close there is (82.69) after an emergency FOMC; NYSE breadth has
    # ended, the wide universe speaks (13 up, 523 down); front VX has 2 days left: CI takes VX2, VX3
    ("2020-03-16", "vix_log", np.log(82.69)),
    ("2020-03-16", "advance_share", 13 / (13 + 523)),
    ("2020-03-16", "vx2_vx1", 59.15 / 72.625 - 1),
    ("2020-03-16", "spx_ret_1", np.log(2386.1299 / 2711.02)),
    # 2021-05-19: crypto crash on a quiet equity day; curve in contango, light green
    ("2021-05-19", "bw_f", 0.0),
    ("2021-05-19", "contango_light", 2.0),
    ("2021-05-19", "vx2_vx1", 24.3801 / 23.3861 - 1),
    ("2021-05-19", "btc_liq_throttled", 1.0),
    # 2022-11-09: an exchange fails; crypto deleverages, the VIX stays at 26.09
    ("2022-11-09", "vix_log", np.log(26.09)),
    ("2022-11-09", "vix_vix3m", 26.09 / 27.91),
    # 2024-08-05: carry unwind; VIX 23.39 -> 38.57; 16 and 44 days to the VX expiries, so the
    # 30-day future lies half way between 32.0986 and 30.3911
    ("2024-08-05", "vix_chg_1", np.log(38.57 / 23.39)),
    ("2024-08-05", "vx30_log", np.log((32.0986 + 30.3911) / 2)),
    ("2024-08-05", "advance_share", 23 / (23 + 512)),
]


@pytest.mark.parametrize(("session", "feature", "expected"), VALUES)
def test_value_of_a_known_day(table, session, feature, expected):
    assert table.loc[session, feature] == pytest.approx(expected, rel=1e-6)


def test_crypto_on_its_worst_days(table):
    # the crash of 2021-05-19 is in the hourly bars; the daily totals of that UTC day are due at
    # 00:05 the next, so the evening still shows those of the 18th
    assert table.loc["2021-05-19", "btc_drawdown_7d"] < -0.30
    assert table.loc["2021-05-19", "btc_liq_oi_rank"] < 0.95
    assert table.loc["2021-05-20", "btc_liq_oi_rank"] == 1.0
    assert table.loc["2022-11-09", "btc_oi_drop_7d"] < -0.25
    assert table.loc["2022-11-09", "btc_casc_n_7d"] >= 3
    assert table.loc["2024-08-05", "btc_casc_long_n_7d"] == table.loc["2024-08-05", "btc_casc_n_7d"]


def test_the_weekend_before_the_carry_unwind_is_in_the_closed_window(preopen):
    # Friday 2024-08-02 16:00 New York to Monday 09:00: BTC lost a fifth while SPX options slept
    row = preopen.loc["2024-08-02"]
    assert row["cw_hours"] == 65.0
    assert row["cw_btc_ret"] < -0.18
    assert row["cw_btc_long_cascades"] >= 1
    assert row["cw_btc_oi_change"] < -0.15
    assert row["btc_implied_gap"] < -0.5


def test_era_break_leaves_no_rank_across_it(table):
    # the feed was throttled on 2021-04-27: no rank until twenty days of the new era are there
    span = table.loc["2021-04-29":"2021-05-14", "btc_liq_oi_rank"]
    assert span.isna().all()
    assert np.isfinite(table.loc["2021-04-26", "btc_liq_oi_rank"])
    assert np.isfinite(table.loc["2021-05-19", "btc_liq_oi_rank"])


def test_hours_follow_the_clock_change_and_the_early_close(store):
    # 2024-11-01 to 11-04: New York leaves daylight saving over the weekend, so Friday 16:00 to
    # Monday 09:00 is 66 hours, not 65; on 2024-11-29 the exchange closes at 13:00
    weekend = pipeline.build(store, at="preopen", start="2024-11-01", end="2024-11-01")
    assert weekend["cw_hours"].item() == 66.0
    early = pipeline.build(store, start="2024-11-29", end="2024-11-29")
    assert early["cw_hours"].item() == 5.0


def test_breadth_survives_the_gap_of_its_first_source(table):
    # NYSE counts are missing from 2015-11-12 to 2017-01-02
    assert table.loc["2015-11-12":"2016-12-30", "advance_share"].notna().all()
    assert table.loc["2016-06-24", "advance_share"] < 0.15


def test_proxies_end_where_their_data_ends(table):
    assert table.loc["2024-06-03", ["cape", "pcf_z", "pcf_rich", "baa_spread"]].isna().all()
    assert np.isfinite(table.loc["2022-06-01", "pcf_z"])
    assert np.isfinite(table.loc["2024-06-03", "wacc_stress_z"])


def test_base_rates_are_those_of_the_sources(table):
    # domain 3.18: VIX above VIX3M on 7.8 % of days since 2010; VX1 above VX2 on 15.9 %
    assert table.loc["2010":"2024", "bw_c"].mean() == pytest.approx(0.078, abs=0.01)
    assert table["bw_f"].mean() == pytest.approx(0.159, abs=0.01)
    # domain 2: VIX under 15 on 32 % of days since 1990
    assert (table["vix_log"] < np.log(15)).mean() == pytest.approx(0.32, abs=0.015)


@pytest.mark.slow
@pytest.mark.parametrize("at", ["evening", "eve", "preopen"])
def test_no_feature_sees_the_future_on_the_real_market(store, at):
    report = check_lookahead(store, at=at, samples=8)
    assert report.passed, report.violations[:5]


def test_live_equals_history_on_the_real_market(store, table):
    for session in ("1998-10-08", "2011-08-08", "2020-03-16", "2024-08-05"):
        live = pipeline.row(store, session).to_numpy()
        past = table.loc[session].to_numpy()
        assert ((live == past) | (np.isnan(live) & np.isnan(past))).all(), session
