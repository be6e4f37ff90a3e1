"""Liquidation totals of both aggregators, which are never mixed."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from features.sources.fetch import fetch
from features.sources.fetchers.settings import FetchSettings
from features.store import MarketStore

from .test_fetch_crypto import HOUR_MS, NOW, stamps_of


def _serve_coinglass(provider: Any) -> None:
    def answer(ask: Any) -> Any:
        first, last = int(ask.query["start_time"]), int(ask.query["end_time"])
        rows = [{"time": s, "aggregated_long_liquidation_usd": 5.0e6,
                 "aggregated_short_liquidation_usd": 2.0e6}
                for s in stamps_of(first, last, 24 * HOUR_MS)]  # fmt: skip
        return provider.doc({"code": "0", "msg": "success", "data": rows})

    provider.on("/api/futures/liquidation/aggregated-history", answer)


def test_coinglass_needs_its_key_and_leaves_the_running_day_out(
    provider: Any,
    store: MarketStore,
    crypto_settings: FetchSettings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _serve_coinglass(provider)
    monkeypatch.delenv("COINGLASS_API_KEY", raising=False)
    report = fetch(store, ["coinglass"], now=NOW, settings=crypto_settings)
    assert report.exit_code == 2
    assert "COINGLASS_API_KEY" in str(report.sources[0].reason)
    monkeypatch.setenv("COINGLASS_API_KEY", "s3cr3t")
    since = pd.Timestamp("2021-04-20", tz="UTC")
    report = fetch(store, ["coinglass"], since=since, now=NOW, settings=crypto_settings)
    assert report.exit_code == 0, report.sources[0].reason
    assert provider.asked[-1].headers["cg-api-key"] == "s3cr3t"
    rows = store.read("liquidation_totals").set_index("date")
    assert rows.index.max() == pd.Timestamp("2024-12-30")
    assert rows.loc["2021-04-26", "feed_era"] == "pre_2021_04_27"
    assert rows.loc["2021-04-27", "feed_era"] == "throttled"
    assert "s3cr3t" not in str(report.to_json())


def test_coinalyze_counts_in_seconds_and_adds_markets_up(
    provider: Any,
    store: MarketStore,
    crypto_settings: FetchSettings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COINALYZE_API_KEY", "s3cr3t")
    day = 86_400

    def answer(ask: Any) -> Any:
        first, last = int(ask.query["from"]), int(ask.query["to"])
        assert last < 10_000_000_000
        stamps = [s // 1000 for s in stamps_of(first * 1000, last * 1000, day * 1000)]
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
    report = fetch(store, ["coinalyze"], since=since, now=NOW, settings=crypto_settings)
    assert report.exit_code == 0, report.sources[0].reason
    rows = store.read("liquidation_totals")
    assert rows["long_usd"].unique().tolist() == [6.0e6]
    assert pd.Timestamp("2024-12-22") not in set(rows["date"])
    assert len(rows) == 10


def test_two_feeds_of_totals_are_never_mixed(
    provider: Any,
    store: MarketStore,
    crypto_settings: FetchSettings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _serve_coinglass(provider)
    monkeypatch.setenv("COINGLASS_API_KEY", "a")
    monkeypatch.setenv("COINALYZE_API_KEY", "b")
    fetch(store, ["coinglass"], now=NOW, settings=crypto_settings)
    report = fetch(store, ["coinalyze"], now=NOW, settings=crypto_settings)
    assert "another level" in str(report.sources[0].reason)
    assert report.exit_code == 3
