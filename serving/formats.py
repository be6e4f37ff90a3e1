"""Order shapes of brokers, as pure text and dictionaries; nothing here sends anything.

Shapes follow the brokers' public pages: tastytrade "Multi-leg spreads" and "Order submission",
Schwab Trader API "Order" model, IBKR TWS API "Spreads". Option symbols follow the OCC's Options
Symbology Initiative (OSI).
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from features.errors import UsageError

__all__ = [
    "LEG_COLUMNS",
    "ibkr_order",
    "legs_csv",
    "osi_symbol",
    "parse_osi",
    "schwab_order",
    "tastytrade_order",
]

LEG_COLUMNS = (
    "signal_id",
    "book",
    "action",
    "qty",
    "right",
    "strike",
    "expiry",
    "osi",
    "mid",
    "iv",
    "delta",
    "limit_price",
    "low",
    "high",
    "source",
)
_TASTY = {
    "BTO": "Buy to Open",
    "STO": "Sell to Open",
    "BTC": "Buy to Close",
    "STC": "Sell to Close",
}
_SCHWAB = {
    "BTO": "BUY_TO_OPEN",
    "STO": "SELL_TO_OPEN",
    "BTC": "BUY_TO_CLOSE",
    "STC": "SELL_TO_CLOSE",
}
_OSI = re.compile(r"^([A-Z0-9]{1,6}) *(\d{6})([CP])(\d{8})$")


def osi_symbol(root: str, expiry: date, right: str, strike: float, *, padded: bool = True) -> str:
    """Give the OCC symbol: root padded to six, YYMMDD, C or P, strike times 1000 in eight digits.

    Parameters
    ----------
    root : str
        ``SPXW`` settles PM, ``SPX`` AM; ``VIX`` monthly.
    expiry : date
    right : str
        ``C`` or ``P``.
    strike : float
        A multiple of 0.001.
    padded : bool
        Whether the root is padded with spaces, as the OCC writes it.

    Examples
    --------
    >>> osi_symbol("SPXW", date(2026, 11, 23), "P", 6990)
    'SPXW  261123P06990000'
    """
    if right not in ("C", "P"):
        raise UsageError(f"`right` must be C or P, got {right!r}.")
    if not re.fullmatch(r"[A-Z0-9]{1,6}", root):
        raise UsageError(f"`root` must be one to six capitals or digits, got {root!r}.")
    thousandths = Decimal(str(strike)) * 1000
    if thousandths != thousandths.to_integral_value() or not 0 < thousandths < 10**8:
        raise UsageError(
            f"`strike` must be a positive multiple of 0.001 below 100000, got {strike}."
        )
    shown = root.ljust(6) if padded else root
    return f"{shown}{expiry:%y%m%d}{right}{int(thousandths):08d}"


def parse_osi(symbol: str) -> tuple[str, date, str, float]:
    """Read an OCC symbol, padded or not: root, expiry, right, strike."""
    match = _OSI.match(symbol)
    if match is None:
        raise UsageError(
            f"{symbol!r} is no OCC option symbol. Expected like SPXW  261123P06990000."
        )
    root, day, right, strike = match.groups()
    expiry = date(2000 + int(day[:2]), int(day[2:4]), int(day[4:]))
    return root, expiry, right, int(strike) / 1000


def tastytrade_order(
    legs: Sequence[Mapping[str, Any]], *, quantity: int, price: float, credit: bool = True
) -> dict[str, Any]:
    """Shape a limit order for tastytrade.

    Parameters
    ----------
    legs : sequence of mapping
        ``action`` (BTO, STO, BTC, STC), ``qty`` a package, ``osi``.
    quantity : int
        Packages.
    price : float
        Net price of one package, positive.
    credit : bool
        Whether the price is received.

    Raises
    ------
    UsageError
        If there are more than four legs or a symbol stands twice: the broker rejects both.
    """
    _check(legs, quantity)
    return {
        "time-in-force": "Day",
        "order-type": "Limit",
        "price": f"{price:.2f}",
        "price-effect": "Credit" if credit else "Debit",
        "legs": [
            {
                "instrument-type": "Equity Option",
                "symbol": str(leg["osi"]),
                "quantity": int(leg["qty"]) * quantity,
                "action": _TASTY[str(leg["action"])],
            }
            for leg in legs
        ],
    }


def schwab_order(
    legs: Sequence[Mapping[str, Any]], *, quantity: int, price: float, credit: bool = True
) -> dict[str, Any]:
    """Shape a limit order for Schwab's Trader API; parameters as `tastytrade_order`."""
    _check(legs, quantity)
    kind = {4: "IRON_CONDOR", 2: "VERTICAL"}.get(len(legs), "NONE")
    single = len(legs) == 1
    return {
        "session": "NORMAL",
        "duration": "DAY",
        "orderType": "LIMIT" if single else ("NET_CREDIT" if credit else "NET_DEBIT"),
        "complexOrderStrategyType": kind,
        "quantity": quantity,
        "price": f"{price:.2f}",
        "orderStrategyType": "SINGLE",
        "orderLegCollection": [
            {
                "instruction": _SCHWAB[str(leg["action"])],
                "quantity": int(leg["qty"]) * quantity,
                "instrument": {"symbol": str(leg["osi"]), "assetType": "OPTION"},
            }
            for leg in legs
        ],
    }


def ibkr_order(
    legs: Sequence[Mapping[str, Any]], *, quantity: int, price: float, credit: bool = True
) -> dict[str, Any]:
    """Shape a combination order for Interactive Brokers; parameters as `tastytrade_order`.

    Notes
    -----
    IBKR knows an option by its contract id, which only a contract lookup gives: each leg carries
    the description to look up and a null ``conId``. The package is bought, so a credit is a
    negative limit price.
    """
    _check(legs, quantity)
    parsed = [parse_osi(str(leg["osi"])) for leg in legs]
    underlying = "VIX" if parsed[0][0].startswith("VIX") else "SPX"
    return {
        "contract": {
            "symbol": underlying,
            "secType": "BAG",
            "currency": "USD",
            "exchange": "SMART",
            "comboLegs": [
                {
                    "conId": None,
                    "ratio": int(leg["qty"]),
                    "action": "BUY" if str(leg["action"]).startswith("B") else "SELL",
                    "exchange": "SMART",
                    "lookup": {
                        "symbol": underlying,
                        "secType": "OPT",
                        "tradingClass": root,
                        "lastTradeDateOrContractMonth": f"{expiry:%Y%m%d}",
                        "strike": strike,
                        "right": right,
                        "multiplier": "100",
                        "currency": "USD",
                        "exchange": "SMART",
                    },
                }
                for leg, (root, expiry, right, strike) in zip(legs, parsed, strict=True)
            ],
        },
        "order": {
            "action": "BUY",
            "orderType": "LMT",
            "totalQuantity": quantity,
            "lmtPrice": -price if credit else price,
            "tif": "DAY",
            "transmit": False,
        },
    }


def legs_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Write one row a leg under `LEG_COLUMNS`; what is absent is empty."""
    out = io.StringIO()
    writer = csv.DictWriter(out, LEG_COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: "" if row.get(key) is None else row[key] for key in LEG_COLUMNS})
    return out.getvalue()


def _check(legs: Sequence[Mapping[str, Any]], quantity: int) -> None:
    symbols = [str(leg["osi"]) for leg in legs]
    if not 1 <= len(legs) <= 4:
        raise UsageError(f"an order has one to four legs, got {len(legs)}. Split it.")
    if len(set(symbols)) != len(symbols):
        raise UsageError(f"each leg needs a symbol of its own, got {symbols}. Merge equal legs.")
    if quantity < 1:
        raise UsageError(f"`quantity` must be at least 1, got {quantity}.")
