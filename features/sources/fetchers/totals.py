"""Daily liquidation totals of the two aggregators, Coinglass and Coinalyze. Both need a key."""

from __future__ import annotations

import os
from typing import Any

import pandas as pd

from features.errors import UsageError
from features.sources.fetchers.http import AnswerError, Client
from features.sources.fetchers.job import Batch, Job, Source, ms
from features.sources.fetchers.parse import numbers, records, settled_once, stamps
from features.tables import FEED_BREAK

__all__ = ["COINALYZE", "COINGLASS"]

_DAYS_BACK = 400  # a first fetch without `since`
_COINGLASS = (
    "time",
    "aggregated_long_liquidation_usd",
    "aggregated_short_liquidation_usd",
)


def _key(name: str) -> str:
    key = os.environ.get(name, "").strip()
    if not key:
        raise UsageError(
            f"the environment has no {name}. Expected the provider's key there; export it, or "
            "leave this source out."
        )
    return key


def _start(job: Job, coin: str) -> pd.Timestamp:
    if job.since is not None:
        return job.since.floor("D")
    last = job.last("liquidation_totals", {"base": coin})
    if last is None:
        return (job.now - pd.Timedelta(days=_DAYS_BACK)).floor("D")
    return pd.Timestamp(last).tz_localize("UTC") - pd.Timedelta(days=3)


def _daily(frame: pd.DataFrame, coin: str, now: pd.Timestamp, what: str) -> pd.DataFrame:
    """Leave out the day that still runs, and mark the side of the feed's break."""
    whole = frame[frame["ts"] + pd.Timedelta(days=1) <= now]
    day = whole["ts"].dt.tz_localize(None)
    if (day != day.dt.normalize()).any():
        raise AnswerError(f"{what} has a day that does not start at 00:00 UTC. Expected days.")
    rows = whole.assign(date=day.astype("datetime64[us]"), base=coin).drop(columns="ts")
    early = rows["date"] < FEED_BREAK
    rows["feed_era"] = early.map({True: "pre_2021_04_27", False: "throttled"}).astype("str")
    return rows


def _check_coinglass(document: Any) -> None:
    code = document.get("code") if isinstance(document, dict) else None
    if code != "0":
        said = document.get("msg") if isinstance(document, dict) else document
        if code == "429" or "too many" in str(said).lower():
            raise Client.transient("too many requests")
        raise AnswerError(f"Coinglass answered code {code}: {said!r:.120}. Expected 0.")


def _coinglass(job: Job) -> list[Batch]:
    own = job.settings.coinglass
    headers = {"CG-API-KEY": _key(own.key_env)}
    url = own.base_url + "/api/futures/liquidation/aggregated-history"
    batches = []
    for place, coin in enumerate(job.settings.coins):
        job.tell(place / len(job.settings.coins), f"{coin} liquidation totals")
        job.alone("liquidation_totals", coin, "coinglass")
        what = f"Coinglass {coin} liquidations"
        params = {"exchange_list": ",".join(own.exchanges), "symbol": coin, "interval": "1d",
                  "limit": "1000", "start_time": ms(_start(job, coin)),
                  "end_time": ms(job.now)}  # fmt: skip
        document = job.client.json(url, params=params, headers=headers, check=_check_coinglass)
        raw = records(document.get("data"), _COINGLASS, what=what)
        frame = pd.DataFrame(
            {
                "ts": stamps(raw["time"], "ms", what=what),
                "long_usd": numbers(raw[_COINGLASS[1]], what=what),
                "short_usd": numbers(raw[_COINGLASS[2]], what=what),
            }
        )
        rows = _daily(settled_once(frame, ["ts"], what=what), coin, job.now, what)
        batches.append(Batch("liquidation_totals", rows, "coinglass"))
    return batches


def _coinalyze(job: Job) -> list[Batch]:
    own = job.settings.coinalyze
    headers = {"api_key": _key(own.key_env)}
    url = own.base_url + "/v1/liquidation-history"
    batches = []
    for place, coin in enumerate(job.settings.coins):
        job.tell(place / len(job.settings.coins), f"{coin} liquidation totals")
        job.alone("liquidation_totals", coin, "coinalyze")
        symbols = own.symbols.get(coin)
        if not symbols:
            raise UsageError(
                f"fetch.coinalyze.symbols has no markets of {coin}. Expected a list; add it."
            )
        what = f"Coinalyze {coin} liquidations"
        # this provider counts in seconds; milliseconds would give an empty answer
        params = {"symbols": ",".join(symbols), "interval": "daily", "convert_to_usd": "true",
                  "from": str(int(ms(_start(job, coin))) // 1000),
                  "to": str(int(ms(job.now)) // 1000)}  # fmt: skip
        document = job.client.json(url, params=params, headers=headers)
        markets = records(document, ("symbol", "history"), what=what)
        absent = sorted(set(symbols) - set(markets["symbol"]))
        if absent:
            raise AnswerError(
                f"{what} lacks {', '.join(absent)}. Expected every market asked for: a sum over "
                "fewer would look like a quiet day."
            )
        parts = [_market(row.history, what) for row in markets.itertuples()]
        both = pd.concat(parts, ignore_index=True)
        summed = both.groupby("ts", as_index=False)[["long_usd", "short_usd"]].sum()
        whole = both.groupby("ts").size().eq(len(symbols))
        summed = summed[whole.reindex(summed["ts"]).to_numpy()]
        batches.append(
            Batch("liquidation_totals", _daily(summed, coin, job.now, what), "coinalyze")
        )
    return batches


def _market(history: Any, what: str) -> pd.DataFrame:
    raw = records(history, ("t", "l", "s"), what=what)
    frame = pd.DataFrame(
        {
            "ts": stamps(raw["t"], "s", what=what),
            "long_usd": numbers(raw["l"], what=what),
            "short_usd": numbers(raw["s"], what=what),
        }
    )
    return settled_once(frame, ["ts"], what=what)


COINGLASS = Source(
    "coinglass",
    "daily liquidation totals over exchanges (key in COINGLASS_API_KEY)",
    ("liquidation_totals",),
    _coinglass,
    lambda settings: settings.coinglass.per_second,
)
COINALYZE = Source(
    "coinalyze",
    "daily liquidation totals over exchanges (key in COINALYZE_API_KEY)",
    ("liquidation_totals",),
    _coinalyze,
    lambda settings: settings.coinalyze.per_second,
)
