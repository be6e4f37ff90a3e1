"""OKX v5 public REST: candles, funding, open interest, liquidation orders. Pages run backwards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from features.errors import RefusedError
from features.sources.event import Event
from features.sources.fetchers.binance import candles, late_interest, settlements
from features.sources.fetchers.http import AnswerError, Client
from features.sources.fetchers.job import Batch, Job, Source, ms
from features.sources.fetchers.parse import records, windows
from features.sources.venues.common import Context
from features.sources.venues.okx import liquidation_orders

__all__ = ["OKX", "OKX_LIQUIDATIONS"]

_KLINE = ("open_time", "open", "high", "low", "close", "contracts", "volume")
_SPOT_KLINE = ("open_time", "open", "high", "low", "close", "volume")
_RATE_LIMITED = ("50011", "50013", "50061")
_PAGE = 100
_MOST_PAGES = 400
_BAD_SHARE = 0.01


def _check(document: Any) -> None:
    code = document.get("code") if isinstance(document, dict) else None
    if code in _RATE_LIMITED:
        raise Client.transient(f"too many requests (code {code})")
    if code != "0":
        said = document.get("msg") if isinstance(document, dict) else document
        raise AnswerError(f"OKX answered code {code}: {said!r:.120}. Expected 0.")


def _candles(job: Job, table: str, coin: str) -> pd.DataFrame:
    symbol = f"{coin}-USDT-SWAP" if table == "perp_bars" else f"{coin}-USDT"
    what = f"OKX {symbol} candles"
    names = _KLINE if table == "perp_bars" else _SPOT_KLINE
    url = job.settings.okx.base_url + "/api/v5/market/history-candles"
    parts = []
    start = job.start(table, {"venue": "okx", "base": coin})
    for begin, end in windows(start, job.now.ceil("h"), _PAGE):
        # `after` means older than: the hundred bars before `end` are the whole window
        params = {"instId": symbol, "bar": "1H", "after": ms(end), "limit": str(_PAGE)}
        document = job.client.json(url, params=params, keep=job.final(end), check=_check)
        page = records(document.get("data"), names, what=what)
        parts.append(page[page["open_time"].astype("int64") >= int(ms(begin))])
    return candles(parts, job.now, what=what)


def _backwards(
    job: Job, path: str, fixed: dict[str, str], names: tuple[str, ...], start: pd.Timestamp,
    *, cursor: str, what: str,
) -> list[pd.DataFrame]:  # fmt: skip
    """Page back from now until a page is older than `start` or empty."""
    url = job.settings.okx.base_url + path
    older, parts = int(ms(job.now)), []
    for _ in range(_MOST_PAGES):
        params = {**fixed, cursor: str(older), "limit": str(_PAGE)}
        document = job.client.json(url, params=params, check=_check)
        page = records(document.get("data"), names, what=what)
        if page.empty:
            break
        times = page[names[0]].astype("int64")
        parts.append(page[times >= int(ms(start))])
        if times.min() >= older:
            raise AnswerError(f"{what}: the page before {older} holds nothing older. Expected so.")
        older = int(times.min())
        if older <= int(ms(start)):
            break
    return parts


def _fetch(job: Job) -> list[Batch]:
    batches = []
    for place, coin in enumerate(job.settings.coins):
        swap, where = f"{coin}-USDT-SWAP", {"venue": "okx", "base": coin}
        job.tell(place / len(job.settings.coins), swap)
        for table in ("perp_bars", "spot_bars"):
            bars = _candles(job, table, coin)
            batches.append(Batch(table, bars.assign(**where), "okx"))
        what = f"OKX {swap} funding"
        start = job.start("funding", where) - pd.Timedelta(hours=30)
        names = ("fundingTime", "realizedRate")
        parts = _backwards(job, "/api/v5/public/funding-rate-history", {"instId": swap}, names,
                           start, cursor="after", what=what)  # fmt: skip
        funding = settlements(parts, *names, what=what)
        batches.append(Batch("funding", funding.assign(**where), "okx"))
        what = f"OKX {swap} open interest"
        start = job.start("open_interest", where)
        rows = ("timestamp", "contracts", "open_interest")
        fixed = {"instId": swap, "period": "1H"}
        path = "/api/v5/rubik/stat/contracts/open-interest-history"
        parts = _backwards(job, path, fixed, rows, start, cursor="end", what=what)
        interest = late_interest(parts, "timestamp", "open_interest", what=what)
        batches.append(Batch("open_interest", interest.assign(**where), "okx"))
    return batches


def _liquidations(job: Job) -> list[Batch]:
    """Fetch the liquidation orders that the venue still shows (about a week)."""
    events: dict[str, Event] = {}
    bad: list[str] = []
    total = 0
    url = job.settings.okx.base_url + "/api/v5/public/liquidation-orders"
    for place, coin in enumerate(job.settings.coins):
        job.tell(place / len(job.settings.coins), f"{coin} liquidations")
        last = job.last("liquidation_events", {"venue": "okx", "base": coin})
        start = last or job.since or job.now - pd.Timedelta(days=8)
        older = int(ms(job.now))
        for _ in range(_MOST_PAGES):
            params = {"instType": "SWAP", "uly": f"{coin}-USDT", "state": "filled",
                      "after": str(older), "limit": str(_PAGE)}  # fmt: skip
            document = job.client.json(url, params=params, check=_check)
            outcomes = list(liquidation_orders(document, Context(file="okx")))
            page = [one for one in outcomes if isinstance(one, Event)]
            bad += [str(one) for one in outcomes if not isinstance(one, Event)]
            total += len(outcomes)
            times = [one.ts_us // 1000 for one in page if one.ts_us is not None]
            for one in page:
                known = events.get(one.event_id)
                events[one.event_id] = one if known is None else known.merged(one)
            if not times or min(times) >= older:
                break
            older = min(times)
            if older < int(ms(start)):
                break
    if len(bad) > _BAD_SHARE * max(total, 1):
        raise RefusedError(
            f"OKX liquidation orders: {len(bad)} of {total} cannot be read, first: {bad[0]}. "
            "Expected at most 1 %; nothing of them is stored."
        )
    return [Batch("liquidation_events", _rows(list(events.values())), "okx")] if events else []


def _rows(events: Sequence[Event]) -> pd.DataFrame:
    names = ("venue", "symbol", "event_id", "base", "liquidated_side", "price", "price_kind",
             "qty_base", "notional_usd", "mechanism", "completeness")  # fmt: skip
    frame = pd.DataFrame({name: [getattr(one, name) for one in events] for name in names})
    moments = pd.to_datetime([one.ts_us or 0 for one in events], unit="us", utc=True)
    frame["ts"] = moments.astype("datetime64[us, UTC]")
    return frame


def _per_second(settings: Any) -> float:
    return float(settings.okx.per_second)


OKX = Source(
    "okx",
    "hourly candles of perps and spot, funding, open interest",
    ("perp_bars", "spot_bars", "funding", "open_interest"),
    _fetch,
    _per_second,
    {"venue": "okx"},
)
OKX_LIQUIDATIONS = Source(
    "okx_liquidations",
    "liquidation orders of the last days",
    ("liquidation_events",),
    _liquidations,
    _per_second,
    {"venue": "okx"},
)
