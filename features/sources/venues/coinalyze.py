"""Coinalyze v1 liquidation-history: totals a bar and symbol, two records a bar.

``l`` and ``s`` are base coin unless the request said convert_to_usd=true. The answer does not say
which, so there is one format for each: nothing is guessed from the size of the numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from features.sources.event import Event, RecordError, Side, number, stamp, text
from features.sources.venues.common import Context, Outcome, coin, listed

__all__ = ["history", "history_usd"]

EXCHANGES = {"A": "binance", "6": "bybit"}


def history(message: Any, context: Context) -> Iterator[Outcome]:
    """Read amounts in base coin."""
    yield from _bars(message, context, usd=False)


def history_usd(message: Any, context: Context) -> Iterator[Outcome]:
    """Read amounts in USD (the request said convert_to_usd=true)."""
    yield from _bars(message, context, usd=True)


def _bars(message: Any, context: Context, *, usd: bool) -> Iterator[Outcome]:
    items = message if isinstance(message, list) else [message]
    for item in items:
        symbol = text(item, "symbol")
        venue, base = _names(symbol)
        # a CSV row is one bar of its own
        bars = listed(item, "history") if "history" in item else [item]
        for bar in bars:
            try:
                yield from _bar(bar, symbol, venue, base, context, usd=usd)
            except RecordError as error:
                yield error


def _names(symbol: str) -> tuple[str, str]:
    pair, _, code = symbol.rpartition(".")
    if not pair:
        raise RecordError(f"`symbol` must end with an exchange code such as .A, got {symbol!r}")
    for quote in ("USDT", "USDC", "USD"):
        name = pair.split("_")[0]
        if name.endswith(quote) and len(name) > len(quote):
            return f"coinalyze_{EXCHANGES.get(code, code.lower())}", coin(name[: -len(quote)])
    raise RecordError(f"the quote of {symbol!r} is no known dollar")


def _bar(
    bar: Any, symbol: str, venue: str, base: str, context: Context, *, usd: bool
) -> Iterator[Event]:
    if not isinstance(bar, Mapping):
        raise RecordError("`history` must hold objects")
    ts_us = stamp(bar, "t", "s")
    sides: tuple[tuple[Side, str], ...] = (("long", "l"), ("short", "s"))
    values = [(side, number(bar, key)) for side, key in sides]
    if any(value is None or value < 0 for _, value in values):
        raise RecordError("`l` and `s` must not be negative")
    for side, value in values:
        yield Event(
            venue=venue,
            symbol=symbol,
            base=base,
            liquidated_side=side,
            price=None,
            price_kind=None,
            qty_base=None if usd else value,
            notional_usd=value if usd else None,
            mechanism="market",
            completeness="aggregate",
            event_id=f"{venue}:{symbol}:{ts_us}:{side}:{'usd' if usd else 'base'}",
            ts_us=ts_us,
            received_us=context.received_us,
        )
