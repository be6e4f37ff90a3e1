"""The table of sides: every source, a long and a short, as the venues write them."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from features.sources.formats import FORMATS, describe_formats
from features.sources.ingest import dry_run

T = 1_750_000_000_000


def read(tmp_path: Path, name: str, *messages: Any, file: str = "raw.jsonl") -> dict[str, Any]:
    path = tmp_path / file
    path.write_text("\n".join(json.dumps(m) for m in messages) + "\n", encoding="utf-8")
    return dry_run(name, [path])


def table(
    tmp_path: Path, name: str, *rows: dict[str, Any], file: str = "raw.csv"
) -> dict[str, Any]:
    path = tmp_path / file
    with path.open("w", newline="", encoding="utf-8") as sink:
        writer = csv.DictWriter(sink, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return dry_run(name, [path])


def binance(side: str, symbol: str = "BTCUSDT", **changes: Any) -> dict[str, Any]:
    order = {
        "s": symbol, "S": side, "o": "LIMIT", "f": "IOC", "q": "0.004", "p": "38854.46",
        "ap": "38986.50", "X": "FILLED", "l": "0.004", "z": "0.004", "T": T,
    }  # fmt: skip
    return {"e": "forceOrder", "E": T + 7, "o": {**order, **changes}}


def bybit(side: str, symbol: str = "ROSEUSDT") -> dict[str, Any]:
    row = {"T": T, "s": symbol, "S": side, "v": "20000", "p": "0.04499"}
    return {"topic": f"allLiquidation.{symbol}", "type": "snapshot", "ts": T, "data": [row]}


def bybit_old(side: str) -> dict[str, Any]:
    row = {
        "updatedTime": T,
        "symbol": "BTCUSDT",
        "side": side,
        "size": "0.003",
        "price": "43511.70",
    }
    return {"topic": "liquidation.BTCUSDT", "type": "snapshot", "ts": T, "data": row}


def okx(side: str, position: str, symbol: str = "BTC-USDT-SWAP") -> dict[str, Any]:
    detail = {"bkLoss": "0", "bkPx": "30000", "posSide": position, "side": side, "sz": "13",
              "ts": str(T)}  # fmt: skip
    return {
        "arg": {"channel": "liquidation-orders", "instType": "SWAP"},
        "data": [{"details": [detail], "instId": symbol, "instType": "SWAP"}],
    }


def bitmex(side: str) -> dict[str, Any]:
    row = {"orderID": f"o-{side}", "symbol": "XBTUSD", "side": side, "price": 13854.5,
           "leavesQty": 314930}  # fmt: skip
    return {"table": "liquidation", "action": "insert", "data": [row]}


def deribit(direction: str, flag: str | None) -> dict[str, Any]:
    trade = {"trade_id": f"{direction}{flag}", "instrument_name": "BTC-PERPETUAL", "price": 50000.0,
             "amount": 1000.0, "direction": direction, "timestamp": T}  # fmt: skip
    if flag is not None:
        trade["liquidation"] = flag
    return {"params": {"channel": "trades.BTC-PERPETUAL.raw", "data": [trade]}}


def hyperliquid(side: str, direction: str, user: str | None, **changes: Any) -> dict[str, Any]:
    fill = {
        "coin": "BTC", "px": "100000", "sz": "0.5", "side": side, "time": T, "dir": direction,
        "hash": "0xabc", "tid": 11, "crossed": True,
        "liquidation": {"liquidatedUser": "0xVictim", "markPx": "100001", "method": "market"},
    }  # fmt: skip
    return {**fill, **changes, **({"user": user} if user else {})}


def htx_new(side: str, position: str) -> dict[str, Any]:
    return {"contract_code": "BTC-USDT", "side": side, "position_side": position, "volume": 10,
            "amount": "0.01", "bankrupt_price": "60000", "trade_turnover": "600",
            "liquidation_time": T}  # fmt: skip


def htx_old(direction: str) -> dict[str, Any]:
    return {"contract_code": "BTC-USDT-211210", "direction": direction, "offset": "close",
            "volume": 479, "price": 51441.7, "created_at": 1638593647864, "amount": 0.479,
            "trade_turnover": 24640.5743, "pair": "BTC-USDT"}  # fmt: skip


def gate(size: int) -> dict[str, Any]:
    return {"contract": "BTC_USDT", "left": 0, "size": size, "fill_price": "28070",
            "order_price": "28225", "time": T // 1000}  # fmt: skip


def bitfinex(amount: float) -> list[Any]:
    return ["pos", 145400868, T, None, "tETHF0:USTF0", amount, 730.96, None, 1, 1, None, 736.13]


def dydx(side: str, kind: str = "LIQUIDATED") -> dict[str, Any]:
    trade = {"id": f"t{side}", "side": side, "size": "2.5", "price": "59900", "type": kind,
             "createdAt": "2026-09-13T10:00:01.000Z"}  # fmt: skip
    return {"type": "channel_data", "channel": "v4_trades", "id": "BTC-USD",
            "contents": {"trades": [trade]}}  # fmt: skip


def coinglass_order(side: int) -> dict[str, Any]:
    return {"exchange_name": "BINANCE", "symbol": "BTCUSDT", "base_asset": "BTC", "price": 87535.9,
            "usd_value": 205534.2932, "side": side, "time": T}  # fmt: skip


SIDES = [
    ("binance-forceorder", binance("SELL"), "long"),
    ("binance-forceorder", binance("BUY"), "short"),
    ("binance-coinm-forceorder", binance("SELL", "BTCUSD_PERP", z="3", q="3"), "long"),
    ("binance-coinm-forceorder", binance("BUY", "BTCUSD_PERP", z="3", q="3"), "short"),
    ("bybit-liquidation", bybit("Buy"), "long"),
    ("bybit-liquidation", bybit("Sell"), "short"),
    ("bybit-liquidation", bybit_old("Buy"), "long"),
    ("bybit-liquidation", bybit_old("Sell"), "short"),
    ("okx-liquidation-orders", okx("sell", "long"), "long"),
    ("okx-liquidation-orders", okx("buy", "short"), "short"),
    ("okx-liquidation-orders", okx("sell", "net"), "long"),
    ("okx-liquidation-orders", okx("buy", "net"), "short"),
    ("bitmex-liquidation", bitmex("Sell"), "long"),
    ("bitmex-liquidation", bitmex("Buy"), "short"),
    ("deribit-trades", deribit("sell", "T"), "long"),
    ("deribit-trades", deribit("buy", "T"), "short"),
    ("deribit-trades", deribit("buy", "M"), "long"),
    ("deribit-trades", deribit("sell", "M"), "short"),
    ("gate-liq-orders", gate(165), "long"),
    ("gate-liq-orders", gate(-165), "short"),
    ("htx-linear-swap", htx_new("sell", "long"), "long"),
    ("htx-linear-swap", htx_new("buy", "short"), "short"),
    ("htx-futures", htx_old("sell"), "long"),
    ("htx-futures", htx_old("buy"), "short"),
    ("bitfinex-liquidations", bitfinex(1.67), "long"),
    ("bitfinex-liquidations", bitfinex(-1.67), "short"),
    ("hyperliquid-fills", hyperliquid("A", "Liquidated Cross Long", None), "long"),
    ("hyperliquid-fills", hyperliquid("B", "Liquidated Isolated Short", None), "short"),
    # the same two liquidations seen from the other side of the trade
    ("hyperliquid-fills", hyperliquid("B", "Open Long", "0xmaker", crossed=False), "long"),
    ("hyperliquid-fills", hyperliquid("A", "Close Long", "0xmaker", crossed=False), "short"),
    ("dydx-trades", dydx("SELL"), "long"),
    ("dydx-trades", dydx("BUY"), "short"),
    ("coinglass-orders", coinglass_order(2), "long"),
    ("coinglass-orders", coinglass_order(1), "short"),
]


@pytest.mark.parametrize(("name", "message", "side"), SIDES)
def test_side(tmp_path: Path, name: str, message: Any, side: str) -> None:
    result = read(tmp_path, name, message)
    assert result["quarantined"] == []
    assert [event["liquidated_side"] for event in result["events"]] == [side]


@pytest.mark.parametrize(("order", "side"), [("sell", "long"), ("buy", "short")])
def test_side_of_tardis_rows(tmp_path: Path, order: str, side: str) -> None:
    row = {"exchange": "bitmex", "symbol": "XBTUSD", "timestamp": T * 1000, "id": "",
           "local_timestamp": T * 1000 + 5, "side": order, "price": 50000,
           "amount": 1000}  # fmt: skip
    (event,) = table(tmp_path, "tardis-csv", row)["events"]
    assert event["liquidated_side"] == side
    assert event["notional_usd"] == 1000.0  # contracts of one dollar
    assert event["received_at"].endswith(".000005Z")  # microseconds, not milliseconds


@pytest.mark.parametrize(("order", "side"), [("SELL", "long"), ("BUY", "short")])
def test_side_of_snapshot_rows(tmp_path: Path, order: str, side: str) -> None:
    row = {"time": T, "side": order, "order_type": "LIMIT", "time_in_force": "IOC",
           "original_quantity": 7, "price": 30741.3, "average_price": 30631.6,
           "order_status": "FILLED", "last_fill_quantity": 6,
           "accumulated_fill_quantity": 7}  # fmt: skip
    name = "BTCUSD_PERP-liquidationSnapshot-2023-06-25.csv"
    (event,) = table(tmp_path, "binance-snapshot", row, file=name)["events"]
    assert (event["symbol"], event["liquidated_side"]) == ("BTCUSD_PERP", side)
    assert event["notional_usd"] == 700.0  # seven contracts of 100 USD
    assert event["completeness"] == "snapshot"


def test_both_parties_of_a_trade_can_be_liquidated(tmp_path: Path) -> None:
    events = read(tmp_path, "deribit-trades", deribit("sell", "MT"))["events"]
    assert sorted(e["liquidated_side"] for e in events) == ["long", "short"]


def test_totals_give_a_record_a_side_and_say_aggregate(tmp_path: Path) -> None:
    pair = {"time": 1658880000000, "long_liquidation_usd": "2369935.19562",
            "short_liquidation_usd": "6947459.43674"}  # fmt: skip
    coin = {"time": 1658966400000, "aggregated_long_liquidation_usd": 5916885.14234,
            "aggregated_short_liquidation_usd": 12969583.87632}  # fmt: skip
    bars = [{"symbol": "BTCUSDT_PERP.A", "history": [{"t": 1698796800, "l": 12.3, "s": 4.5}]}]
    for name, message, values in (
        ("coinglass-pair", pair, {"long": 2369935.19562, "short": 6947459.43674}),
        ("coinglass-aggregated", {"code": "0", "msg": "success", "data": [coin]},
         {"long": 5916885.14234, "short": 12969583.87632}),
        ("coinalyze-history-usd", bars, {"long": 12.3, "short": 4.5}),
    ):  # fmt: skip
        events = read(tmp_path, name, message)["events"]
        assert {e["liquidated_side"]: e["notional_usd"] for e in events} == values
        assert {e["completeness"] for e in events} == {"aggregate"}
        assert FORMATS[name].totals
    base = read(tmp_path, "coinalyze-history", bars)["events"]
    assert [(e["qty_base"], e["notional_usd"]) for e in base] == [(12.3, None), (4.5, None)]
    assert base[0]["ts"].startswith("2023-11-01T00:00:00")  # seconds


def test_on_chain_sides(tmp_path: Path) -> None:
    call = {"collateralAsset": "0x2260FAC5E5542a773Aa44fBCfeDf7C193bc2C599",
            "debtAsset": "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48", "debtToCover": "9500000000",
            "liquidatedCollateralAmount": "10000000", "transactionHash": "0x1", "logIndex": 3,
            "blockTimestamp": T // 1000}  # fmt: skip
    swapped = {**call, "collateralAsset": call["debtAsset"], "debtAsset": call["collateralAsset"],
               "debtToCover": "10000000", "liquidatedCollateralAmount": "9500000000",
               "logIndex": 4}  # fmt: skip
    long, short = read(tmp_path, "aave-liquidations", call, swapped)["events"]
    assert (long["liquidated_side"], long["base"], long["qty_base"]) == ("long", "BTC", 0.1)
    assert (short["liquidated_side"], short["base"], short["qty_base"]) == ("short", "BTC", 0.1)
    assert short["notional_usd"] == 9500.0
    assert {long["mechanism"], short["mechanism"]} == {"onchain"}


def test_format_names_contain_the_venue_and_say_whether_they_are_verified() -> None:
    venues = ["binance", "bybit", "okx", "bitmex", "deribit", "gate", "htx", "bitfinex",
              "hyperliquid", "dydx", "tardis", "coinglass", "coinalyze", "aave",
              "compound"]  # fmt: skip
    described = describe_formats()
    for venue in venues:
        assert any(venue in entry["name"] for entry in described)
    assert all(isinstance(entry["verified"], bool) for entry in described)
    # an unverified format says which part it is that nobody checked
    assert all(entry["note"] for entry in described if not entry["verified"])
