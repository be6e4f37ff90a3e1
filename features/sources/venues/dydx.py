"""dYdX v4 indexer trades of type LIQUIDATED and DELEVERAGED; ``side`` is the taker's order side.

The taker of such a trade is the account that is being closed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from features.sources.event import Event, Mechanism, RecordError, member, positive, stamp, text
from features.sources.venues.common import CLOSED_BY, Context, Outcome, coin, each, listed

__all__ = ["trades"]

SIDES = {"SELL": CLOSED_BY["sell"], "BUY": CLOSED_BY["buy"]}
FORCED: dict[str, Mechanism] = {"LIQUIDATED": "market", "DELEVERAGED": "adl"}
VOLUNTARY = ("LIMIT", "MARKET", "TWAP_SUBORDER")


def trades(message: Any, context: Context) -> Iterator[Outcome]:
    """Read a v4_trades message, a REST answer, or one trade with its ``market``."""
    if not isinstance(message, Mapping):
        raise RecordError(f"expected a message object, got {type(message).__name__}")
    market = message.get("market") or message.get("ticker") or context.extra.get("market")
    if "contents" in message or message.get("channel") == "v4_trades":
        market = message.get("id") or market
        contents = message.get("contents")
        blocks = contents if isinstance(contents, list) else [contents]
        items: list[Any] = []
        for block in blocks:
            if not isinstance(block, Mapping):
                raise RecordError("`contents` must hold trades")
            items += listed(block, "trades")
    elif "trades" in message:
        items = listed(message, "trades")
    elif message.get("type") in ("connected", "unsubscribed"):
        return
    else:
        items = [message]
    yield from each(items, lambda item: _event(item, market, context))


def _event(item: Any, market: Any, context: Context) -> Event | None:
    kind = text(item, "type")
    if kind in VOLUNTARY:
        return None
    if kind not in FORCED:
        raise RecordError(f"`type` must be one of {[*FORCED, *VOLUNTARY]}, got {kind!r}")
    symbol = item.get("market") or item.get("ticker") or market
    if not isinstance(symbol, str) or not symbol.endswith("-USD"):
        raise RecordError(f"no market such as BTC-USD is given with the trade, got {symbol!r}")
    side = member(item, "side", SIDES)
    price, size = positive(item, "price"), positive(item, "size")
    ts_us = stamp(item, "createdAt", "iso")
    trade = item.get("id", f"{ts_us}:{item['side']}:{size}:{price}")
    return Event(
        venue="dydx",
        symbol=symbol,
        base=coin(symbol.removesuffix("-USD").split(",")[0]),
        liquidated_side=side,
        price=price,
        price_kind="avg_fill",
        qty_base=size,
        notional_usd=size * price,
        mechanism=FORCED[kind],
        completeness="all",
        event_id=f"dydx:{symbol}:{trade}",
        ts_us=ts_us,
        received_us=context.received_us,
        market="linear",
    )
