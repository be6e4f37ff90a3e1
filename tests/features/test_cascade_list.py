"""The verb's list: three definitions from one store, absent values None, JSON as it stands."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.cascade_list import cascades
from features.sources.event import Event
from features.store import MarketStore
from features.tape_rows import events_frame
from features.tape_store import Tape

NOW = pd.Timestamp("2024-01-01", tz="UTC")
CRASH = pd.Timestamp("2023-06-10 13:00", tz="UTC")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> MarketStore:
    """Seventy calm days with one crash that all three definitions see."""
    root = tmp_path_factory.mktemp("market")
    rng = np.random.default_rng(0)
    ts = pd.date_range("2023-04-15", periods=70 * 24, freq="h", tz="UTC", unit="us")
    close = 25_000 * np.exp(np.cumsum(0.001 * rng.standard_normal(len(ts))))
    opened = np.concatenate([[25_000.0], close[:-1]])
    bars = pd.DataFrame(
        {"ts": ts, "venue": "binance", "base": "BTC", "open": opened,
         "high": np.maximum(opened, close) * 1.0003, "low": np.minimum(opened, close) * 0.9997,
         "close": close, "volume_base": 100.0}
    )  # fmt: skip
    hit = bars["ts"] == CRASH
    bars.loc[hit, "low"] = bars.loc[hit, "open"] * 0.93
    held = pd.DataFrame(
        {"ts": ts, "venue": "bybit", "base": "BTC", "unit": "base", "interval_hours": 1.0,
         "open_interest": 50_000 * np.exp(0.0005 * rng.standard_normal(len(ts)))}
    )  # fmt: skip
    held.loc[held["ts"] > CRASH, "open_interest"] *= 0.85
    days = pd.date_range("2023-04-15", periods=70, freq="D", unit="us")
    totals = pd.DataFrame(
        {"date": days, "base": "BTC", "long_usd": 2e7 * np.exp(0.2 * rng.standard_normal(70)),
         "short_usd": 2e7, "perp_volume_usd": 1e10, "oi_usd": 1e10,
         "feed_era": "throttled"}
    )  # fmt: skip
    totals.loc[totals["date"] == CRASH.tz_localize(None).floor("D"), "long_usd"] = 4e8
    market = MarketStore(root)
    for name, frame in (
        ("perp_bars", bars), ("open_interest", held), ("liquidation_totals", totals)
    ):  # fmt: skip
        market.append(name, frame, source="test", now=NOW)
    events = [
        Event(
            venue="okx", symbol="BTC-USDT-SWAP", base="BTC", liquidated_side="long",
            price=25_000.0 - i, price_kind="bankruptcy", qty_base=1.0, notional_usd=25_000.0,
            mechanism="market", completeness="snapshot", event_id=str(i),
            ts_us=int((CRASH + pd.Timedelta(seconds=600 + i)).timestamp() * 1e6),
        )
        for i in range(40)
    ]  # fmt: skip
    Tape(root / "tape").add(events_frame(events, now=NOW))
    return market


def test_three_definitions_see_the_crash(store: MarketStore) -> None:
    found = cascades(store, "2023-06-10", "2023-06-10")
    json.dumps(found, allow_nan=False)
    by = {row["definition"]: row for row in found}
    assert set(by) == {"tape", "price_oi", "totals"}
    assert all(row["base"] == "BTC" and row["side"] == "long" for row in found)
    assert by["tape"]["notional_usd"] == 1_000_000.0
    assert (by["tape"]["n"], by["tape"]["throttled"]) == (40, True)
    assert by["price_oi"]["notional_usd"] is None
    assert by["totals"]["notional_usd"] == pytest.approx(4.2e8)
    # the tape's cascade gets its market attributes from the same bars
    assert by["tape"]["move_bps"] == pytest.approx(700, abs=1)
    assert by["tape"]["oi_change_pct"] == pytest.approx(-15, abs=0.5)
    assert by["tape"]["reversal_5m"] is None  # hourly candles cannot tell


def test_span_and_symbol(store: MarketStore) -> None:
    assert cascades(store, "2023-06-11", "2023-06-12") == []
    assert cascades(store, "2023-06-10", "2023-06-10", "ETH") == []
    names = [cascades(store, "2023-06-10", "2023-06-10", s) for s in ("BTCUSDT", "btc", "XBTUSD")]
    assert len(names[0]) == 3
    assert names[0] == names[1] == names[2]


def test_an_empty_store_has_none(tmp_path: Path) -> None:
    assert cascades(MarketStore(tmp_path / "none"), "2023-01-01", "2023-12-31") == []


def test_events_of_the_store_count_where_the_tape_has_no_day(
    store: MarketStore, tmp_path: Path
) -> None:
    other = MarketStore(tmp_path / "market")
    rows = pd.DataFrame(
        {
            "ts": pd.date_range("2024-03-04 10:00", periods=30, freq="s", tz="UTC", unit="us"),
            "venue": "okx", "symbol": "ETH", "event_id": [str(i) for i in range(30)],
            "base": "ETH", "liquidated_side": "short", "price": 3_000.0,
            "price_kind": "bankruptcy", "qty_base": 5.0, "notional_usd": 15_000.0,
            "mechanism": "unknown", "completeness": "all",
        }
    )  # fmt: skip
    other.append("liquidation_events", rows, source="test", now=NOW + pd.Timedelta(days=100))
    (row,) = cascades(other, "2024-03-04", "2024-03-04")
    assert (row["definition"], row["side"], row["notional_usd"]) == ("tape", "short", 450_000.0)
