"""HTX (Huobi): the older futures shape and the newer linear-swap shape. Sides are ORDER sides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from features.sources.event import Event, RecordError, member, number, positive, stamp, text
from features.sources.venues.common import CLOSED_BY, Context, Outcome, coin, each, listed

__all__ = ["futures", "linear_swap"]

POSITION = {"long": "long", "short": "short", "both": None, "": None}


def futures(message: Any, context: Context) -> Iterator[Outcome]:
    """Read the shape with ``direction``, ``offset`` and ``created_at``."""
    for item in _rows(message):
        yield from each([item], lambda row: _old(row, context))


def linear_swap(message: Any, context: Context) -> Iterator[Outcome]:
    """Read the shape with ``side``, ``position_side`` and ``liquidation_time``."""
    for item in _rows(message):
        yield from each([item], lambda row: _new(row, context))


def _rows(message: Any) -> list[Any]:
    if isinstance(message, list):
        return message
    if not isinstance(message, Mapping):
        raise RecordError(f"expected a message object, got {type(message).__name__}")
    if message.get("op") in ("ping", "sub", "pong"):
        return []
    data = message.get("data")
    if isinstance(data, Mapping):
        return listed(data, "orders")
    return data if isinstance(data, list) else [message]


def _old(item: Any, context: Context) -> Event:
    side = member(item, "direction", CLOSED_BY)
    offset = item.get("offset", "close")
    # an order that opens a position liquidates nothing; one-way accounts say "both"
    if offset not in ("close", "both"):
        raise RecordError(f"`offset` must be 'close' or 'both', got {offset!r}")
    ts_us = stamp(item, "created_at", "ms")
    return _event(item, context, side=side, ts_us=ts_us, price=positive(item, "price"))


def _new(item: Any, context: Context) -> Event:
    side = member(item, "side", CLOSED_BY)
    position = member(item, "position_side", POSITION) if item.get("position_side") else None
    if position is not None and position != side:
        raise RecordError(
            f"side {item['side']!r} closes a {side}, but position_side says {position!r}"
        )
    ts_us = stamp(item, "liquidation_time", "ms")
    return _event(item, context, side=side, ts_us=ts_us, price=positive(item, "bankrupt_price"))


def _event(
    item: Mapping[str, Any], context: Context, *, side: Any, ts_us: int, price: float
) -> Event:
    symbol = text(item, "contract_code")
    parts = symbol.split("-")
    if len(parts) < 2 or parts[1] not in ("USDT", "USD", "USDC"):
        raise RecordError(f"`contract_code` must look like BTC-USDT, got {symbol!r}")
    # `amount` is in coin, `volume` in contracts of a size that differs from coin to coin
    quantity = positive(item, "amount")
    inverse = parts[1] == "USD"
    turnover = None if inverse else number(item, "trade_turnover", optional=True)
    if turnover is not None and turnover <= 0:
        raise RecordError(f"`trade_turnover` must be above 0, got {turnover!r}")
    return Event(
        venue="htx",
        symbol=symbol,
        base=coin(parts[0]),
        liquidated_side=side,
        price=price,
        price_kind="bankruptcy",
        qty_base=quantity,
        notional_usd=turnover if turnover is not None else quantity * price,
        mechanism="market",
        completeness="all",
        event_id=f"htx:{symbol}:{ts_us}:{side}:{quantity}:{price}",
        ts_us=ts_us,
        received_us=context.received_us,
        market="inverse" if inverse else "linear",
    )
