"""Crypto sources: Binance, Bybit and OKX REST, OKX liquidation orders, both aggregators."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
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


@pytest.fixture
def store(tmp_path: Path) -> MarketStore:
    return MarketStore(tmp_path / "market")


@pytest.fixture
def settings(provider: Any) -> FetchSettings:
    quick = {"base_url": provider.url, "per_second": 10_000.0}
    return FetchSettings.model_validate(
        {
            "wait_initial_seconds": 0.001,
            "attempts": 2,
            "coins": ["BTC"],
            "backfill_days": 10,
            "binance": {**quick, "spot_url": provider.url + "/spot"},
            "bybit": quick,
            "okx": quick,
            "coinglass": quick,
            "coinalyze": {**quick, "symbols": {"BTC": ["BTCUSDT_PERP.A", "BTCUSDT.6"]}},
        }
    )


def _ms(moment: pd.Timestamp) -> int:
    return int(moment.timestamp() * 1000)


def _hours(first: int, last: int, step: int = HOUR_MS) -> list[int]:
    """Stamps of `step` inside [first, last]."""
    return list(range(-(-first // step) * step, last + 1, step))


def _price(stamp: int) -> float:
    return 90_000.0 + (stamp // HOUR_MS) % 100


def _kline(stamp: int) -> list[str]:
    p = _price(stamp)
    return [str(stamp), str(p), str(p + 10), str(p - 10), str(p + 5)]


# ---- Binance ------------------------------------------------------------------------------------


def _serve_binance(provider: Any) -> None:
    def klines(ask: Any) -> Any:
        last = min(int(ask.query["endTime"]), _ms(NOW))
        stamps = _hours(int(ask.query["startTime"]), last)[: int(ask.query["limit"])]
        rest = ["12.5", 0, "0", 10, "0", "0", "0"]
        return provider.doc([[s, *_kline(s)[1:], *rest] for s in stamps])

    def funding(ask: Any) -> Any:
        last = min(int(ask.query["endTime"]), _ms(NOW))
        stamps = _hours(int(ask.query["startTime"]), last, 8 * HOUR_MS)
        # the venue stamps some settlements a few milliseconds late
        rows = [{"symbol": "BTCUSDT", "fundingTime": s + s // HOUR_MS % 5, "fundingRate": "0.0001",
                 "markPrice": ""} for s in stamps]  # fmt: skip
        return provider.doc(rows)

    def interest(ask: Any) -> Any:
        last = min(int(ask.query["endTime"]), _ms(NOW))
        rows = [{"symbol": "BTCUSDT", "sumOpenInterest": "80000.5", "timestamp": s,
                 "sumOpenInterestValue": "7000000"}
                for s in _hours(int(ask.query["startTime"]), last)]  # fmt: skip
        return provider.doc(rows)

    provider.on("/fapi/v1/klines", klines)
    provider.on("/spot/api/v3/klines", klines)
    provider.on("/fapi/v1/fundingRate", funding)
    provider.on("/futures/data/openInterestHist", interest)


def test_binance_fills_four_tables_hour_by_hour(
    provider: Any, store: MarketStore, settings: FetchSettings
) -> None:
    _serve_binance(provider)
    report = fetch(store, ["binance"], since=SINCE, now=NOW, settings=settings)
    assert report.exit_code == 0, report.sources[0].reason
    assert report.sources[0].stale == {}
    bars = store.read("perp_bars")
    # the bar that opened at 20:00 still runs at 20:20
    expected = pd.date_range(SINCE, LAST, freq="h")
    assert list(bars["ts"]) == list(expected)
    assert set(zip(bars["venue"], bars["base"], strict=True)) == {("binance", "BTC")}
    assert bars["close"].tolist() == [_price(_ms(t)) + 5 for t in expected]
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
    provider: Any, store: MarketStore, settings: FetchSettings
) -> None:
    _serve_binance(provider)
    fetch(store, ["binance"], now=NOW - 5 * HOUR, settings=settings)
    first = len(provider.asked_for("/fapi/v1/klines"))
    report = fetch(store, ["binance"], now=NOW, settings=settings)
    asked = provider.asked_for("/fapi/v1/klines")[first:]
    assert len(asked) == 1
    # last stored bar 14:00, three hours of overlap
    assert int(asked[0].query["startTime"]) == _ms(pd.Timestamp("2024-12-31 11:00", tz="UTC"))
    assert report.sources[0].tables["perp_bars"] == {"new": 5, "revised": 0, "same": 4, "held": 0}


def test_an_interrupted_fetch_keeps_its_pages_and_stores_nothing(
    provider: Any, store: MarketStore, settings: FetchSettings
) -> None:
    _serve_binance(provider)
    good = provider.answers["/fapi/v1/klines"]
    since = NOW.floor("D") - pd.Timedelta(days=100)
    broken_from = _ms(since + pd.Timedelta(hours=2000))

    def breaks(ask: Any) -> Any:
        late = int(ask.query["startTime"]) >= broken_from
        return provider.csv("no", status=500) if late else good(ask)

    provider.on("/fapi/v1/klines", breaks)
    report = fetch(store, ["binance"], since=since, now=NOW, settings=settings)
    assert report.exit_code == 1
    assert report.sources[0].stale == dict.fromkeys(
        ["perp_bars", "spot_bars", "funding", "open_interest"]
    )
    assert store.tables() == []

    provider.on("/fapi/v1/klines", good)
    before = len(provider.asked_for("/fapi/v1/klines"))
    report = fetch(store, ["binance"], since=since, now=NOW, settings=settings)
    assert report.exit_code == 0, report.sources[0].reason
    again = provider.asked_for("/fapi/v1/klines")[before:]
    assert [int(ask.query["startTime"]) for ask in again] == [broken_from]
    stored = store.read("perp_bars")["ts"]
    assert list(stored) == list(pd.date_range(since, LAST, freq="h"))
    assert not list((store.root / "fetch" / "pages").rglob("*.json"))


def test_duplicate_and_out_of_order_pages_come_out_in_order(
    provider: Any, store: MarketStore, settings: FetchSettings
) -> None:
    _serve_binance(provider)
    good = provider.answers["/fapi/v1/klines"]

    def shuffled(ask: Any) -> Any:
        import json

        rows = json.loads(good(ask).body)
        return provider.doc(rows[::-1] + rows[:7])

    provider.on("/fapi/v1/klines", shuffled)
    assert fetch(store, ["binance"], since=SINCE, now=NOW, settings=settings).exit_code == 0
    assert list(store.read("perp_bars")["ts"]) == list(pd.date_range(SINCE, LAST, freq="h"))


def test_two_values_for_one_hour_are_refused(
    provider: Any, store: MarketStore, settings: FetchSettings
) -> None:
    _serve_binance(provider)
    good = provider.answers["/fapi/v1/klines"]

    def contradicts(ask: Any) -> Any:
        import json

        rows = json.loads(good(ask).body)
        return provider.doc([*rows, [*rows[0][:4], "1.0", *rows[0][5:]]])

    provider.on("/fapi/v1/klines", contradicts)
    report = fetch(store, ["binance"], since=SINCE, now=NOW, settings=settings)
    assert "came twice with different values" in str(report.sources[0].reason)
    assert store.tables() == []


def test_an_empty_day_is_a_gap_and_never_filled(
    provider: Any, store: MarketStore, settings: FetchSettings
) -> None:
    _serve_binance(provider)
    good = provider.answers["/fapi/v1/klines"]
    day = _ms(pd.Timestamp("2024-12-25", tz="UTC"))

    def empty(ask: Any) -> Any:
        import json

        rows = json.loads(good(ask).body)
        return provider.doc([row for row in rows if not day <= int(row[0]) < day + 24 * HOUR_MS])

    provider.on("/fapi/v1/klines", empty)
    provider.on("/futures/data/openInterestHist", provider.doc([]))
    report = fetch(store, ["binance"], since=SINCE, now=NOW, settings=settings)
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
    provider: Any, store: MarketStore, settings: FetchSettings, path: str, answer: Any, words: str
) -> None:
    _serve_binance(provider)
    provider.on(path, provider.doc(answer))
    report = fetch(store, ["binance"], since=SINCE, now=NOW, settings=settings)
    assert report.exit_code == 3
    assert words in str(report.sources[0].reason)
    assert store.tables() == []


# ---- Bybit --------------------------------------------------------------------------------------


def _bybit(provider: Any, rows: list[Any]) -> Any:
    return provider.doc({"retCode": 0, "retMsg": "OK", "result": {"list": rows[::-1]}})


def _serve_bybit(provider: Any) -> None:
    def kline(ask: Any) -> Any:
        stamps = _hours(int(ask.query["start"]), min(int(ask.query["end"]), _ms(NOW)))
        return _bybit(provider, [[*_kline(s), "7.5", "100"] for s in stamps])

    def funding(ask: Any) -> Any:
        last = min(int(ask.query["endTime"]), _ms(NOW))
        stamps = _hours(int(ask.query["startTime"]), last, 8 * HOUR_MS)
        return _bybit(
            provider,
            [{"symbol": "BTCUSDT", "fundingRate": "0.0002", "fundingRateTimestamp": str(s)}
             for s in stamps],
        )  # fmt: skip

    def interest(ask: Any) -> Any:
        stamps = _hours(int(ask.query["startTime"]), min(int(ask.query["endTime"]), _ms(NOW)))
        return _bybit(provider, [{"openInterest": "55000", "timestamp": str(s)} for s in stamps])

    provider.on("/v5/market/kline", kline)
    provider.on("/v5/market/funding/history", funding)
    provider.on("/v5/market/open-interest", interest)


def test_bybit_pages_come_newest_first(
    provider: Any, store: MarketStore, settings: FetchSettings
) -> None:
    _serve_bybit(provider)
    report = fetch(store, ["bybit"], since=SINCE, now=NOW, settings=settings)
    assert report.exit_code == 0, report.sources[0].reason
    hours = pd.date_range(SINCE, LAST, freq="h")
    bars = store.read("perp_bars")
    assert list(bars["ts"]) == list(hours)
    assert bars["volume_base"].tolist() == [7.5] * len(hours)
    # stamped at the start of its hour: 20:00 is known at 20:05
    interest = store.read("open_interest")
    assert interest["ts"].max() == pd.Timestamp("2024-12-31 20:00", tz="UTC")
    assert (interest["available_at"] - interest["ts"] == pd.Timedelta(minutes=5)).all()
    assert store.read("funding")["interval_hours"].unique().tolist() == [8.0]
    assert max(int(ask.query["limit"]) for ask in provider.asked_for("/v5/market/open")) == 200


def test_bybit_says_no_inside_a_200(
    provider: Any, store: MarketStore, settings: FetchSettings
) -> None:
    _serve_bybit(provider)
    good = provider.answers["/v5/market/kline"]
    busy = provider.doc({"retCode": 10006, "retMsg": "Too many visits!", "result": {}})
    provider.on("/v5/market/kline", lambda ask: busy if ask.count == 1 else good(ask))
    assert fetch(store, ["bybit"], since=SINCE, now=NOW, settings=settings).exit_code == 0
    wrong = provider.doc({"retCode": 10001, "retMsg": "params error", "result": {}})
    provider.on("/v5/market/kline", wrong)
    report = fetch(store, ["bybit"], since=SINCE, now=NOW, settings=settings)
    assert "retCode 10001: 'params error'" in str(report.sources[0].reason)


# ---- OKX ----------------------------------------------------------------------------------------


def _okx(provider: Any, rows: list[Any]) -> Any:
    return provider.doc({"code": "0", "msg": "", "data": rows})


def _before(cursor: int, step: int, first: pd.Timestamp) -> list[int]:
    """The hundred newest stamps older than the cursor, newest first."""
    stamps = [s for s in _hours(_ms(first), min(cursor, _ms(NOW)), step) if s < cursor]
    return stamps[::-1][:100]


def _serve_okx(provider: Any) -> None:
    first = SINCE - pd.Timedelta(days=40)

    def candles(ask: Any) -> Any:
        swap = ask.query["instId"].endswith("SWAP")
        rest = ["1250", "12.5", "1125000", "1"] if swap else ["12.5", "1125000", "1125000", "1"]
        stamps = _before(int(ask.query["after"]), HOUR_MS, first)
        return _okx(provider, [[*_kline(s), *rest] for s in stamps])

    def funding(ask: Any) -> Any:
        stamps = _before(int(ask.query["after"]), 8 * HOUR_MS, first)
        rows = [{"instId": "BTC-USDT-SWAP", "fundingRate": "0.0003", "realizedRate": "0.0001",
                 "fundingTime": str(s)} for s in stamps]  # fmt: skip
        return _okx(provider, rows)

    def interest(ask: Any) -> Any:
        stamps = _before(int(ask.query["end"]), HOUR_MS, first)
        return _okx(provider, [[str(s), "3000000", "30000", "2700000000"] for s in stamps])

    provider.on("/api/v5/market/history-candles", candles)
    provider.on("/api/v5/public/funding-rate-history", funding)
    provider.on("/api/v5/rubik/stat/contracts/open-interest-history", interest)


def test_okx_pages_run_backwards_and_volumes_are_base_coin(
    provider: Any, store: MarketStore, settings: FetchSettings
) -> None:
    _serve_okx(provider)
    report = fetch(store, ["okx"], since=SINCE, now=NOW, settings=settings)
    assert report.exit_code == 0, report.sources[0].reason
    hours = pd.date_range(SINCE, LAST, freq="h")
    for table in ("perp_bars", "spot_bars"):
        bars = store.read(table)
        assert list(bars["ts"]) == list(hours)
        assert bars["volume_base"].tolist() == [12.5] * len(hours)
    funding = store.read("funding")
    assert funding["rate"].unique().tolist() == [0.0001]  # what was paid, not what was announced
    assert funding["ts"].min() <= SINCE
    interest = store.read("open_interest")
    assert interest["open_interest"].unique().tolist() == [30_000.0]
    assert interest["ts"].min() == SINCE


def test_okx_liquidations_take_every_detail_of_every_page(
    provider: Any, store: MarketStore, settings: FetchSettings
) -> None:
    base = _ms(NOW) - 3 * HOUR_MS

    def detail(k: int) -> dict[str, str]:
        return {"bkLoss": "0", "bkPx": "90000", "ccy": "", "posSide": "long", "side": "sell",
                "sz": "13", "ts": str(base - k * 1000)}  # fmt: skip

    def answer(ask: Any) -> Any:
        cursor = int(ask.query["after"])
        older = [k for k in range(250) if base - k * 1000 < cursor][:100]
        details = [detail(k) for k in older]
        data = [{"details": details, "instFamily": "BTC-USDT", "instId": "BTC-USDT-SWAP",
                 "instType": "SWAP", "uly": "BTC-USDT"}] if details else []  # fmt: skip
        return _okx(provider, data)

    provider.on("/api/v5/public/liquidation-orders", answer)
    report = fetch(store, ["okx_liquidations"], now=NOW, settings=settings)
    assert report.exit_code == 0, report.sources[0].reason
    rows = store.read("liquidation_events")
    assert len(rows) == 250
    assert rows["liquidated_side"].unique().tolist() == ["long"]
    np.testing.assert_allclose(rows["notional_usd"], 13 * 0.01 * 90_000)
    again = fetch(store, ["okx_liquidations"], now=NOW + HOUR, settings=settings)
    assert again.sources[0].outcome == "unchanged"


def test_okx_liquidations_that_contradict_themselves_are_refused(
    provider: Any, store: MarketStore, settings: FetchSettings
) -> None:
    wrong = {"bkPx": "90000", "posSide": "short", "side": "sell", "sz": "1", "ts": str(_ms(NOW))}
    data = [{"details": [wrong], "instId": "BTC-USDT-SWAP"}]
    provider.on("/api/v5/public/liquidation-orders", _okx(provider, data))
    report = fetch(store, ["okx_liquidations"], now=NOW, settings=settings)
    assert report.exit_code == 3
    assert "1 of 1 cannot be read" in str(report.sources[0].reason)


# ---- aggregators --------------------------------------------------------------------------------


def _serve_coinglass(provider: Any) -> None:
    def answer(ask: Any) -> Any:
        first, last = int(ask.query["start_time"]), int(ask.query["end_time"])
        rows = [{"time": s, "aggregated_long_liquidation_usd": 5.0e6,
                 "aggregated_short_liquidation_usd": 2.0e6}
                for s in _hours(first, last, 24 * HOUR_MS)]  # fmt: skip
        return provider.doc({"code": "0", "msg": "success", "data": rows})

    provider.on("/api/futures/liquidation/aggregated-history", answer)


def test_coinglass_needs_its_key_and_leaves_the_running_day_out(
    provider: Any, store: MarketStore, settings: FetchSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    _serve_coinglass(provider)
    monkeypatch.delenv("COINGLASS_API_KEY", raising=False)
    report = fetch(store, ["coinglass"], now=NOW, settings=settings)
    assert report.exit_code == 2
    assert "COINGLASS_API_KEY" in str(report.sources[0].reason)
    monkeypatch.setenv("COINGLASS_API_KEY", "s3cr3t")
    since = pd.Timestamp("2021-04-20", tz="UTC")
    report = fetch(store, ["coinglass"], since=since, now=NOW, settings=settings)
    assert report.exit_code == 0, report.sources[0].reason
    assert provider.asked[-1].headers["cg-api-key"] == "s3cr3t"
    rows = store.read("liquidation_totals").set_index("date")
    assert rows.index.max() == pd.Timestamp("2024-12-30")
    assert rows.loc["2021-04-26", "feed_era"] == "pre_2021_04_27"
    assert rows.loc["2021-04-27", "feed_era"] == "throttled"
    assert "s3cr3t" not in str(report.to_json())


def test_coinalyze_counts_in_seconds_and_adds_markets_up(
    provider: Any, store: MarketStore, settings: FetchSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COINALYZE_API_KEY", "s3cr3t")
    day = 86_400

    def answer(ask: Any) -> Any:
        first, last = int(ask.query["from"]), int(ask.query["to"])
        assert last < 10_000_000_000
        stamps = [s // 1000 for s in _hours(first * 1000, last * 1000, day * 1000)]
        history = [{"t": s, "l": 3.0e6, "s": 1.0e6} for s in stamps]
        # an empty bar is omitted by the provider: that day's sum would be too small
        return provider.doc(
            [
                {"symbol": "BTCUSDT_PERP.A", "history": history},
                {"symbol": "BTCUSDT.6", "history": [h for h in history if h["t"] != stamps[2]]},
            ]
        )

    provider.on("/v1/liquidation-history", answer)
    since = pd.Timestamp("2024-12-20", tz="UTC")
    report = fetch(store, ["coinalyze"], since=since, now=NOW, settings=settings)
    assert report.exit_code == 0, report.sources[0].reason
    rows = store.read("liquidation_totals")
    assert rows["long_usd"].unique().tolist() == [6.0e6]
    assert pd.Timestamp("2024-12-22") not in set(rows["date"])
    assert len(rows) == 10


def test_two_feeds_of_totals_are_never_mixed(
    provider: Any, store: MarketStore, settings: FetchSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    _serve_coinglass(provider)
    monkeypatch.setenv("COINGLASS_API_KEY", "a")
    monkeypatch.setenv("COINALYZE_API_KEY", "b")
    fetch(store, ["coinglass"], now=NOW, settings=settings)
    report = fetch(store, ["coinalyze"], now=NOW, settings=settings)
    assert "another level" in str(report.sources[0].reason)
    assert report.exit_code == 3
