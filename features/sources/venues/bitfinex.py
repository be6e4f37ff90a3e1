"""Bitfinex liquidations: positional arrays; the sign of the amount is the side of the POSITION.

A liquidation appears as a trigger (IS_MATCH 0) and again when the market executes it (IS_MATCH 1).
Both have the position's id, so they fall together and the execution stays.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from features.sources.contracts import base_of
from features.sources.event import Event, RecordError, number, stamp, text
from features.sources.venues.common import Context, Outcome, coin

__all__ = ["liquidations"]

FIELDS = {
    "POS_ID": 1,
    "MTS": 2,
    "SYMBOL": 4,
    "AMOUNT": 5,
    "BASE_PRICE": 6,
    "IS_MATCH": 8,
    "IS_MARKET_SOLD": 9,
    "PRICE_ACQUIRED": 11,
}


def liquidations(message: Any, context: Context) -> Iterator[Outcome]:
    """Read one array, a list of them, the nested REST answer, or a channel message."""
    rows = list(_rows(message))
    if not rows and not _quiet(message):
        raise RecordError("no liquidation: expected an array that starts with 'pos'")
    for row in rows:
        try:
            yield _event(row, context)
        except RecordError as error:
            yield error


def _quiet(message: Any) -> bool:
    """Heartbeats, subscription answers and empty pages carry nothing."""
    if isinstance(message, Mapping):
        return "event" in message
    return message == [] or (isinstance(message, list) and message[-1:] == ["hb"])


def _rows(message: Any) -> Iterator[list[Any]]:
    if isinstance(message, list):
        if message[:1] == ["pos"]:
            yield message
        else:
            for item in message:
                yield from _rows(item)


def _event(row: list[Any], context: Context) -> Event:
    if len(row) < 12:
        raise RecordError(f"expected 12 places, got {len(row)}")
    item = {name: row[place] for name, place in FIELDS.items()}
    symbol = text(item, "SYMBOL")
    amount = number(item, "AMOUNT")
    if not amount:
        raise RecordError("`AMOUNT` must not be 0: its sign is the side")
    for flag in ("IS_MATCH", "IS_MARKET_SOLD"):
        if item[flag] not in (0, 1) or isinstance(item[flag], bool):
            raise RecordError(f"`{flag}` must be 0 or 1, got {item[flag]!r}")
    if item["POS_ID"] is None:
        raise RecordError("`POS_ID` is missing")
    # BASE_PRICE is where the position was opened: no price of the liquidation
    price = number(item, "PRICE_ACQUIRED", optional=True)
    if price is not None and price <= 0:
        raise RecordError(f"`PRICE_ACQUIRED` must be above 0, got {price!r}")
    matched = item["IS_MATCH"] == 1
    ts_us = stamp(item, "MTS", "ms")
    quantity = abs(amount)
    return Event(
        venue="bitfinex",
        symbol=symbol,
        base=_base(symbol),
        liquidated_side="long" if amount > 0 else "short",
        price=price,
        price_kind=None if price is None else ("avg_fill" if matched else "mark"),
        qty_base=quantity,
        notional_usd=None if price is None else quantity * price,
        mechanism="backstop" if item["IS_MARKET_SOLD"] == 1 else "market",
        completeness="all",
        event_id=f"bitfinex:{item['POS_ID']}",
        ts_us=ts_us,
        received_us=context.received_us,
        market="linear",
        rank=1 if matched else 0,
    )


def _base(symbol: str) -> str:
    # tBTCF0:USTF0 (derivative), tBTCUSD, tDUSK:USD (margin); UST is tether here
    name = symbol.removeprefix("t")
    if ":" in name:
        left, right = name.split(":")
        if right.removesuffix("F0") not in ("UST", "USD"):
            raise RecordError(f"the quote of {symbol!r} is no known dollar, so USD is unknown")
        return coin(left.removesuffix("F0"))
    if name.endswith("UST") and len(name) > 3:
        return coin(name[:-3])
    return coin(base_of(name))
