"""BitMEX liquidation table: a view of OPEN liquidation orders, sent as table changes.

An order counts once, when it is inserted, with its first ``leavesQty``. Updates are fills of the
same order and deletes close it: neither is another liquidation. Records carry no time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from features.sources.contracts import contract_of, sized
from features.sources.event import Event, RecordError, member, positive, text
from features.sources.venues.common import CLOSED_BY, Context, Outcome, each, listed

__all__ = ["liquidation"]

SIDES = {"Sell": CLOSED_BY["sell"], "Buy": CLOSED_BY["buy"]}
ACTIONS = ("partial", "insert", "update", "delete")


def liquidation(message: Any, context: Context) -> Iterator[Outcome]:
    """Read a table change, or the plain list that the REST route gives."""
    if isinstance(message, list):
        items, partial = message, True
    elif not isinstance(message, Mapping):
        raise RecordError(f"expected a message object, got {type(message).__name__}")
    elif "table" not in message and ("success" in message or "info" in message):
        return
    elif "table" in message:
        if message["table"] != "liquidation":
            raise RecordError(f"`table` must be 'liquidation', got {message['table']!r}")
        action = message.get("action")
        if action not in ACTIONS:
            raise RecordError(f"`action` must be one of {list(ACTIONS)}, got {action!r}")
        items, partial = listed(message, "data"), action == "partial"
        if action in ("update", "delete"):
            for item in items:
                text(item, "orderID")
            return
    else:
        items, partial = [message], True
    yield from each(items, lambda item: _event(item, context, partial=partial))


def _event(item: Any, context: Context, *, partial: bool) -> Event:
    order = text(item, "orderID")
    symbol = text(item, "symbol")
    side = member(item, "side", SIDES)
    price = positive(item, "price")
    contract, base = contract_of("bitmex", symbol, own=context.contracts)
    quantity, notional = sized(contract, positive(item, "leavesQty"), price)
    return Event(
        venue="bitmex",
        symbol=symbol,
        base=base,
        liquidated_side=side,
        price=price,
        price_kind="bankruptcy",
        qty_base=quantity,
        notional_usd=notional,
        mechanism="market",
        # an order first seen in a partial image may have been filled in part before
        completeness="snapshot" if partial else "all",
        event_id=f"bitmex:{order}",
        ts_us=context.received_us,
        received_us=context.received_us,
        market=contract.market,
        rank=0 if partial else 1,
    )
