"""Binance's REST: four tables, pages, gaps, and formats that changed."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from features.sources.fetch import fetch
from features.sources.fetchers.settings import FetchSettings
from features.store import MarketStore

NOW = pd.Timestamp("2024-12-31 20:20", tz="UTC")
HOUR = pd.Timedelta(hours=1)
HOUR_MS = 3_600_000
SINCE = pd.Timestamp("2024-12-20", tz="UTC")
LAST = pd.Timestamp("2024-12-31 19:00", tz="UTC")  # the last bar that has closed


def ms(moment: pd.Timestamp) -> int:
    return int(moment.timestamp() * 1000)


def stamps_of(first: int, last: int, step: int = HOUR_MS) -> list[int]:
    """Stamps of `step` inside [first, last]."""
    return list(range(-(-first // step) * step, last + 1, step))


def price(stamp: int) -> float:
    return 90_000.0 + (stamp // HOUR_MS) % 100


def candle(stamp: int) -> list[str]:
    p = price(stamp)
    return [str(stamp), str(p), str(p + 10), str(p - 10), str(p + 5)]


def _serve_binance(provider: Any) -> None:
    def klines(ask: Any) -> Any:
        last = min(int(ask.query["endTime"]), ms(NOW))
        stamps = stamps_of(int(ask.query["startTime"]), last)[: int(ask.query["limit"])]
        rest = ["12.5", 0, "0", 10, "0", "0", "0"]
        return provider.doc([[s, *candle(s)[1:], *rest] for s in stamps])

    def funding(ask: Any) -> Any:
        last = min(int(ask.query["endTime"]), ms(NOW))
        stamps = stamps_of(int(ask.query["startTime"]), last, 8 * HOUR_MS)
        # the venue stamps some settlements a few milliseconds late
        rows = [{"symbol": "BTCUSDT", "fundingTime": s + s // HOUR_MS % 5, "fundingRate": "0.0001",
                 "markPrice": ""} for s in stamps]  # fmt: skip
        return provider.doc(rows)

    def interest(ask: Any) -> Any:
        last = min(int(ask.query["endTime"]), ms(NOW))
        rows = [{"symbol": "BTCUSDT", "sumOpenInterest": "80000.5", "timestamp": s,
                 "sumOpenInterestValue": "7000000"}
                for s in stamps_of(int(ask.query["startTime"]), last)]  # fmt: skip
        return provider.doc(rows)

    provider.on("/fapi/v1/klines", klines)
    provider.on("/spot/api/v3/klines", klines)
    provider.on("/fapi/v1/fundingRate", funding)
    provider.on("/futures/data/openInterestHist", interest)


def test_binance_fills_four_tables_hour_by_hour(
    provider: Any, store: MarketStore, crypto_settings: FetchSettings
) -> None:
    _serve_binance(provider)
    report = fetch(store, ["binance"], since=SINCE, now=NOW, settings=crypto_settings)
    assert report.exit_code == 0, report.sources[0].reason
    assert report.sources[0].stale == {}
    bars = store.read("perp_bars")
    # the bar that opened at 20:00 still runs at 20:20
    expected = pd.date_range(SINCE, LAST, freq="h")
    assert list(bars["ts"]) == list(expected)
    assert set(zip(bars["venue"], bars["base"], strict=True)) == {("binance", "BTC")}
    assert bars["close"].tolist() == [price(ms(t)) + 5 for t in expected]
    assert bars["volume_base"].tolist() == [12.5] * len(bars)
    assert (bars["available_at"] == bars["ts"] + HOUR).all()
    assert len(store.read("spot_bars")) == len(bars)

    funding = store.read("funding")
    assert (funding["ts"].dt.hour % 8 == 0).all()
    assert funding["interval_hours"].unique().tolist() == [8.0]
    interest = store.read("open_interest")
    assert interest["unit"].unique().tolist() == ["base"]
    late = interest["available_at"] - interest["ts"]
    assert (late == HOUR + pd.Timedelta(minutes=5)).all()


def test_the_next_fetch_goes_on_where_the_last_one_ended(
    provider: Any, store: MarketStore, crypto_settings: FetchSettings
) -> None:
    _serve_binance(provider)
    fetch(store, ["binance"], now=NOW - 5 * HOUR, settings=crypto_settings)
    first = len(provider.asked_for("/fapi/v1/klines"))
    report = fetch(store, ["binance"], now=NOW, settings=crypto_settings)
    asked = provider.asked_for("/fapi/v1/klines")[first:]
    assert len(asked) == 1
    # last stored bar 14:00, three hours of overlap
    assert int(asked[0].query["startTime"]) == ms(pd.Timestamp("2024-12-31 11:00", tz="UTC"))
    assert report.sources[0].tables["perp_bars"] == {"new": 5, "revised": 0, "same": 4, "held": 0}


def test_an_interrupted_fetch_keeps_its_pages_and_stores_nothing(
    provider: Any, store: MarketStore, crypto_settings: FetchSettings
) -> None:
    _serve_binance(provider)
    good = provider.answers["/fapi/v1/klines"]
    since = NOW.floor("D") - pd.Timedelta(days=100)
    broken_from = ms(since + pd.Timedelta(hours=2000))

    def breaks(ask: Any) -> Any:
        late = int(ask.query["startTime"]) >= broken_from
        return provider.csv("no", status=500) if late else good(ask)

    provider.on("/fapi/v1/klines", breaks)
    report = fetch(store, ["binance"], since=since, now=NOW, settings=crypto_settings)
    assert report.exit_code == 1
    assert report.sources[0].stale == dict.fromkeys(
        ["perp_bars", "spot_bars", "funding", "open_interest"]
    )
    assert store.tables() == []

    provider.on("/fapi/v1/klines", good)
    before = len(provider.asked_for("/fapi/v1/klines"))
    report = fetch(store, ["binance"], since=since, now=NOW, settings=crypto_settings)
    assert report.exit_code == 0, report.sources[0].reason
    again = provider.asked_for("/fapi/v1/klines")[before:]
    assert [int(ask.query["startTime"]) for ask in again] == [broken_from]
    stored = store.read("perp_bars")["ts"]
    assert list(stored) == list(pd.date_range(since, LAST, freq="h"))
    assert not list((store.root / "fetch" / "pages").rglob("*.json"))


def test_duplicate_and_out_of_order_pages_come_out_in_order(
    provider: Any, store: MarketStore, crypto_settings: FetchSettings
) -> None:
    _serve_binance(provider)
    good = provider.answers["/fapi/v1/klines"]

    def shuffled(ask: Any) -> Any:
        import json

        rows = json.loads(good(ask).body)
        return provider.doc(rows[::-1] + rows[:7])

    provider.on("/fapi/v1/klines", shuffled)
    assert fetch(store, ["binance"], since=SINCE, now=NOW, settings=crypto_settings).exit_code == 0
    assert list(store.read("perp_bars")["ts"]) == list(pd.date_range(SINCE, LAST, freq="h"))


def test_two_values_for_one_hour_are_refused(
    provider: Any, store: MarketStore, crypto_settings: FetchSettings
) -> None:
    _serve_binance(provider)
    good = provider.answers["/fapi/v1/klines"]

    def contradicts(ask: Any) -> Any:
        import json

        rows = json.loads(good(ask).body)
        return provider.doc([*rows, [*rows[0][:4], "1.0", *rows[0][5:]]])

    provider.on("/fapi/v1/klines", contradicts)
    report = fetch(store, ["binance"], since=SINCE, now=NOW, settings=crypto_settings)
    assert "came twice with different values" in str(report.sources[0].reason)
    assert store.tables() == []


def test_an_empty_day_is_a_gap_and_never_filled(
    provider: Any, store: MarketStore, crypto_settings: FetchSettings
) -> None:
    _serve_binance(provider)
    good = provider.answers["/fapi/v1/klines"]
    day = ms(pd.Timestamp("2024-12-25", tz="UTC"))

    def empty(ask: Any) -> Any:
        import json

        rows = json.loads(good(ask).body)
        return provider.doc([row for row in rows if not day <= int(row[0]) < day + 24 * HOUR_MS])

    provider.on("/fapi/v1/klines", empty)
    provider.on("/futures/data/openInterestHist", provider.doc([]))
    report = fetch(store, ["binance"], since=SINCE, now=NOW, settings=crypto_settings)
    assert report.exit_code == 0
    assert report.sources[0].stale == {"open_interest": None}
    days = store.read("perp_bars")["ts"].dt.floor("D").unique()
    assert pd.Timestamp("2024-12-25", tz="UTC") not in days
    assert len(days) == 11


@pytest.mark.parametrize(
    ("path", "answer", "words"),
    [
        ("/fapi/v1/klines", {"code": -1003}, "must be a list"),
        ("/fapi/v1/klines", [[1735603200000, "1", "2"]], "must have 6 fields"),
        ("/fapi/v1/klines", [[1735603200, "1", "2", "1", "2", "3"]], "outside 2010 to 2100"),
        ("/fapi/v1/klines", [[1735603200000, "1", "2", "1", "?", "3"]], "number was expected"),
        ("/fapi/v1/fundingRate", [{"time": 1, "fundingRate": "0"}], "has no fundingTime"),
    ],
)
def test_a_changed_format_is_refused(
    provider: Any,
    store: MarketStore,
    crypto_settings: FetchSettings,
    path: str,
    answer: Any,
    words: str,
) -> None:
    _serve_binance(provider)
    provider.on(path, provider.doc(answer))
    report = fetch(store, ["binance"], since=SINCE, now=NOW, settings=crypto_settings)
    assert report.exit_code == 3
    assert words in str(report.sources[0].reason)
    assert store.tables() == []
