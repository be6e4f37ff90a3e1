"""Gate futures liquidation orders (REST). The sign of ``size`` is the side of the POSITION."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from features.sources.contracts import contract_of, sized
from features.sources.event import Event, RecordError, number, stamp, text
from features.sources.venues.common import Context, Outcome, each

__all__ = ["liq_orders"]


def liq_orders(message: Any, context: Context) -> Iterator[Outcome]:
    """Read one order or the list that the route gives."""
    items = message if isinstance(message, list) else [message]
    yield from each(items, lambda item: _event(item, context))


def _event(item: Any, context: Context) -> Event:
    if not isinstance(item, Mapping):
        raise RecordError(f"expected an order object, got {type(item).__name__}")
    symbol = text(item, "contract")
    size = number(item, "size")
    left = number(item, "left", optional=True) or 0.0
    if not size:
        raise RecordError("`size` must not be 0: its sign is the side")
    filled = abs(size - left)
    fill = number(item, "fill_price", optional=True)
    order = number(item, "order_price", optional=True)
    if (fill or 0) < 0 or (order or 0) < 0:
        raise RecordError("prices must not be negative")
    price = fill or order
    if not price:
        raise RecordError("neither `fill_price` nor `order_price` is a price above 0")
    if left and (abs(left) > abs(size) or left * size < 0):
        raise RecordError(f"`left` {left!r} is no part of `size` {size!r}")
    if not filled:
        # nothing was executed: the order itself is all there is
        filled, fill = abs(size), None
    ts_us = stamp(item, "time", "s")
    contract, base = contract_of("gate", symbol, own=context.contracts)
    quantity, notional = sized(contract, filled, price)
    return Event(
        venue="gate",
        symbol=symbol,
        base=base,
        liquidated_side="long" if size > 0 else "short",
        price=price,
        price_kind="avg_fill" if fill else "order_limit",
        qty_base=quantity,
        notional_usd=notional,
        mechanism="market",
        completeness="all",
        event_id=f"gate:{symbol}:{ts_us}:{size}:{left}:{price}",
        ts_us=ts_us,
        received_us=context.received_us,
        market=contract.market,
    )
