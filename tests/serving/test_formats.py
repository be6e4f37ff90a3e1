from __future__ import annotations

import csv
import io
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import UsageError
from serving.formats import (
    LEG_COLUMNS,
    ibkr_order,
    legs_csv,
    osi_symbol,
    parse_osi,
    schwab_order,
    tastytrade_order,
)

EXPIRY = date(2026, 11, 23)
LEGS: list[dict[str, Any]] = [
    {"action": action, "qty": 1, "right": right, "osi": osi_symbol("SPXW", EXPIRY, right, strike)}
    for action, right, strike in (
        ("BTO", "P", 6980), ("STO", "P", 6990), ("STO", "C", 7250), ("BTO", "C", 7260),
    )
]  # fmt: skip


def test_the_occ_s_symbol() -> None:
    assert osi_symbol("SPXW", EXPIRY, "P", 6990) == "SPXW  261123P06990000"
    assert osi_symbol("VIX", EXPIRY, "C", 17.5, padded=False) == "VIX261123C00017500"


@given(
    st.sampled_from(["SPX", "SPXW", "VIX", "VIXW"]), st.dates(date(2000, 1, 1), date(2099, 12, 31)),
    st.sampled_from("CP"), st.integers(1, 10**8 - 1), st.booleans(),
)  # fmt: skip
def test_symbols_read_back(root: str, day: date, right: str, strike: int, padded: bool) -> None:
    symbol = osi_symbol(root, day, right, strike / 1000, padded=padded)
    assert not padded or len(symbol) == 21
    assert parse_osi(symbol) == (root, day, right, strike / 1000)


@pytest.mark.parametrize(
    ("right", "strike", "root"),
    [("X", 5, "SPX"), ("C", 0, "SPX"), ("C", 5.00001, "SPX"), ("C", 5, "toolong")],
)
def test_no_symbol_for_what_is_no_option(right: str, strike: float, root: str) -> None:
    with pytest.raises(UsageError):
        osi_symbol(root, EXPIRY, right, strike)


def test_tastytrade_s_schema() -> None:
    order = tastytrade_order(LEGS, quantity=3, price=0.7)
    assert order["order-type"] in {"Limit", "Market", "Marketable Limit", "Stop", "Stop Limit"}
    assert order["time-in-force"] in {"Day", "Ext", "GTC", "GTD", "IOC"}
    assert (order["price"], order["price-effect"]) == ("0.70", "Credit")
    assert len(order["legs"]) == 4
    for leg in order["legs"]:
        assert set(leg) == {"instrument-type", "symbol", "quantity", "action"}
        assert leg["instrument-type"] == "Equity Option" and leg["quantity"] == 3
        assert leg["action"] in {"Buy to Open", "Sell to Open", "Buy to Close", "Sell to Close"}
    assert len({leg["symbol"] for leg in order["legs"]}) == 4


def test_schwab_s_schema() -> None:
    order = schwab_order(LEGS, quantity=2, price=1.15)
    assert order["orderType"] == "NET_CREDIT"
    assert order["complexOrderStrategyType"] == "IRON_CONDOR"
    assert order["orderStrategyType"] == "SINGLE" and order["price"] == "1.15"
    instructions = [leg["instruction"] for leg in order["orderLegCollection"]]
    assert instructions == ["BUY_TO_OPEN", "SELL_TO_OPEN", "SELL_TO_OPEN", "BUY_TO_OPEN"]
    for leg in order["orderLegCollection"]:
        assert leg["instrument"]["assetType"] == "OPTION" and len(leg["instrument"]["symbol"]) == 21
    single = schwab_order(LEGS[:1], quantity=1, price=1.2, credit=False)
    assert (single["orderType"], single["complexOrderStrategyType"]) == ("LIMIT", "NONE")


def test_ibkr_buys_the_package_at_a_negative_price_and_looks_contracts_up() -> None:
    order = ibkr_order(LEGS, quantity=2, price=0.7)
    assert order["contract"]["secType"] == "BAG" and order["order"]["lmtPrice"] == -0.7
    assert order["order"]["transmit"] is False
    legs = order["contract"]["comboLegs"]
    assert [leg["action"] for leg in legs] == ["BUY", "SELL", "SELL", "BUY"]
    assert all(leg["conId"] is None and leg["ratio"] == 1 for leg in legs)
    assert legs[1]["lookup"]["strike"] == 6990.0 and legs[1]["lookup"]["tradingClass"] == "SPXW"


@pytest.mark.parametrize("shape", [tastytrade_order, schwab_order, ibkr_order])
def test_what_brokers_reject_is_refused_here(shape: Any) -> None:
    with pytest.raises(UsageError, match="one to four legs"):
        shape([*LEGS, {"action": "BTO", "qty": 1, "osi": "x"}], quantity=1, price=1.0)
    with pytest.raises(UsageError, match="symbol of its own"):
        shape([LEGS[0], LEGS[0]], quantity=1, price=1.0)
    with pytest.raises(UsageError, match="at least 1"):
        shape(LEGS, quantity=0, price=1.0)


def test_one_row_a_leg() -> None:
    rows = list(csv.DictReader(io.StringIO(legs_csv([{**leg, "strike": 5} for leg in LEGS]))))
    assert len(rows) == 4 and tuple(rows[0]) == LEG_COLUMNS
    assert rows[1]["action"] == "STO" and rows[1]["delta"] == ""
