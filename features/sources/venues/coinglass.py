"""Coinglass v4: pair and aggregated liquidation totals, and the order feed.

The totals are no events: each bar becomes two records, one a side, with completeness
``aggregate``, no price and no quantity. The order feed carries single orders, above a smallest
size that the request chose, so it is a sample.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from features.sources.event import Event, RecordError, Side, member, number, positive, stamp, text
from features.sources.venues.common import CLOSED_BY, Context, Outcome, coin, each, listed

__all__ = ["aggregated", "orders", "pair"]

# 1 = Buy order, 2 = Sell order; CSV gives them as text
ORDER_SIDE: dict[Any, Side] = {
    1: CLOSED_BY["buy"],
    2: CLOSED_BY["sell"],
    "1": CLOSED_BY["buy"],
    "2": CLOSED_BY["sell"],
}


def pair(message: Any, context: Context) -> Iterator[Outcome]:
    """Read liquidation/history of one exchange pair (numbers are texts)."""
    yield from _totals(message, context, "long_liquidation_usd", "short_liquidation_usd")


def aggregated(message: Any, context: Context) -> Iterator[Outcome]:
    """Read liquidation/aggregated-history of one coin over a list of exchanges."""
    yield from _totals(
        message, context, "aggregated_long_liquidation_usd", "aggregated_short_liquidation_usd"
    )


def orders(message: Any, context: Context) -> Iterator[Outcome]:
    """Read liquidation/order, or the older liquidationOrders channel."""
    yield from each(_rows(message), lambda row: _order(row, context))


def _rows(message: Any) -> list[Any]:
    if isinstance(message, list):
        return message
    if not isinstance(message, Mapping):
        raise RecordError(f"expected a message object, got {type(message).__name__}")
    if "code" in message and "data" not in message:
        raise RecordError(f"the answer is an error: {message.get('msg')!r}")
    if "data" in message:
        if "code" in message and str(message["code"]) != "0":
            raise RecordError(f"the answer is an error: {message.get('msg')!r}")
        return listed(message, "data")
    return [message]


def _totals(message: Any, context: Context, long_key: str, short_key: str) -> Iterator[Outcome]:
    for row in _rows(message):
        try:
            ts_us = stamp(row, "time", "ms")
            values: dict[Side, float | None] = {
                "long": number(row, long_key),
                "short": number(row, short_key),
            }
            if any(value is None or value < 0 for value in values.values()):
                raise RecordError(f"`{long_key}` and `{short_key}` must not be negative")
        except RecordError as error:
            yield error
            continue
        symbol = row.get("symbol") or context.extra.get("symbol")
        exchange = str(row.get("exchange") or context.extra.get("exchange") or "").lower()
        venue = f"coinglass_{exchange}" if exchange else "coinglass"
        for side, value in values.items():
            yield Event(
                venue=venue,
                symbol=symbol,
                base=_base(symbol),
                liquidated_side=side,
                price=None,
                price_kind=None,
                qty_base=None,
                notional_usd=value,
                mechanism="market",
                completeness="aggregate",
                event_id=f"{venue}:{symbol}:{long_key}:{ts_us}:{side}",
                ts_us=ts_us,
                received_us=context.received_us,
            )


def _base(symbol: Any) -> str | None:
    if not isinstance(symbol, str) or not symbol:
        return None
    for quote in ("USDT", "USDC", "USD"):
        if symbol.endswith(quote) and len(symbol) > len(quote):
            return coin(symbol[: -len(quote)])
    return coin(symbol)


def _order(row: Any, context: Context) -> Event:
    if not isinstance(row, Mapping):
        raise RecordError("orders must be objects")
    old = "exName" in row
    exchange = text(row, "exName" if old else "exchange_name").lower()
    base = coin(text(row, "baseAsset" if old else "base_asset"))
    symbol = text(row, "symbol")
    side = member(row, "side", ORDER_SIDE)
    price = positive(row, "price")
    notional = positive(row, "volUsd" if old else "usd_value")
    ts_us = stamp(row, "time", "ms")
    return Event(
        venue=exchange,
        symbol=symbol,
        base=base,
        liquidated_side=side,
        price=price,
        price_kind=None,
        qty_base=notional / price,
        notional_usd=notional,
        mechanism="market",
        completeness="snapshot",
        event_id=f"coinglass:{exchange}:{symbol}:{ts_us}:{row['side']}:{notional}:{price}",
        ts_us=ts_us,
        received_us=context.received_us,
    )
