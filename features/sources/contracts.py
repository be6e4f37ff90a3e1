"""What one contract is worth: needed wherever a venue counts contracts instead of coins.

A contract that is not in this table is of unknown size: its events have none, never one scaled by a
guess; where the symbol does not even name coin and dollar, the record is quarantined. `verified`
says whether the value was read in the venue's own documentation or client code; the others are
widely used values that a user should check against the venue before relying on them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from features.sources.event import RecordError

__all__ = ["CONTRACTS", "Contract", "base_of", "contract_of", "is_usd", "quote_of", "sized"]

USD_QUOTES = ("USDT", "USDC", "BUSD", "FDUSD", "TUSD", "USDE", "DAI", "USD")


@dataclass(frozen=True)
class Contract:
    """Value of one contract.

    Parameters
    ----------
    venue : str
        Venue name as in the canonical event.
    pattern : str
        Regular expression for the whole symbol; group ``base`` gives the coin where it varies.
    kind : {"base", "usd", "unknown"}
        Whether `value` is base coin (linear) or USD (inverse), or nobody knows.
    value : float
        Base coin or USD a contract.
    base : str
        The coin, where the pattern has no such group.
    verified : bool
        Read in the venue's documentation or client code.
    """

    venue: str
    pattern: str
    kind: Literal["base", "usd", "unknown"]
    value: float
    base: str = ""
    verified: bool = False

    @property
    def market(self) -> str:
        """What the venue calls such contracts; empty where the kind is unknown."""
        return {"base": "linear", "usd": "inverse", "unknown": ""}[self.kind]


CONTRACTS: tuple[Contract, ...] = (
    # COIN-M: 100 USD for BTC, 10 USD for the other coins (Binance, contract specifications)
    Contract("binance", r"BTCUSD_(PERP|\d{6})", "usd", 100.0, "BTC", verified=True),
    Contract("binance", r"(?P<base>[A-Z0-9]+)USD_(PERP|\d{6})", "usd", 10.0, verified=True),
    # OKX ctVal
    Contract("okx", r"BTC-USDT-(SWAP|\d{6})", "base", 0.01, "BTC", verified=True),
    Contract("okx", r"ETH-USDT-(SWAP|\d{6})", "base", 0.1, "ETH", verified=True),
    Contract("okx", r"BTC-USD-(SWAP|\d{6})", "usd", 100.0, "BTC"),
    Contract("okx", r"ETH-USD-(SWAP|\d{6})", "usd", 10.0, "ETH"),
    # BitMEX: one dollar a contract for the inverse XBT instruments
    Contract("bitmex", r"XBTUSD", "usd", 1.0, "BTC", verified=True),
    Contract("bitmex", r"XBT[FGHJKMNQUVXZ]\d{2}", "usd", 1.0, "BTC"),
    Contract("bitmex", r"XBTUSDT", "base", 1e-6, "BTC"),
    # Gate quanto_multiplier
    Contract("gate", r"BTC_USDT", "base", 0.0001, "BTC", verified=True),
    Contract("gate", r"ETH_USDT", "base", 0.01, "ETH"),
    Contract("gate", r"BTC_USD", "usd", 1.0, "BTC"),
    # Bybit inverse: the size IS dollars (BTCUSD, ETHUSDH25)
    Contract("bybit", r"(?P<base>[A-Z0-9]+?)USD([FGHJKMNQUVXZ]\d{2})?", "usd", 1.0, verified=True),
    # Deribit perpetuals and futures settled in coin: the amount IS dollars
    Contract(
        "deribit",
        r"(?P<base>BTC|ETH)-(PERPETUAL|\d{1,2}[A-Z]{3}\d{2})",
        "usd",
        1.0,
        verified=True,
    ),
    Contract(
        "deribit", r"(?P<base>[A-Z0-9]+)_USD[CT]-(PERPETUAL|\d{1,2}[A-Z]{3}\d{2})", "base", 1.0
    ),
)


def contract_of(
    venue: str, symbol: str, *, own: Mapping[str, Contract] | None = None
) -> tuple[Contract, str]:
    """Find the contract of a symbol and its base coin.

    Returns
    -------
    Contract, str
        A contract of unknown kind where neither `own` (by ``venue:symbol``) nor the table has it.

    Raises
    ------
    RecordError
        If such a symbol does not name a coin against a dollar, as options do not.
    """
    given = (own or {}).get(f"{venue}:{symbol}")
    if given is not None:
        return given, given.base
    for contract in CONTRACTS:
        if contract.venue == venue:
            found = re.fullmatch(contract.pattern, symbol)
            if found:
                return contract, contract.base or found.group("base")
    coin, *rest = re.split("[-_]", symbol)
    if (rest and rest[0] not in USD_QUOTES) or len(rest) > 2:
        raise RecordError(f"unknown contract {symbol!r} on {venue}: it names no coin and dollar")
    coin = coin if rest else base_of(symbol)
    base = "BTC" if coin == "XBT" else coin
    return Contract(venue, re.escape(symbol), "unknown", float("nan"), base), base


def sized(contract: Contract, contracts: float, price: float) -> tuple[float | None, float | None]:
    """Turn a number of contracts into (base coin, USD) at a price; None where nobody knows."""
    if contract.kind == "unknown":
        return None, None
    if contract.kind == "usd":
        notional = contracts * contract.value
        return notional / price, notional
    quantity = contracts * contract.value
    return quantity, quantity * price


def quote_of(symbol: str) -> str | None:
    """Return the dollar-like quote that a joined symbol ends with, None if it has none."""
    return next((q for q in USD_QUOTES if symbol.endswith(q) and len(symbol) > len(q)), None)


def base_of(symbol: str) -> str:
    """Return the coin of a joined symbol such as ``BTCUSDT``.

    Raises
    ------
    RecordError
        If the quote is not a dollar: its notional would not be USD.
    """
    quote = quote_of(symbol)
    if quote is None:
        raise RecordError(f"the quote of {symbol!r} is no known dollar, so USD is unknown")
    return symbol[: -len(quote)]


def is_usd(symbol: str) -> bool:
    """Tell whether a token is a dollar stablecoin."""
    return symbol.upper() in {*USD_QUOTES, "LUSD", "GUSD", "USDP", "SUSD", "GHO", "PYUSD", "CRVUSD"}
