"""Cascades without a tape: hand-made bars, truncation, eras, and the counts on the real files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.cascades import (
    CASCADE_COLUMNS,
    PriceOiRule,
    TotalsRule,
    as_known,
    daily_totals,
    price_oi,
    price_oi_bars,
)
from features.errors import DataError

START = pd.Timestamp("2023-01-01", tz="UTC")
RULE = PriceOiRule(window_hours=240, min_hours=48)


def market(hours: int = 400, *, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Calm bars of about 20 bps and flat open interest."""
    rng = np.random.default_rng(seed)
    ts = pd.date_range(START, periods=hours, freq="h", unit="us")
    close = 20_000 * np.exp(np.cumsum(0.001 * rng.standard_normal(hours)))
    opened = np.concatenate([[20_000.0], close[:-1]])
    bars = pd.DataFrame(
        {
            "ts": ts,
            "open": opened,
            "high": np.maximum(opened, close) * 1.0005,
            "low": np.minimum(opened, close) * 0.9995,
            "close": close,
        }
    )
    stamps = pd.date_range(START, periods=hours + 1, freq="h", unit="us")
    held = 1_000 * np.exp(0.0005 * rng.standard_normal(hours + 1))
    return bars, pd.DataFrame({"ts": stamps, "open_interest": held})


def crash(bars: pd.DataFrame, held: pd.DataFrame, hour: int, *, fall: float, loss: float) -> None:
    """Let the bar opened at `hour` fall, recover half, and interest drop DURING it."""
    opened = bars.loc[hour, "open"]
    bars.loc[hour, "low"] = opened * (1 - fall)
    bars.loc[hour, "close"] = opened * (1 - fall / 2)
    bars.loc[hour, "high"] = max(bars.loc[hour, "high"], opened)
    held.loc[hour + 1 :, "open_interest"] *= 1 - loss


def test_one_crash_by_hand() -> None:
    bars, held = market()
    crash(bars, held, 300, fall=0.05, loss=0.10)
    (row,) = price_oi(bars, held, rule=RULE, base="BTC", venue="binance").to_dict("records")
    assert (row["side"], row["n_bars"], row["base"]) == ("long", 1, "BTC")
    assert row["start"] == START + pd.Timedelta(hours=300)
    assert row["available_at"] == row["end"] == START + pd.Timedelta(hours=301)
    assert row["move_bps"] == pytest.approx(500.0)
    change = held.loc[301, "open_interest"] / held.loc[300, "open_interest"] - 1
    assert row["oi_change_pct"] == pytest.approx(change * 100)
    assert row["reversal_share"] == pytest.approx(0.5)
    assert row["severity"] == 1.0
    assert np.isnan(row["notional_usd"])  # this definition sees no liquidation


def test_interest_is_stamped_at_the_start_of_its_bar() -> None:
    bars, held = market()
    crash(bars, held, 300, fall=0.05, loss=0.0)
    held.loc[300:, "open_interest"] *= 0.9  # fell during the hour BEFORE the crash
    assert price_oi(bars, held, rule=RULE).empty


def test_price_alone_and_interest_alone_are_no_cascade() -> None:
    for fall, loss in ((0.05, 0.0), (0.0005, 0.10)):
        bars, held = market()
        crash(bars, held, 300, fall=fall, loss=loss)
        assert price_oi(bars, held, rule=RULE).empty


def test_absolute_floor_stops_noise_in_quiet_times() -> None:
    bars, held = market()
    crash(bars, held, 300, fall=0.012, loss=0.03)  # far beyond its quantile, but 120 bps
    assert price_oi(bars, held, rule=RULE).empty
    assert len(price_oi(bars, held, rule=PriceOiRule(100.0, window_hours=240, min_hours=48))) == 1


def test_nothing_is_flagged_before_the_window_has_filled() -> None:
    bars, held = market()
    crash(bars, held, 40, fall=0.05, loss=0.10)
    assert price_oi(bars, held, rule=RULE).empty


def test_near_bars_join_backwards_as_versions() -> None:
    bars, held = market()
    for hour in (300, 302, 305):
        crash(bars, held, hour, fall=0.05, loss=0.10)
    versions = price_oi(bars, held, rule=RULE, base="BTC", versions=True)
    assert versions["version"].tolist() == [1, 2, 1]
    assert versions["cascade_id"].nunique() == 2  # two hours apart join, three do not
    second = versions.iloc[1]
    assert second["end"] - second["start"] == pd.Timedelta(hours=3)
    assert second["oi_change_pct"] == pytest.approx((0.9**2 - 1) * 100, abs=0.5)


def test_a_missing_hour_is_not_bridged() -> None:
    bars, held = market()
    crash(bars, held, 300, fall=0.05, loss=0.10)
    assert price_oi(bars, held.drop(index=301), rule=RULE).empty


@settings(max_examples=8, deadline=None)
@given(cut=st.integers(60, 399), seed=st.integers(0, 50))
def test_cut_history_equals_what_was_known(cut: int, seed: int) -> None:
    bars, held = market(seed=seed)
    for hour in (120, 121, 250, 252, 254, 390):
        crash(bars, held, hour, fall=0.04, loss=0.08)
    cutoff = START + pd.Timedelta(hours=cut)
    versions = price_oi(bars, held, rule=RULE, base="BTC", venue="x", versions=True)
    seen_bars = bars[bars["ts"] + pd.Timedelta(hours=1) <= cutoff]
    then = price_oi(
        seen_bars, held[held["ts"] <= cutoff], rule=RULE, base="BTC", venue="x"
    )  # fmt: skip
    known = as_known(versions, cutoff)
    pd.testing.assert_frame_equal(known, then, check_exact=True)


def test_values_depend_on_their_window_alone() -> None:
    bars, held = market(hours=700)
    crash(bars, held, 600, fall=0.05, loss=0.10)
    whole = price_oi_bars(bars, held, rule=RULE)
    tail = price_oi_bars(bars.iloc[300:], held.iloc[300:], rule=RULE)
    late = whole.index >= START + pd.Timedelta(hours=545)
    pd.testing.assert_frame_equal(
        whole[late], tail[tail.index.isin(whole.index[late])], check_exact=True
    )


def test_refusals() -> None:
    bars, held = market(100)
    with pytest.raises(DataError, match=r"bars lacks \['close'\]"):
        price_oi(bars.drop(columns="close"), held)
    with pytest.raises(DataError, match="twice"):
        price_oi(pd.concat([bars, bars.iloc[:1]]), held)
    with pytest.raises(DataError, match="inside an hour"):
        price_oi(bars.assign(ts=bars["ts"] + pd.Timedelta(minutes=5)), held)
    with pytest.raises(DataError, match="mixes venue"):
        price_oi(bars.assign(venue=["a", "b"] * 50), held)
    empty = price_oi(bars.iloc[:0], held)
    assert list(empty.columns) == list(CASCADE_COLUMNS)


def totals(start: str, days: int, *, level: float = 0.002, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    volume = np.full(days, 1e10)
    share = level * np.exp(0.3 * rng.standard_normal(days))
    date = pd.date_range(start, periods=days, freq="D", unit="us")
    return pd.DataFrame(
        {
            "date": date,
            "base": "BTC",
            "long_usd": volume * share * 0.6,
            "short_usd": volume * share * 0.4,
            "perp_volume_usd": volume,
            "oi_usd": 1e10,
        }
    )


def test_a_heavy_day_is_a_cascade_known_the_next_day() -> None:
    frame = totals("2023-01-01", 60)
    frame.loc[50, ["long_usd", "short_usd"]] = [1.8e8, 0.2e8]
    frame.loc[50, "oi_usd"] = 0.8e10
    found = daily_totals(frame)
    row = found[found["start"] == pd.Timestamp("2023-02-20", tz="UTC")].iloc[0]
    assert row["available_at"] == pd.Timestamp("2023-02-21 00:05", tz="UTC")
    assert (row["side"], row["one_sidedness"], row["severity"]) == ("long", 0.9, 1.0)
    assert row["imbalance"] == pytest.approx(0.8)
    assert row["oi_change_pct"] == pytest.approx(-20.0)
    assert row["throttled"]
    past = np.log((frame["long_usd"] + frame["short_usd"]).iloc[:50] / 1e10)
    assert row["z"] == pytest.approx((np.log(0.02) - past.mean()) / past.std())


def test_levels_are_never_compared_across_the_change_of_feed() -> None:
    before = totals("2021-02-01", 85, level=0.02)  # ends 2021-04-26
    after = totals("2021-04-27", 60, level=0.003, seed=1)
    both = pd.concat([before, after], ignore_index=True)
    apart = pd.concat([daily_totals(before), daily_totals(after)], ignore_index=True)
    found = daily_totals(both)
    pd.testing.assert_frame_equal(
        found.drop(columns="oi_change_pct"), apart.drop(columns="oi_change_pct")
    )
    first = found[found["throttled"]]["start"]
    assert (first >= pd.Timestamp("2021-05-17", tz="UTC")).all()  # twenty days of the new feed


def test_totals_cut_history() -> None:
    frame = totals("2022-01-01", 200, seed=3)
    frame.loc[[100, 150, 180], "long_usd"] *= 8
    whole = daily_totals(frame)
    for days in (101, 151, 190):
        cutoff = pd.Timestamp("2022-01-01", tz="UTC") + pd.Timedelta(days=days, minutes=5)
        pd.testing.assert_frame_equal(
            as_known(whole, cutoff), daily_totals(frame.iloc[:days]), check_exact=True
        )


def test_a_small_day_is_no_cascade_however_unusual() -> None:
    frame = totals("2023-01-01", 60, level=1e-6)
    frame.loc[50, "long_usd"] *= 50
    assert daily_totals(frame).empty
    assert not daily_totals(frame, rule=TotalsRule(min_usd_throttled=1e4)).empty


@pytest.mark.real
def test_base_rates_of_the_source_document(real_data: Path) -> None:
    """Fixed thresholds: intrabar move of 3 % and a fall of open interest of 5 % in logs."""
    expected = {
        "BTC": ([187, 264, 140, 45, 70], [17, 45, 35, 21, 13]),
        "ETH": (None, [13, 66, 31, 15, 8]),
    }
    interest = pd.read_parquet(real_data / "crypto_open_interest_1h.parquet")
    for base, (moves, joint) in expected.items():
        bars = pd.read_parquet(real_data / f"crypto_{base.lower()}_perp_ohlcv_1h.parquet")
        bars = bars[bars["venue"] == "binance"].rename(columns={"timestamp": "ts"})
        bars["venue"] = "binance"
        held = interest[interest["symbol"] == f"{base}USDT"].rename(columns={"timestamp": "ts"})
        found = price_oi_bars(bars, held)
        large = found["move_bps"] >= 300
        fell = np.log1p(found["oi_change_pct"] / 100) <= -0.05
        year = found.index.year
        if moves is not None:
            assert large.groupby(year).sum().tolist() == moves
        assert (large & fell).groupby(year).sum().tolist() == joint
