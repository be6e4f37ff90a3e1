"""Binance: forceOrder streams (USD-M and COIN-M) and the historic liquidationSnapshot files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from features.sources.contracts import base_of, contract_of, sized
from features.sources.event import Completeness, Event, RecordError, member, number, stamp, text
from features.sources.venues.common import CLOSED_BY, Context, Outcome, each

__all__ = ["SNAPSHOT_COLUMNS", "force_order", "snapshot"]

SIDES = {"SELL": CLOSED_BY["sell"], "BUY": CLOSED_BY["buy"]}
COIN_MARGINED = re.compile(r"[A-Z0-9]+USD_(PERP|\d{6})")
SNAPSHOT_NAME = re.compile(r"([A-Z0-9_]+)-liquidationSnapshot-\d{4}-\d{2}-\d{2}")
SNAPSHOT_COLUMNS = (
    "time",
    "side",
    "order_type",
    "time_in_force",
    "original_quantity",
    "price",
    "average_price",
    "order_status",
    "last_fill_quantity",
    "accumulated_fill_quantity",
)


def force_order(message: Any, context: Context) -> Iterator[Outcome]:
    """Read a forceOrder message, bare, in a combined-stream wrapper, or an array of them."""
    if isinstance(message, Mapping) and "stream" in message and "data" in message:
        message = message["data"]
    if isinstance(message, Mapping) and set(message) <= {"result", "id"} and "id" in message:
        return  # the answer to a subscription
    items = message if isinstance(message, list) else [message]
    yield from each(items, lambda item: _force_order(item, context))


def _force_order(item: Any, context: Context) -> Event:
    if not isinstance(item, Mapping) or item.get("e") != "forceOrder":
        raise RecordError("no forceOrder message: `e` must be 'forceOrder'")
    order = item.get("o")
    if not isinstance(order, Mapping):
        raise RecordError("`o` must be an object with the order")
    stamp(item, "E", "ms")
    ts_us = stamp(order, "T", "ms")
    names = {"side": "S", "q": "q", "p": "p", "ap": "ap", "z": "z"}
    return _order(order, names, symbol=text(order, "s"), ts_us=ts_us, context=context)


def snapshot(row: Any, context: Context) -> Iterator[Outcome]:
    """Read one row of a liquidationSnapshot file; the symbol stands in the file name."""

    def read(item: Any) -> Event:
        if not isinstance(item, Mapping):
            raise RecordError(f"expected a row, got {type(item).__name__}")
        symbol = item.get("symbol")
        if not isinstance(symbol, str) or not symbol:
            found = SNAPSHOT_NAME.search(context.file)
            if not found:
                raise RecordError(
                    "the row has no symbol and the file is not called "
                    "SYMBOL-liquidationSnapshot-YYYY-MM-DD"
                )
            symbol = found.group(1)
        names = {
            "side": "side",
            "q": "original_quantity",
            "p": "price",
            "ap": "average_price",
            "z": "accumulated_fill_quantity",
        }
        ts_us = stamp(item, "time", "ms")
        return _order(
            item, names, symbol=symbol, ts_us=ts_us, context=context, completeness="snapshot"
        )

    yield from each([row], read)


def _order(
    order: Mapping[str, Any],
    names: Mapping[str, str],
    *,
    symbol: str,
    ts_us: int,
    context: Context,
    completeness: Completeness = "1_per_s",
) -> Event:
    side = member(order, names["side"], SIDES)
    limit = number(order, names["p"], optional=True)
    average = number(order, names["ap"], optional=True)
    original = number(order, names["q"], optional=True)
    filled = number(order, names["z"], optional=True)
    for name, value in zip(names.values(), (None, original, limit, average, filled), strict=True):
        if value is not None and value < 0:
            raise RecordError(f"`{name}` must not be negative, got {value!r}")
    # ap is "0" as long as nothing is filled; then only the limit price and the order size exist
    price = average or limit
    quantity = filled or original
    if not price:
        raise RecordError(f"neither `{names['ap']}` nor `{names['p']}` is a price above 0")
    if not quantity:
        raise RecordError(f"neither `{names['z']}` nor `{names['q']}` is a quantity above 0")
    inverse = COIN_MARGINED.fullmatch(symbol) is not None
    if inverse:
        # q, l and z are contracts, also where such an order turns up on the USD-M stream
        contract, base = contract_of("binance", symbol, own=context.contracts)
        quantity, notional = sized(contract, quantity, price)
    else:
        base = base_of(symbol.split("_")[0])
        notional = quantity * price
    return Event(
        venue="binance",
        symbol=symbol,
        base=base,
        liquidated_side=side,
        price=price,
        price_kind="avg_fill" if average else "order_limit",
        qty_base=quantity,
        notional_usd=notional,
        mechanism="market",
        completeness=completeness,
        # the key that the stream and the archive share
        event_id=f"binance:{symbol}:{ts_us}:{order[names['side']]}:{original}:{limit}",
        ts_us=ts_us,
        received_us=context.received_us,
        market="inverse" if inverse else "linear",
        rank=1 if completeness != "snapshot" else 0,
    )
