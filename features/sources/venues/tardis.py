"""Tardis.dev liquidations files: one CSV for many venues, ``amount`` in each venue's own unit.

Times are microseconds. ``side`` is the ORDER side on every venue: buy = a short was liquidated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from features.sources.contracts import base_of, contract_of, sized
from features.sources.event import (
    Completeness,
    Event,
    PriceKind,
    RecordError,
    member,
    positive,
    stamp,
    text,
)
from features.sources.venues.common import CLOSED_BY, Context, Outcome, coin, each

__all__ = ["liquidations"]

BYBIT_ALL_US = 1_740_009_600_000_000  # 2025-02-20, when allLiquidation was added


@dataclass(frozen=True)
class _Source:
    venue: str
    unit: Literal["base", "contracts", "by_symbol"]
    price_kind: PriceKind | None


SOURCES: dict[str, _Source] = {
    "binance-futures": _Source("binance", "base", "order_limit"),
    "binance-delivery": _Source("binance", "contracts", "order_limit"),
    "bybit": _Source("bybit", "by_symbol", "bankruptcy"),
    "okex-swap": _Source("okx", "contracts", "bankruptcy"),
    "okex-futures": _Source("okx", "contracts", "bankruptcy"),
    "bitmex": _Source("bitmex", "contracts", "bankruptcy"),
    "deribit": _Source("deribit", "contracts", "avg_fill"),
    "gate-io-futures": _Source("gate", "contracts", None),
}


def liquidations(row: Any, context: Context) -> Iterator[Outcome]:
    """Read one row."""
    yield from each([row], lambda item: _event(item, context))


def _event(row: Mapping[str, Any], context: Context) -> Event:
    exchange = text(row, "exchange")
    source = SOURCES.get(exchange)
    if source is None:
        raise RecordError(
            f"the unit of `amount` on {exchange!r} is unknown; known: {sorted(SOURCES)}"
        )
    symbol = text(row, "symbol")
    side = member(row, "side", CLOSED_BY)
    price, amount = positive(row, "price"), positive(row, "amount")
    ts_us = stamp(row, "timestamp", "us")
    received = stamp(row, "local_timestamp", "us")
    linear = source.unit == "base" or (
        source.unit == "by_symbol" and symbol.endswith(("USDT", "PERP"))
    )
    quantity: float | None
    notional: float | None
    if linear:
        quantity, notional = amount, amount * price
        base = symbol[:-4] if symbol.endswith("PERP") else base_of(symbol.split("_")[0])
        market = "linear"
    else:
        contract, base = contract_of(source.venue, symbol, own=context.contracts)
        market = contract.market
        quantity, notional = sized(contract, amount, price)
    given = str(row.get("id") or "").strip()
    return Event(
        venue=source.venue,
        symbol=symbol,
        base=coin(base),
        liquidated_side=side,
        price=price,
        price_kind=source.price_kind,
        qty_base=quantity,
        notional_usd=notional,
        mechanism="market",
        completeness=_completeness(source.venue, ts_us),
        event_id=(
            f"tardis:{exchange}:{symbol}:{given}"
            if given
            else f"tardis:{exchange}:{symbol}:{ts_us}:{row['side']}:{amount}:{price}"
        ),
        ts_us=ts_us,
        received_us=received,
        market=market,
    )


def _completeness(venue: str, ts_us: int) -> Completeness:
    # what the stream that was recorded left out at that time
    if venue == "binance":
        return "1_per_s"
    if venue == "bybit":
        return "all" if ts_us >= BYBIT_ALL_US else "1_per_s"
    if venue == "okx":
        return "snapshot"
    return "all"
