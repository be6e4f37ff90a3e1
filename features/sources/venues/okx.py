"""OKX v5 liquidation-orders, WebSocket push or REST answer. Sizes are contracts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from features.sources.contracts import contract_of, sized
from features.sources.event import Event, RecordError, member, positive, stamp, text
from features.sources.venues.common import CLOSED_BY, Context, Outcome, each, listed

__all__ = ["liquidation_orders"]

POSITION = {"long": "long", "short": "short", "net": None, "": None}


def liquidation_orders(message: Any, context: Context) -> Iterator[Outcome]:
    """Read every entry of every ``details`` array, not the first alone."""
    if not isinstance(message, Mapping):
        raise RecordError(f"expected a message object, got {type(message).__name__}")
    if message.get("event") in ("subscribe", "unsubscribe", "error"):
        return
    arg = message.get("arg")
    if arg is not None and (
        not isinstance(arg, Mapping) or arg.get("channel") != "liquidation-orders"
    ):
        raise RecordError("`arg.channel` must be 'liquidation-orders'")
    instruments = listed(message, "data") if "data" in message else [message]
    for instrument in instruments:
        if not isinstance(instrument, Mapping):
            yield RecordError("`data` must hold objects")
            continue
        try:
            symbol = text(instrument, "instId")
            details = listed(instrument, "details")
        except RecordError as error:
            yield error
            continue
        yield from each(details, lambda d, s=symbol: _event(d, s, context))  # type: ignore[misc]


def _event(detail: Any, symbol: str, context: Context) -> Event:
    side = member(detail, "side", CLOSED_BY)
    position = member(detail, "posSide", POSITION) if "posSide" in detail else None
    if position is not None and position != side:
        raise RecordError(f"side {detail['side']!r} closes a {side}, but posSide says {position!r}")
    price = positive(detail, "bkPx")
    contracts = positive(detail, "sz")
    ts_us = stamp(detail, "ts", "ms")
    contract, base = contract_of("okx", symbol, own=context.contracts)
    quantity, notional = sized(contract, contracts, price)
    return Event(
        venue="okx",
        symbol=symbol,
        base=base,
        liquidated_side=side,
        price=price,
        price_kind="bankruptcy",
        qty_base=quantity,
        notional_usd=notional,
        mechanism="market",
        # the venue says that the channel does not carry every liquidation; the one-order-a-second
        # rule that older documents give is not what recorded data show
        completeness="snapshot",
        event_id=f"okx:{symbol}:{ts_us}:{detail['side']}:{contracts}:{price}",
        ts_us=ts_us,
        received_us=context.received_us,
        market=contract.market,
    )
