"""Cboe: index histories, S&P 500 bars, VIX futures by contract, strategy indices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from features.sessions import calendar
from features.sources.expiries import monthly_expiries
from features.sources.fetchers.http import AnswerError
from features.sources.fetchers.job import Batch, Job, Source
from features.sources.fetchers.parse import csv_rows, dates, numbers, records, settled_once

__all__ = ["INDICES", "STRATEGY", "VIX_FUTURES", "sessions_only"]

_PRICES = "/api/global/us_indices/daily_prices/{symbol}_History.csv"
_CHART = "/api/global/delayed_quotes/charts/historical/_SPX.json"
_FUTURES = "/data/us/futures/market_statistics/historical_data/VX/VX_{expiry}.csv"
_SYMBOLS = ("VIX", "VIX1D", "VIX9D", "VIX3M", "VIX6M", "VVIX", "SKEW")
_CLOSE_ONLY = ("VVIX", "SKEW")
_FIRST = {"vvix": pd.Timestamp("2007-01-01")}  # earlier values are implausible as published
_OHLC = ("open", "high", "low", "close")
_MUST_BE_LISTED = 3  # nearest contracts that always exist


def sessions_only(frame: pd.DataFrame, job: Job) -> pd.DataFrame:
    """Keep exchange sessions up to the last one that has closed."""
    known = calendar().contains(pd.DatetimeIndex(frame["date"]))
    closed = frame["date"] <= calendar().last_closed(job.now)
    kept = frame[known & closed.to_numpy()]
    if job.since is not None:
        kept = kept[kept["date"] >= job.since.tz_localize(None).normalize()]
    return kept


def _not_older(frame: pd.DataFrame, job: Job, table: str, where: dict[str, Any], what: str) -> None:
    """Refuse a history that ends before what is stored: a stub or a cut file."""
    last = job.last(table, where)
    newest = frame["date"].max() if len(frame) else None
    if last is not None and (newest is None or newest < last):
        raise AnswerError(
            f"{what} ends {newest.date() if newest is not None else 'nowhere'}, before the "
            f"stored {last.date()}. Expected a whole history; try again later."
        )


def _indices(job: Job) -> list[Batch]:
    base = job.settings.cboe.base_url
    batches = []
    for place, symbol in enumerate(_SYMBOLS):
        job.tell(place / (len(_SYMBOLS) + 1), symbol)
        where = {"symbol": symbol.lower()}
        what = f"{symbol}_History.csv"
        stored = job.last("vol_indices", where) is not None
        text = job.client.text(base + _PRICES.format(symbol=symbol), conditional=stored)
        if text is None:
            continue
        columns = (symbol,) if symbol in _CLOSE_ONLY else ("OPEN", "HIGH", "LOW", "CLOSE")
        raw = csv_rows(text, ("DATE", *columns), what=what)
        frame = pd.DataFrame({"date": dates(raw["DATE"], "%m/%d/%Y", what=what)})
        names = ("close",) if symbol in _CLOSE_ONLY else _OHLC
        for name, column in zip(names, columns, strict=True):
            # a price of 0 is Cboe's way to say that there is none
            frame[name] = numbers(raw[column], what=what).replace(0.0, np.nan)
        frame = frame[
            frame["close"].notna()
            & (frame["date"] >= _FIRST.get(symbol.lower(), frame["date"].min()))
        ]
        frame = settled_once(frame, ["date"], what=what)
        _not_older(frame, job, "vol_indices", where, what)
        rows = sessions_only(frame, job).assign(symbol=symbol.lower())
        batches.append(Batch("vol_indices", rows, "cboe"))
    job.tell(len(_SYMBOLS) / (len(_SYMBOLS) + 1), "SPX")
    return [*batches, *_spx(job)]


def _spx(job: Job) -> list[Batch]:
    """Read S&P 500 bars from the chart feed, and hold their closes against the official file."""
    base = job.settings.cboe.base_url
    document = job.client.json(base + _CHART)
    rows = document.get("data") if isinstance(document, dict) else None
    raw = records(rows, ("date", *_OHLC), what="the SPX chart")
    frame = pd.DataFrame({"date": dates(raw["date"], "%Y-%m-%d", what="the SPX chart")})
    for name in _OHLC:
        frame[name] = numbers(raw[name], what="the SPX chart").replace(0.0, np.nan)
    # where the feed knows the close alone it repeats it four times: no bar
    flat = (frame["open"] == frame["high"]) & (frame["high"] == frame["low"])
    frame = frame[~flat & frame[list(_OHLC)].notna().all(axis=1)]
    frame = settled_once(frame, ["date"], what="the SPX chart")
    _not_older(frame, job, "spx_bars", {}, "the SPX chart")
    frame = sessions_only(frame, job)

    text = job.client.text(base + _PRICES.format(symbol="SPX")) or ""
    official = csv_rows(text, ("DATE", "SPX"), what="SPX_History.csv")
    closes = pd.Series(
        numbers(official["SPX"], what="SPX_History.csv").to_numpy(),
        index=pd.DatetimeIndex(dates(official["DATE"], "%m/%d/%Y", what="SPX_History.csv")),
    )
    both = frame[frame["date"].isin(closes.index)].tail(250)
    off = (
        both["close"].to_numpy()
        - closes[~closes.index.duplicated()].reindex(both["date"]).to_numpy()
    )
    wrong = both[np.abs(off) > 0.02]
    if len(wrong):
        day = wrong["date"].iloc[-1]
        raise AnswerError(
            f"the SPX chart and SPX_History.csv differ on {len(wrong)} of the last {len(both)} "
            f"closes, last on {day.date()}. Expected the same close; try again later."
        )
    return [Batch("spx_bars", job.after_others("spx_bars", frame, "cboe"), "cboe")]


def _vix_futures(job: Job) -> list[Batch]:
    known = calendar()
    last = job.last("vix_futures", {})
    today = known.last_closed(job.now)
    since = job.since.tz_localize(None).normalize() if job.since is not None else last
    first = since if since is not None else today - pd.Timedelta(days=job.settings.backfill_days)
    reach = known.sessions(first - pd.Timedelta(days=7), today + pd.Timedelta(days=300))
    expiries = [day for day in monthly_expiries(reach) if day >= first]
    ahead = [day for day in expiries if day > today]
    parts = []
    for place, expiry in enumerate(expiries):
        job.tell(place / len(expiries), f"VX {expiry.date()}")
        what = f"VX_{expiry.date()}.csv"
        url = job.settings.cboe.base_url + _FUTURES.format(expiry=expiry.date())
        stored = job.last("vix_futures", {"expiry": expiry}) is not None
        text = job.client.text(
            url, conditional=stored, absent=expiry not in ahead[:_MUST_BE_LISTED]
        )
        if text is not None:
            parts.append(_contract(text, expiry, what))
    if not parts:
        return []
    frame = settled_once(pd.concat(parts), ["date", "expiry"], what="VX contracts")
    rows = job.after_others("vix_futures", sessions_only(frame, job), "cboe")
    return [Batch("vix_futures", rows, "cboe")]


def _contract(text: str, expiry: pd.Timestamp, what: str) -> pd.DataFrame:
    columns = (
        "Trade Date",
        "Open",
        "High",
        "Low",
        "Close",
        "Settle",
        "Total Volume",
        "Open Interest",
    )
    raw = csv_rows(text, columns, what=what, begins="Trade Date")
    frame = pd.DataFrame({"date": dates(raw["Trade Date"], "%Y-%m-%d", what=what)})
    for column in columns[1:]:
        name = {"Total Volume": "volume", "Open Interest": "open_interest"}.get(
            column, column.lower()
        )
        frame[name] = numbers(raw[column], what=what)
    traded = frame["volume"] > 0
    for name in _OHLC:
        # 0 is no trade; high and low of a day without trades are quotes
        frame[name] = frame[name].where((frame[name] > 0) & traded)
    frame = frame[(frame["settle"] > 0) & (frame["date"] <= expiry)]
    return frame.assign(expiry=expiry, is_monthly=True, is_final_settlement=frame["date"] == expiry)


def _strategy(job: Job) -> list[Batch]:
    batches = []
    for place, symbol in enumerate(("CNDR", "PUT", "VXTH")):
        job.tell(place / 3, symbol)
        what = f"{symbol}_History.csv"
        stored = job.last("strategy_indices", {"index": symbol.lower()}) is not None
        url = job.settings.cboe.base_url + _PRICES.format(symbol=symbol)
        text = job.client.text(url, conditional=stored)
        if text is None:
            continue
        raw = csv_rows(text, ("DATE", symbol), what=what)
        frame = pd.DataFrame(
            {
                "date": dates(raw["DATE"], "%m/%d/%Y", what=what),
                "level": numbers(raw[symbol], what=what),
                "index": symbol.lower(),
            }
        )
        frame = settled_once(frame[frame["level"] > 0], ["date"], what=what)
        batches.append(Batch("strategy_indices", sessions_only(frame, job), "cboe"))
    return batches


def _per_second(settings: Any) -> float:
    return float(settings.cboe.per_second)


def _source(name: str, about: str, tables: Sequence[str], fetch: Any) -> Source:
    return Source(name, about, tuple(tables), fetch, _per_second)


INDICES = _source(
    "cboe", "volatility indices and the S&P 500, daily", ["vol_indices", "spx_bars"], _indices
)
VIX_FUTURES = _source("vx", "VIX futures by contract, daily", ["vix_futures"], _vix_futures)
STRATEGY = _source(
    "cboe_strategy", "CNDR, PUT and VXTH, daily levels", ["strategy_indices"], _strategy
)
