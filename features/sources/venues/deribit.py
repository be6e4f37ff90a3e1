"""Deribit trades: the ``liquidation`` key says which side of a trade was being liquidated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from features.sources.contracts import contract_of, sized
from features.sources.event import Event, RecordError, Side, member, positive, stamp, text
from features.sources.venues.common import Context, Outcome, listed

__all__ = ["trades"]

# direction is the taker's
TAKER: dict[str, Side] = {"sell": "long", "buy": "short"}
MAKER: dict[str, Side] = {"sell": "short", "buy": "long"}
WHO = {"T": (TAKER,), "M": (MAKER,), "MT": (TAKER, MAKER), "TM": (TAKER, MAKER)}


def trades(message: Any, context: Context) -> Iterator[Outcome]:
    """Read a trades notification, a REST answer, a list of trades, or one trade.

    A trade without the key is no liquidation and is passed over.
    """
    items = _items(message)
    for item in items:
        try:
            yield from _events(item, context)
        except RecordError as error:
            yield error


def _items(message: Any) -> list[Any]:
    if isinstance(message, list):
        return message
    if not isinstance(message, Mapping):
        raise RecordError(f"expected a message object, got {type(message).__name__}")
    if isinstance(message.get("params"), Mapping):
        return listed(message["params"], "data")
    if isinstance(message.get("result"), Mapping):
        return listed(message["result"], "trades")
    if "trade_id" in message or "instrument_name" in message:
        return [message]
    if "jsonrpc" in message and ("result" in message or "id" in message):
        return []  # the answer to a subscription
    raise RecordError("no trades: expected `params.data`, `result.trades` or a trade")


def _events(item: Any, context: Context) -> Iterator[Event]:
    if not isinstance(item, Mapping):
        raise RecordError("trades must be objects")
    symbol = text(item, "instrument_name")
    direction = text(item, "direction")
    if direction not in TAKER:
        raise RecordError(f"`direction` must be buy or sell, got {direction!r}")
    if item.get("liquidation") in (None, "", "none"):
        return
    who = member(item, "liquidation", WHO)
    price = positive(item, "price")
    amount = positive(item, "amount")
    ts_us = stamp(item, "timestamp", "ms")
    contract, base = contract_of("deribit", symbol, own=context.contracts)
    quantity, notional = sized(contract, amount, price)
    trade = item.get("trade_id", f"{ts_us}:{direction}:{amount}:{price}")
    for sides in who:
        side = sides[direction]
        yield Event(
            venue="deribit",
            symbol=symbol,
            base=base,
            liquidated_side=side,
            price=price,
            price_kind="avg_fill",
            qty_base=quantity,
            notional_usd=notional,
            mechanism="market",
            completeness="all",
            event_id=f"deribit:{symbol}:{trade}:{side}",
            ts_us=ts_us,
            received_us=context.received_us,
            market=contract.market,
        )
