"""Bybit v5 public REST: hourly candles of perps, funding, open interest, newest first."""

from __future__ import annotations

from typing import Any

import pandas as pd

from features.sources.fetchers.binance import candles, settlements
from features.sources.fetchers.http import AnswerError, Client
from features.sources.fetchers.job import Batch, Job, Source, ms
from features.sources.fetchers.parse import numbers, records, settled_once, stamps, windows

__all__ = ["BYBIT"]

_KLINE = ("open_time", "open", "high", "low", "close", "volume")
_RATE_LIMITED = 10006


def _check(document: Any) -> None:
    code = document.get("retCode") if isinstance(document, dict) else None
    if code == _RATE_LIMITED:
        raise Client.transient("too many requests (retCode 10006)")
    if code != 0:
        said = document.get("retMsg") if isinstance(document, dict) else document
        raise AnswerError(f"Bybit answered retCode {code}: {said!r:.120}. Expected 0.")


def _pages(
    job: Job, path: str, fixed: dict[str, str], names: tuple[str, ...], start: pd.Timestamp,
    *, hours: int, limit: int, keys: tuple[str, str], what: str,
) -> list[pd.DataFrame]:  # fmt: skip
    url = job.settings.bybit.base_url + path
    parts = []
    for begin, end in windows(start, job.now, hours):
        params = {**fixed, "category": "linear", "limit": str(limit),
                  keys[0]: ms(begin), keys[1]: str(int(ms(end)) - 1)}  # fmt: skip
        document = job.client.json(url, params=params, keep=job.final(end), check=_check)
        rows = (document.get("result") or {}).get("list")
        page = records(rows, names, what=what)
        if len(page) >= limit and len(page) > hours:
            raise AnswerError(f"{what}: a full page of {limit} rows may hide more. Expected fewer.")
        parts.append(page)
    return parts


def _fetch(job: Job) -> list[Batch]:
    batches = []
    for place, coin in enumerate(job.settings.coins):
        symbol, where = f"{coin}USDT", {"venue": "bybit", "base": coin}
        job.tell(place / len(job.settings.coins), symbol)
        what = f"Bybit {symbol} candles"
        start = job.start("perp_bars", where)
        parts = _pages(job, "/v5/market/kline", {"symbol": symbol, "interval": "60"}, _KLINE, start,
                       hours=1000, limit=1000, keys=("start", "end"), what=what)  # fmt: skip
        bars = candles(parts, job.now, what=what)
        batches.append(Batch("perp_bars", bars.assign(**where), "bybit"))

        what = f"Bybit {symbol} funding"
        start = job.start("funding", where) - pd.Timedelta(hours=30)
        names = ("fundingRateTimestamp", "fundingRate")
        parts = _pages(job, "/v5/market/funding/history", {"symbol": symbol}, names, start,
                       hours=190, limit=200, keys=("startTime", "endTime"), what=what)  # fmt: skip
        funding = settlements(parts, *names, what=what)
        batches.append(Batch("funding", funding.assign(**where), "bybit"))

        what = f"Bybit {symbol} open interest"
        start = job.start("open_interest", where)
        names = ("timestamp", "openInterest")
        fixed = {"symbol": symbol, "intervalTime": "1h"}
        parts = _pages(job, "/v5/market/open-interest", fixed, names, start,
                       hours=190, limit=200, keys=("startTime", "endTime"), what=what)  # fmt: skip
        batches.append(Batch("open_interest", _interest(parts, what).assign(**where), "bybit"))
    return batches


def _interest(parts: list[pd.DataFrame], what: str) -> pd.DataFrame:
    raw = pd.concat(parts, ignore_index=True)
    frame = pd.DataFrame(
        {
            "ts": stamps(raw["timestamp"], "ms", what=what),
            "open_interest": numbers(raw["openInterest"], what=what),
            "unit": "base",
            "interval_hours": 1.0,
        }
    )
    return settled_once(frame, ["ts"], what=what)


BYBIT = Source(
    "bybit",
    "hourly candles of perps, funding, open interest",
    ("perp_bars", "funding", "open_interest"),
    _fetch,
    lambda settings: settings.bybit.per_second,
    {"venue": "bybit"},
)
