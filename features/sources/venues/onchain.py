"""Lending liquidations on chain: the tidy Aave and Compound files, and decoded contract events.

What is seized is sold: a position that held a coin as collateral was long that coin, whatever it
had borrowed. Only where dollars were posted and a coin was borrowed is it a short.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from features.sources.contracts import is_usd
from features.sources.event import Event, RecordError, Side, number, positive, stamp, text
from features.sources.venues.common import Context, Outcome, each

__all__ = ["TOKENS", "aave", "compound"]

# token address (lower case) -> symbol, decimals; Ethereum main net
TOKENS: dict[str, tuple[str, int]] = {
    "0x2260fac5e5542a773aa44fbcfedf7c193bc2c599": ("WBTC", 8),
    "0xcbb7c0000ab88b473b1f5afd9ef808440eed33bf": ("CBBTC", 8),
    "0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2": ("WETH", 18),
    "0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48": ("USDC", 6),
    "0xdac17f958d2ee523a2206206994597c13d831ec7": ("USDT", 6),
    "0x6b175474e89094c44da98b954eedeac495271d0f": ("DAI", 18),
}
COINS = {"WBTC": "BTC", "CBBTC": "BTC", "TBTC": "BTC", "WETH": "ETH", "WSTETH": "ETH"}


def aave(message: Any, context: Context) -> Iterator[Outcome]:
    """Read a row of the tidy file, or a decoded LiquidationCall."""
    decoded = isinstance(message, Mapping) and "collateralAsset" in message
    read = _liquidation_call if decoded else _aave_row
    yield from each([message], lambda item: read(item, context))


def compound(message: Any, context: Context) -> Iterator[Outcome]:
    """Read a row of the tidy file, or a decoded AbsorbCollateral."""
    decoded = isinstance(message, Mapping) and "collateralAbsorbed" in message
    read = _absorb_collateral if decoded else _compound_row
    yield from each([message], lambda item: read(item, context))


def _event(**fields: Any) -> Event:
    return Event(
        mechanism="onchain",
        completeness="all",
        market="onchain",
        price_kind="mark" if fields["price"] is not None else None,
        **fields,
    )


def _base(symbol: str) -> str:
    return COINS.get(symbol.upper(), symbol.upper())


def _aave_row(row: Any, context: Context) -> Event:
    token = text(row, "collateral_symbol")
    quantity = positive(row, "amount_tokens")
    notional = positive(row, "notional_usd")
    ts_us = stamp(row, "timestamp", "iso")
    parties = f"{text(row, 'liquidator')}:{text(row, 'liquidatee')}"
    return _event(
        venue=f"aave_{text(row, 'aave_version').lower()}",
        symbol=token,
        base=_base(token),
        liquidated_side="long",
        price=notional / quantity,
        qty_base=quantity,
        notional_usd=notional,
        event_id=f"aave:{row.get('tx_hash') or ts_us}:{parties}:{token}:{quantity}",
        ts_us=ts_us,
        received_us=context.received_us,
    )


def _compound_row(row: Any, context: Context) -> Event:
    # the file says what was worth how much, neither which coin it was nor what was owed
    notional = number(row, "value_liquidated_usd")
    if notional is None or notional < 0:  # dust is written as 0.0
        raise RecordError(f"`value_liquidated_usd` must not be negative, got {notional!r}")
    ts_us = stamp(row, "timestamp", "iso")
    return _event(
        venue="compound_v3",
        symbol=text(row, "comet"),
        base=None,
        liquidated_side=None,
        price=None,
        qty_base=None,
        notional_usd=notional,
        event_id=(
            f"compound:{text(row, 'chain')}:{text(row, 'tx_hash')}:{text(row, 'borrower')}"
            f":{row['comet']}:{notional}"
        ),
        ts_us=ts_us,
        received_us=context.received_us,
    )


def _token(record: Mapping[str, Any], key: str) -> tuple[str, int]:
    address = text(record, key)
    if address.lower() not in TOKENS:
        raise RecordError(f"unknown token {address} in `{key}`: its decimals are not known")
    return TOKENS[address.lower()]


def _time(record: Mapping[str, Any]) -> int | None:
    for key, unit in (("blockTimestamp", "s"), ("timestamp", "s")):
        if record.get(key) is not None:
            return stamp(record, key, unit)
    return None


def _where(record: Mapping[str, Any]) -> str:
    parts = (record.get("transactionHash"), record.get("logIndex"))
    if parts[0] is None:
        raise RecordError("`transactionHash` is missing: a repeat could not be told")
    return f"{parts[0]}:{parts[1]}"


def _liquidation_call(record: Mapping[str, Any], context: Context) -> Event:
    collateral, decimals = _token(record, "collateralAsset")
    debt, debt_decimals = _token(record, "debtAsset")
    seized = positive(record, "liquidatedCollateralAmount") / 10**decimals
    repaid = positive(record, "debtToCover") / 10**debt_decimals
    side: Side | None = "long"
    base, quantity, notional = _base(collateral), seized, None
    if is_usd(collateral):
        # dollars posted, a coin borrowed: the short of that coin was closed
        side = None if is_usd(debt) else "short"
        base, quantity, notional = _base(debt), repaid, seized
    return _event(
        venue="aave",
        symbol=f"{collateral}/{debt}",
        base=base,
        liquidated_side=side,
        price=None,
        qty_base=quantity,
        notional_usd=notional,
        event_id=f"aave:{_where(record)}",
        ts_us=_time(record),
        received_us=context.received_us,
    )


def _absorb_collateral(record: Mapping[str, Any], context: Context) -> Event:
    collateral, decimals = _token(record, "asset")
    quantity = positive(record, "collateralAbsorbed") / 10**decimals
    # the protocol's price feeds have eight decimals
    notional = number(record, "usdValue", optional=True)
    notional = notional / 1e8 if notional else None
    return _event(
        venue="compound_v3",
        symbol=collateral,
        base=_base(collateral),
        liquidated_side=None if is_usd(collateral) else "long",
        price=notional / quantity if notional else None,
        qty_base=quantity,
        notional_usd=notional,
        event_id=f"compound:{_where(record)}",
        ts_us=_time(record),
        received_us=context.received_us,
    )
