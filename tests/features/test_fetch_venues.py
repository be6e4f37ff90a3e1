"""Bybit's and OKX's REST, and OKX liquidation orders."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from features.sources.fetch import fetch
from features.sources.fetchers.settings import FetchSettings
from features.store import MarketStore

from .test_fetch_crypto import HOUR, HOUR_MS, LAST, NOW, SINCE, candle, ms, stamps_of


def _bybit(provider: Any, rows: list[Any]) -> Any:
    return provider.doc({"retCode": 0, "retMsg": "OK", "result": {"list": rows[::-1]}})


def _serve_bybit(provider: Any) -> None:
    def kline(ask: Any) -> Any:
        stamps = stamps_of(int(ask.query["start"]), min(int(ask.query["end"]), ms(NOW)))
        return _bybit(provider, [[*candle(s), "7.5", "100"] for s in stamps])

    def funding(ask: Any) -> Any:
        last = min(int(ask.query["endTime"]), ms(NOW))
        stamps = stamps_of(int(ask.query["startTime"]), last, 8 * HOUR_MS)
        return _bybit(
            provider,
            [{"symbol": "BTCUSDT", "fundingRate": "0.0002", "fundingRateTimestamp": str(s)}
             for s in stamps],
        )  # fmt: skip

    def interest(ask: Any) -> Any:
        stamps = stamps_of(int(ask.query["startTime"]), min(int(ask.query["endTime"]), ms(NOW)))
        return _bybit(provider, [{"openInterest": "55000", "timestamp": str(s)} for s in stamps])

    provider.on("/v5/market/kline", kline)
    provider.on("/v5/market/funding/history", funding)
    provider.on("/v5/market/open-interest", interest)


def test_bybit_pages_come_newest_first(
    provider: Any, store: MarketStore, crypto_settings: FetchSettings
) -> None:
    _serve_bybit(provider)
    report = fetch(store, ["bybit"], since=SINCE, now=NOW, settings=crypto_settings)
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
    provider: Any, store: MarketStore, crypto_settings: FetchSettings
) -> None:
    _serve_bybit(provider)
    good = provider.answers["/v5/market/kline"]
    busy = provider.doc({"retCode": 10006, "retMsg": "Too many visits!", "result": {}})
    provider.on("/v5/market/kline", lambda ask: busy if ask.count == 1 else good(ask))
    assert fetch(store, ["bybit"], since=SINCE, now=NOW, settings=crypto_settings).exit_code == 0
    wrong = provider.doc({"retCode": 10001, "retMsg": "params error", "result": {}})
    provider.on("/v5/market/kline", wrong)
    report = fetch(store, ["bybit"], since=SINCE, now=NOW, settings=crypto_settings)
    assert "retCode 10001: 'params error'" in str(report.sources[0].reason)


def _okx(provider: Any, rows: list[Any]) -> Any:
    return provider.doc({"code": "0", "msg": "", "data": rows})


def _before(cursor: int, step: int, first: pd.Timestamp) -> list[int]:
    """The hundred newest stamps older than the cursor, newest first."""
    stamps = [s for s in stamps_of(ms(first), min(cursor, ms(NOW)), step) if s < cursor]
    return stamps[::-1][:100]


def _serve_okx(provider: Any) -> None:
    first = SINCE - pd.Timedelta(days=40)

    def candles(ask: Any) -> Any:
        swap = ask.query["instId"].endswith("SWAP")
        rest = ["1250", "12.5", "1125000", "1"] if swap else ["12.5", "1125000", "1125000", "1"]
        stamps = _before(int(ask.query["after"]), HOUR_MS, first)
        return _okx(provider, [[*candle(s), *rest] for s in stamps])

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
    provider: Any, store: MarketStore, crypto_settings: FetchSettings
) -> None:
    _serve_okx(provider)
    report = fetch(store, ["okx"], since=SINCE, now=NOW, settings=crypto_settings)
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
    provider: Any, store: MarketStore, crypto_settings: FetchSettings
) -> None:
    base = ms(NOW) - 3 * HOUR_MS

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
    report = fetch(store, ["okx_liquidations"], now=NOW, settings=crypto_settings)
    assert report.exit_code == 0, report.sources[0].reason
    rows = store.read("liquidation_events")
    assert len(rows) == 250
    assert rows["liquidated_side"].unique().tolist() == ["long"]
    np.testing.assert_allclose(rows["notional_usd"], 13 * 0.01 * 90_000)
    again = fetch(store, ["okx_liquidations"], now=NOW + HOUR, settings=crypto_settings)
    assert again.sources[0].outcome == "unchanged"


def test_okx_liquidations_that_contradict_themselves_are_refused(
    provider: Any, store: MarketStore, crypto_settings: FetchSettings
) -> None:
    wrong = {"bkPx": "90000", "posSide": "short", "side": "sell", "sz": "1", "ts": str(ms(NOW))}
    data = [{"details": [wrong], "instId": "BTC-USDT-SWAP"}]
    provider.on("/api/v5/public/liquidation-orders", _okx(provider, data))
    report = fetch(store, ["okx_liquidations"], now=NOW, settings=crypto_settings)
    assert report.exit_code == 3
    assert "1 of 1 cannot be read" in str(report.sources[0].reason)
