"""Price, reversal, interest and funding around a cascade, and when each was known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from features.cascade_attributes import around

DAY = "2023-06-01 "


def at(clock: str) -> pd.Timestamp:
    return pd.Timestamp(DAY + clock, tz="UTC").as_unit("us")


def cascade(start: str, end: str, side: str = "long") -> pd.DataFrame:
    return pd.DataFrame(
        {"start": [at(start)], "end": [at(end)], "side": side, "available_at": [at(end)]}
    )


def minutes(prices: list[tuple[float, float, float, float]], first: str = "10:00") -> pd.DataFrame:
    ts = pd.date_range(at(first), periods=len(prices), freq="min", unit="us")
    return pd.DataFrame(prices, columns=["open", "high", "low", "close"]).assign(ts=ts)


def flat(count: int, price: float) -> list[tuple[float, float, float, float]]:
    return [(price, price, price, price)] * count


def test_move_and_reversal_on_minute_bars() -> None:
    # falls 10 % within 10:02, half back after 5 minutes, all back after 15, beyond after 60
    bars = minutes(
        [
            *flat(2, 100.0),
            (100.0, 100.0, 90.0, 92.0),
            *flat(5, 95.0),
            *flat(10, 100.0),
            *flat(60, 105.0),
        ]
    )
    found = around(cascade("10:02:05", "10:02:40"), bars=bars, bar_minutes=1).iloc[0]
    assert found["move_bps"] == pytest.approx(1_000)
    assert found["reversal_5m"] == pytest.approx(0.5)
    assert found["reversal_15m"] == pytest.approx(1.0)
    assert found["reversal_60m"] == pytest.approx(1.5)
    assert found["aftermath_known_at"] == at("11:02:40")


def test_short_side_is_mirrored() -> None:
    bars = minutes([*flat(2, 100.0), (100.0, 110.0, 100.0, 108.0), *flat(70, 105.0)])
    found = around(cascade("10:02:05", "10:02:40", "short"), bars=bars, bar_minutes=1).iloc[0]
    assert found["move_bps"] == pytest.approx(1_000)
    assert found["reversal_15m"] == pytest.approx(0.5)


def test_hourly_bars_cannot_tell_five_minutes() -> None:
    ts = pd.date_range(at("08:00"), periods=6, freq="h", unit="us")
    bars = pd.DataFrame({"ts": ts, "open": 100.0, "high": 100.0, "low": 100.0, "close": 100.0})
    bars.loc[2, ["low", "close"]] = [90.0, 95.0]  # the hour of 10:00
    found = around(cascade("10:10", "10:20"), bars=bars).iloc[0]
    assert found["move_bps"] == pytest.approx(1_000)
    assert np.isnan(found["reversal_5m"])
    assert np.isnan(found["reversal_15m"])
    assert found["reversal_60m"] == pytest.approx(0.5)  # the close of 11:00


def test_interest_and_funding_before_and_after() -> None:
    held = pd.DataFrame(
        {"ts": [at("10:00"), at("11:00"), at("12:00")], "open_interest": [100.0, 80.0, 70.0]}
    )
    paid = pd.DataFrame({"ts": [at("08:00"), at("16:00")], "rate": [0.0001, -0.0002]})
    found = around(cascade("10:10", "10:50"), open_interest=held, funding=paid).iloc[0]
    assert found["oi_change_pct"] == pytest.approx(-20.0)
    assert (found["funding_before"], found["funding_after"]) == (0.0001, -0.0002)
    assert found["aftermath_known_at"] == at("16:00")


def test_what_data_do_not_reach_is_null() -> None:
    old = pd.DataFrame({"ts": [at("01:00")], "open_interest": [100.0]})
    found = around(cascade("10:10", "10:50"), open_interest=old).iloc[0]
    assert found.drop("aftermath_known_at").isna().all()
