"""The registry of liquidation formats: name to adapter, and what is known about each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from features.errors import UsageError
from features.sources.venues import (
    binance,
    bitfinex,
    bitmex,
    bybit,
    coinalyze,
    coinglass,
    deribit,
    dydx,
    gate,
    htx,
    hyperliquid,
    okx,
    onchain,
    tardis,
)
from features.sources.venues.common import Adapter

__all__ = ["FORMATS", "Format", "describe_formats", "format_named"]


@dataclass(frozen=True)
class Format:
    """One way in which liquidations reach us.

    Parameters
    ----------
    name : str
        What ``import --format`` takes; it contains the venue's name.
    adapter : Adapter
        Raw record to events.
    what : str
        One line for the user.
    verified : bool
        Whether fields AND their meaning were read in the venue's documentation or in its client
        code; False where a part is from general knowledge.
    note : str
        Which part is not verified, or what bites.
    columns : Sequence of str
        Columns of files that come without header.
    totals : bool
        Bars of totals, not events: they never enter the tape.
    """

    name: str
    adapter: Adapter
    what: str
    verified: bool
    note: str = ""
    columns: Sequence[str] = ()
    totals: bool = False


_ALL = (
    Format(
        "binance-forceorder",
        binance.force_order,
        "USD-M forceOrder stream messages",
        verified=True,
        note="at most one order a symbol and second since 2021-04-27: lower bounds",
    ),
    Format(
        "binance-coinm-forceorder",
        binance.force_order,
        "COIN-M forceOrder stream messages; quantities are contracts",
        verified=True,
        note="contract value 100 USD for BTC and 10 USD for the others; a few coins may differ",
    ),
    Format(
        "binance-snapshot",
        binance.snapshot,
        "historic liquidationSnapshot files, every row twice",
        verified=True,
        note="built from the throttled stream; early files have no header",
        columns=binance.SNAPSHOT_COLUMNS,
    ),
    Format(
        "bybit-liquidation",
        bybit.liquidation,
        "v5 allLiquidation and the older liquidation topic; side is the position's",
        verified=True,
        note="price is the bankruptcy price, not the fill",
    ),
    Format(
        "okx-liquidation-orders",
        okx.liquidation_orders,
        "v5 liquidation-orders, push or REST; sizes are contracts",
        verified=True,
        note="the venue says the channel does not carry every liquidation; coin-margined contract "
        "values are not verified",
    ),
    Format(
        "bitmex-liquidation",
        bitmex.liquidation,
        "table changes of open liquidation orders; an insert counts once",
        verified=True,
        note="records carry no time: wrap them in an envelope with received_at; contract values "
        "other than XBTUSD are not verified",
    ),
    Format(
        "deribit-trades",
        deribit.trades,
        "trades with a liquidation key (M, T or MT)",
        verified=True,
        note="futures and perpetuals only",
    ),
    Format(
        "gate-liq-orders",
        gate.liq_orders,
        "REST liq_orders; the sign of size is the position's side",
        verified=True,
        note="contract values other than BTC_USDT are not verified",
    ),
    Format(
        "htx-linear-swap",
        htx.linear_swap,
        "linear-swap liquidations (side, position_side, liquidation_time)",
        verified=True,
    ),
    Format(
        "htx-futures",
        htx.futures,
        "older futures and swap liquidations (direction, offset, created_at)",
        verified=True,
        note="that price is the bankruptcy price is not verified",
    ),
    Format(
        "bitfinex-liquidations",
        bitfinex.liquidations,
        "liquidations/hist arrays; trigger and execution count once",
        verified=True,
        note="the base price is where the position was opened, so it is never used as price",
    ),
    Format(
        "hyperliquid-fills",
        hyperliquid.fills,
        "fills with a liquidation object: node files or user fills",
        verified=True,
        note="user fills cover that account only; the direction text of ADL fills is not verified",
    ),
    Format(
        "dydx-trades",
        dydx.trades,
        "v4 indexer trades of type LIQUIDATED or DELEVERAGED",
        verified=False,
        note="that side is the liquidated account's order side is not verified",
    ),
    Format(
        "tardis-csv",
        tardis.liquidations,
        "daily liquidations CSV of many venues, times in microseconds",
        verified=False,
        note="column order and the meaning of side are not verified",
    ),
    Format(
        "coinglass-pair",
        coinglass.pair,
        "totals a bar of one exchange pair, two records a bar",
        verified=True,
        totals=True,
    ),
    Format(
        "coinglass-aggregated",
        coinglass.aggregated,
        "totals a bar of one coin over exchanges, two records a bar",
        verified=True,
        totals=True,
    ),
    Format(
        "coinglass-orders",
        coinglass.orders,
        "order feed above a smallest size; side is the order's",
        verified=True,
        note="what the price is, the vendor does not say",
    ),
    Format(
        "coinalyze-history",
        coinalyze.history,
        "totals a bar in base coin, two records a bar, times in seconds",
        verified=True,
        totals=True,
    ),
    Format(
        "coinalyze-history-usd",
        coinalyze.history_usd,
        "the same from a request with convert_to_usd=true",
        verified=True,
        totals=True,
    ),
    Format(
        "aave-liquidations",
        onchain.aave,
        "tidy on-chain file or decoded LiquidationCall",
        verified=True,
        note="token addresses and decimals are not verified",
    ),
    Format(
        "compound-liquidations",
        onchain.compound,
        "tidy on-chain file or decoded AbsorbCollateral",
        verified=False,
        note="the tidy file names neither coin nor side; eight decimals of usdValue not verified",
    ),
)

FORMATS: dict[str, Format] = {entry.name: entry for entry in _ALL}


def format_named(name: str) -> Format:
    """Return a format.

    Raises
    ------
    UsageError
        If there is none of that name.
    """
    if name not in FORMATS:
        raise UsageError(f"no format {name!r}. Expected one of: {', '.join(FORMATS)}.")
    return FORMATS[name]


def describe_formats() -> list[dict[str, Any]]:
    """List the formats: name, what it is, whether it was verified, and what to watch."""
    return [
        {
            "name": entry.name,
            "what": entry.what,
            "verified": entry.verified,
            "note": entry.note or None,
            "totals": entry.totals,
        }
        for entry in _ALL
    ]
