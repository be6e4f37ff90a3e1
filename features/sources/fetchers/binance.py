"""Binance public REST: hourly candles of perps and spot, funding, open interest."""

from __future__ import annotations

from typing import Any

import pandas as pd

from features.sources.fetchers.job import Batch, Job, Source, ms, with_intervals
from features.sources.fetchers.parse import HOUR, numbers, records, settled_once, stamps, windows

__all__ = ["BINANCE"]

_KLINE = ("open_time", "open", "high", "low", "close", "volume")
_PAGE_HOURS = 1000
_INTEREST_DAYS = 29  # the venue keeps thirty days
_INTEREST_PAGE_HOURS = 480


def _fetch(job: Job) -> list[Batch]:
    futures, spot = job.settings.binance.base_url, job.settings.binance.spot_url
    batches = []
    for place, coin in enumerate(job.settings.coins):
        symbol = f"{coin}USDT"
        share = place / len(job.settings.coins)
        job.tell(share, f"{symbol} candles")
        for table, url in (
            ("perp_bars", futures + "/fapi/v1/klines"),
            ("spot_bars", spot + "/api/v3/klines"),
        ):
            bars = _candles(job, url, table, coin)
            batches.append(Batch(table, bars.assign(venue="binance", base=coin), "binance"))
        job.tell(share + 0.6 / len(job.settings.coins), f"{symbol} funding, open interest")
        funding = _funding(job, futures + "/fapi/v1/fundingRate", coin)
        batches.append(Batch("funding", funding.assign(venue="binance", base=coin), "binance"))
        interest = _interest(job, futures + "/futures/data/openInterestHist", coin)
        batches.append(
            Batch("open_interest", interest.assign(venue="binance", base=coin), "binance")
        )
    return batches


def _candles(job: Job, url: str, table: str, coin: str) -> pd.DataFrame:
    symbol, what = f"{coin}USDT", f"Binance {coin}USDT {table}"
    start = job.start(table, {"venue": "binance", "base": coin})
    parts = []
    for begin, end in windows(start, job.now.floor("h"), _PAGE_HOURS):
        params = {"symbol": symbol, "interval": "1h", "startTime": ms(begin),
                  "endTime": str(int(ms(end)) - 1), "limit": str(_PAGE_HOURS)}  # fmt: skip
        rows = job.client.json(url, params=params, keep=job.final(end))
        parts.append(records(rows, _KLINE, what=what))
    return candles(parts, job.now, what=what)


def candles(parts: list[pd.DataFrame], now: pd.Timestamp, *, what: str) -> pd.DataFrame:
    """Join pages of candles; the bar that is still open is left out."""
    raw = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(_KLINE))
    frame = pd.DataFrame({"ts": stamps(raw["open_time"], "ms", what=what)})
    for name in ("open", "high", "low", "close"):
        frame[name] = numbers(raw[name], what=what)
    frame["volume_base"] = numbers(raw["volume"], what=what)
    return settled_once(frame[frame["ts"] + HOUR <= now], ["ts"], what=what)


def _funding(job: Job, url: str, coin: str) -> pd.DataFrame:
    what = f"Binance {coin}USDT funding"
    start = job.start("funding", {"venue": "binance", "base": coin}) - pd.Timedelta(hours=30)
    parts = []
    for begin, end in windows(start, job.now, _PAGE_HOURS):
        params = {"symbol": f"{coin}USDT", "startTime": ms(begin),
                  "endTime": str(int(ms(end)) - 1), "limit": "1000"}  # fmt: skip
        rows = job.client.json(url, params=params, keep=job.final(end))
        parts.append(records(rows, ("fundingTime", "fundingRate"), what=what))
    return settlements(parts, "fundingTime", "fundingRate", what=what)


def settlements(parts: list[pd.DataFrame], time: str, rate: str, *, what: str) -> pd.DataFrame:
    """Join pages of settled funding; stamps some milliseconds late are put on their minute."""
    raw = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=[time, rate])
    frame = pd.DataFrame(
        {
            "ts": stamps(raw[time], "ms", what=what).dt.round("min"),
            "rate": numbers(raw[rate], what=what),
        }
    )
    return with_intervals(settled_once(frame, ["ts"], what=what))


def _interest(job: Job, url: str, coin: str) -> pd.DataFrame:
    what = f"Binance {coin}USDT open interest"
    start = job.start("open_interest", {"venue": "binance", "base": coin})
    start = max(start, (job.now - pd.Timedelta(days=_INTEREST_DAYS)).floor("h"))
    parts = []
    for begin, end in windows(start, job.now, _INTEREST_PAGE_HOURS):
        params = {"symbol": f"{coin}USDT", "period": "1h", "startTime": ms(begin),
                  "endTime": str(int(ms(end)) - 1), "limit": "500"}  # fmt: skip
        rows = job.client.json(url, params=params, keep=job.final(end))
        parts.append(records(rows, ("timestamp", "sumOpenInterest"), what=what))
    return late_interest(parts, "timestamp", "sumOpenInterest", what=what)


def late_interest(parts: list[pd.DataFrame], time: str, value: str, *, what: str) -> pd.DataFrame:
    """Join pages of hourly open interest whose stamp may be either end of the hour.

    Notes
    -----
    *Timing:* the venue does not say whether a row is a reading at its stamp or a summary of the
    hour that starts there, so it counts as known an hour and five minutes after the stamp.
    """
    raw = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=[time, value])
    frame = pd.DataFrame(
        {
            "ts": stamps(raw[time], "ms", what=what),
            "open_interest": numbers(raw[value], what=what),
        }
    )
    frame = settled_once(frame, ["ts"], what=what)
    return frame.assign(
        unit="base", interval_hours=1.0, available_at=frame["ts"] + HOUR + pd.Timedelta(minutes=5)
    )


def _per_second(settings: Any) -> float:
    return float(settings.binance.per_second)


BINANCE = Source(
    "binance",
    "hourly candles of perps and spot, funding, open interest",
    ("perp_bars", "spot_bars", "funding", "open_interest"),
    _fetch,
    _per_second,
    {"venue": "binance"},
)
