"""Every cascade that is stored, whichever definition found it, for the verb and for notebooks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from features.cascade_attributes import around
from features.cascades import daily_totals, price_oi
from features.engineered import score
from features.tape_asof import AsOf
from features.tape_cascades import TapeRule, select
from features.tape_source import loose_events, open_source

__all__ = ["BARS_VENUE", "INTEREST_VENUE", "cascades", "tape_cascades"]

BARS_VENUE = "binance"
INTEREST_VENUE = "bybit"
# what the trailing windows of the definitions look back on
LOOK_BACK = pd.Timedelta(days=130)
DAY = pd.Timedelta(days=1)

Progress = Callable[[float, str], None]


def cascades(
    store: Any,
    start: pd.Timestamp | str,
    end: pd.Timestamp | str,
    symbol: str | None = None,
    *,
    progress: Progress | None = None,
) -> list[dict[str, Any]]:
    """List the cascades that began in a span, with their attributes.

    Parameters
    ----------
    store : MarketStore
        Market data; the event tape beside it is read where there is one.
    start, end : Timestamp or date text
        UTC days, both included.
    symbol : str, optional
        A coin (``BTC``) or a pair of it (``BTCUSDT``, ``BTC-USDT-SWAP``).
    progress : callable, optional
        Called with the fraction done.

    Returns
    -------
    list of dict
        Sorted by start. ``definition`` is ``tape``, ``price_oi`` or ``totals``; values that a
        definition cannot know are None. Times are ISO 8601.

    Notes
    -----
    *Timing:* the list is a look back. ``available_at`` says when a cascade was known,
    ``aftermath_known_at`` when its reversal and later funding were.
    """
    since, until = _utc(start), _utc(end) + DAY
    base = _coin(symbol)
    frames = []
    steps = (_from_tape, _from_price, _from_totals)
    for place, step in enumerate(steps):
        frames.append(step(store, since, until, base))
        if progress is not None:
            progress((place + 1) / len(steps), "cascades")
    found = pd.concat([f for f in frames if len(f)] or [pd.DataFrame()], ignore_index=True)
    if found.empty:
        return []
    found = found.sort_values(["start", "definition", "cascade_id"], ignore_index=True)
    return [_plain(row) for row in found.to_dict("records")]


def _utc(value: pd.Timestamp | str) -> pd.Timestamp:
    stamp = pd.Timestamp(value)
    stamp = stamp.tz_localize("UTC") if stamp.tzinfo is None else stamp.tz_convert("UTC")
    return stamp.floor("D").as_unit("us")


def _coin(symbol: str | None) -> str | None:
    if symbol is None:
        return None
    name = symbol.upper().split("_")[0].split("-")[0]
    for quote in ("USDT", "USDC", "USD"):
        if name.endswith(quote) and name != quote:
            name = name.removesuffix(quote)
            break
    return "BTC" if name == "XBT" else name


def tape_cascades(
    store: Any, since: pd.Timestamp, until: pd.Timestamp, *, rule: TapeRule | None = None
) -> pd.DataFrame:
    """Cascades of the event tape that began in [since, until), without market attributes.

    A day and venue that the tape itself has nothing of is taken from the store's short table of
    events.
    """
    rule = rule or TapeRule()
    first = since - pd.Timedelta(days=rule.window_days)
    tape = AsOf(
        open_source(store),
        loose_events(store.read("liquidation_events", start=first - 2 * DAY, end=until)),
        first_us=int(first.timestamp()) * 1_000_000,
        last_us=int(until.timestamp()) * 1_000_000,
    )
    found = select(tape.final, gap_seconds=tape.gap_seconds, rule=rule)
    return found[(found["start"] >= since) & (found["start"] < until)].reset_index(drop=True)


def _from_tape(
    store: Any, since: pd.Timestamp, until: pd.Timestamp, base: str | None
) -> pd.DataFrame:
    found = tape_cascades(store, since, until)
    if found.empty:
        return found
    if base is not None:
        found = found[found["base"] == base]
    return _with_market(store, found)


def _with_market(store: Any, found: pd.DataFrame) -> pd.DataFrame:
    """Add market attributes and the engineered score, coin by coin."""
    pieces = []
    for base, rows in found.groupby("base"):
        span = {"start": rows["start"].min() - LOOK_BACK, "end": rows["end"].max() + 2 * DAY}
        bars = store.read("perp_bars", **span, where={"base": base})
        held = store.read("open_interest", **span, where={"base": base, "venue": INTEREST_VENUE})
        paid = store.read("funding", **span, where={"base": base, "venue": BARS_VENUE})
        known = around(
            rows, bars=bars[bars["venue"] == BARS_VENUE], open_interest=held, funding=paid
        )
        # price_oi measures its move and interest itself, over the bars that flagged it
        fresh = [name for name in known if name not in rows or rows[name].isna().all()]
        whole = rows.drop(columns=[n for n in fresh if n in rows]).join(known[fresh])
        spot = store.read("spot_bars", **span, where={"base": base, "venue": BARS_VENUE})
        pieces.append(whole.join(score(whole, bars=bars, spot=spot)))
    return pd.concat(pieces, ignore_index=True) if pieces else found


def _from_price(
    store: Any, since: pd.Timestamp, until: pd.Timestamp, base: str | None
) -> pd.DataFrame:
    span = {"start": since - LOOK_BACK, "end": until + DAY}
    held = store.read("open_interest", **span, where={"venue": INTEREST_VENUE})
    frames = []
    for coin in sorted(set(held["base"])) if base is None else [base]:
        bars = store.read("perp_bars", **span, where={"base": coin, "venue": BARS_VENUE})
        mine = held[held["base"] == coin]
        if bars.empty or mine.empty:
            continue
        found = price_oi(bars, mine, base=coin, venue=BARS_VENUE)
        found = found[(found["start"] >= since) & (found["start"] < until)]
        if len(found):
            frames.append(_with_market(store, found))
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def _from_totals(
    store: Any, since: pd.Timestamp, until: pd.Timestamp, base: str | None
) -> pd.DataFrame:
    rows = store.read(
        "liquidation_totals",
        start=(since - LOOK_BACK).tz_localize(None),
        end=until.tz_localize(None),
        where=None if base is None else {"base": base},
    )
    rows = rows[rows["long_usd"].notna() & rows["short_usd"].notna()]
    if rows.empty:
        return pd.DataFrame()
    found = daily_totals(rows)
    return found[(found["start"] >= since) & (found["start"] < until)]


INTEGERS = ("n", "n_bars", "n_venues", "n_past", "version", "engineered_signals")


def _plain(row: dict[Any, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, pd.Timestamp):
            out[name] = value.isoformat()
        elif isinstance(value, str):
            out[name] = value or None
        elif isinstance(value, bool | np.bool_):
            out[name] = bool(value)
        elif isinstance(value, int | float | np.integer | np.floating):
            number = float(value)
            known = number if np.isfinite(number) else None
            out[name] = int(number) if known is not None and name in INTEGERS else known
        else:
            out[name] = None  # NaT and NA
    return out
