"""Bybit v5: allLiquidation (every liquidation, batched) and the older throttled liquidation topic.

Both publish the side of the POSITION: ``Buy`` means that a long was liquidated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from features.sources.contracts import contract_of, quote_of, sized
from features.sources.event import (
    Completeness,
    Event,
    RecordError,
    Side,
    member,
    positive,
    stamp,
    text,
)
from features.sources.venues.common import Context, Outcome, each

__all__ = ["liquidation"]

POSITION: dict[str, Side] = {"Buy": "long", "Sell": "short"}
ALL = {"side": "S", "size": "v", "price": "p", "time": "T", "symbol": "s"}
OLD = {"side": "side", "size": "size", "price": "price", "time": "updatedTime", "symbol": "symbol"}


def liquidation(message: Any, context: Context) -> Iterator[Outcome]:
    """Read either topic: an array under ``data`` (new), one object (old)."""
    if not isinstance(message, Mapping):
        raise RecordError(f"expected a message object, got {type(message).__name__}")
    if message.get("op") in ("subscribe", "ping", "pong") or "ret_msg" in message:
        return
    if "topic" not in message and (set(ALL.values()) <= set(message) or "updatedTime" in message):
        # a recorder that kept the data alone; the field names tell which topic it was
        topic: Any = "allLiquidation" if "S" in message else "liquidation"
        data: Any = message
    else:
        topic, data = message.get("topic"), message.get("data")
    if not isinstance(topic, str) or topic.split(".")[0] not in ("allLiquidation", "liquidation"):
        raise RecordError(f"`topic` must be allLiquidation.* or liquidation.*, got {topic!r}")
    complete = topic.startswith("allLiquidation")
    items = data if isinstance(data, list) else [data]
    yield from each(items, lambda item: _event(item, context, complete=complete))


def _event(item: Any, context: Context, *, complete: bool) -> Event:
    if not isinstance(item, Mapping):
        raise RecordError("`data` must hold objects")
    # the shape decides how to read it, the topic how complete it is
    names = ALL if "S" in item else OLD
    symbol = text(item, names["symbol"])
    side = member(item, names["side"], POSITION)
    price = positive(item, names["price"])
    size = positive(item, names["size"])
    ts_us = stamp(item, names["time"], "ms")
    quote = quote_of(symbol.split("-")[0])
    inverse = False
    quantity: float | None
    notional: float | None
    if symbol.endswith("PERP"):  # USDC perpetuals
        base, quantity, notional = symbol[:-4], size, size * price
    elif quote is not None and quote != "USD":
        base, quantity, notional = symbol.split("-")[0][: -len(quote)], size, size * price
    else:
        contract, base = contract_of("bybit", symbol, own=context.contracts)
        inverse = contract.kind == "usd"
        quantity, notional = sized(contract, size, price)
    completeness: Completeness = "all" if complete else "1_per_s"
    return Event(
        venue="bybit",
        symbol=symbol,
        base=base,
        liquidated_side=side,
        price=price,
        price_kind="bankruptcy",
        qty_base=quantity,
        notional_usd=notional,
        mechanism="market",
        completeness=completeness,
        event_id=f"bybit:{symbol}:{ts_us}:{item[names['side']]}:{size}:{price}",
        ts_us=ts_us,
        received_us=context.received_us,
        market="inverse" if inverse else "linear",
        rank=1 if complete else 0,
    )
