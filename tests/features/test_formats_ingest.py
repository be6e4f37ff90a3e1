"""What an ingestion layer must get right: units, shapes, repeats, refusals."""

from __future__ import annotations

import gzip
import json
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.errors import UsageError
from features.sources.contracts import CONTRACTS, Contract
from features.sources.formats import FORMATS
from features.sources.ingest import dry_run

T = 1_650_898_336_320
ORDER = {"s": "BTCUSDT", "S": "SELL", "o": "LIMIT", "f": "IOC", "q": "0.004", "p": "38854.46",
         "ap": "38986.50", "X": "FILLED", "l": "0.004", "z": "0.004", "T": T}  # fmt: skip


def message(**changes: Any) -> dict[str, Any]:
    order = {**ORDER, **changes}
    return {"e": "forceOrder", "E": T + 7, "o": {k: v for k, v in order.items() if v is not ...}}


def lines(path: Path, *texts: str) -> Path:
    path.write_text("\n".join(texts) + "\n", encoding="utf-8")
    return path


def okx_details(*details: dict[str, str], symbol: str = "BTC-USDT-SWAP") -> str:
    return json.dumps({"data": [{"details": list(details), "instId": symbol}]})


def detail(**changes: str) -> dict[str, str]:
    return {"bkPx": "30000", "posSide": "net", "side": "sell", "sz": "1", "ts": str(T), **changes}


def test_binance_notional_is_average_price_times_filled(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.jsonl", json.dumps(message()))
    (event,) = dry_run("binance-forceorder", [path])["events"]
    assert event["ts"] == "2022-04-25T14:52:16.320000Z"
    assert event["price_kind"] == "avg_fill"
    assert event["notional_usd"] == pytest.approx(38986.50 * 0.004, rel=1e-12)
    assert event["completeness"] == "1_per_s"


@pytest.mark.parametrize("average", ["0", "", None, ..., "0.0"])
def test_without_average_price_the_limit_price_is_used_and_named(
    tmp_path: Path, average: Any
) -> None:
    path = lines(tmp_path / "a.jsonl", json.dumps(message(ap=average, z="0")))
    (event,) = dry_run("binance-forceorder", [path])["events"]
    assert (event["price"], event["price_kind"]) == (38854.46, "order_limit")
    assert event["qty_base"] == 0.004  # the order's size: nothing was filled


def test_combined_stream_wrapper_array_and_coin_margined_on_the_usd_stream(tmp_path: Path) -> None:
    path = lines(
        tmp_path / "a.jsonl",
        json.dumps({"stream": "btcusdt@forceOrder", "data": message()}),
        json.dumps([message(T=T + 1), message(T=T + 2)]),
        json.dumps(message(s="ETHUSD_PERP", q="2", z="2", ap="2000", ps="ETHUSD")),
    )
    events = dry_run("binance-forceorder", [path])["events"]
    assert len(events) == 4
    # contracts are not multiplied by the price: two of ten dollars
    assert events[3]["notional_usd"] == 20.0
    assert events[3]["qty_base"] == 0.01
    assert events[3]["market"] == "inverse"


def test_okx_reads_every_detail_and_multiplies_contracts(tmp_path: Path) -> None:
    path = lines(
        tmp_path / "a.jsonl",
        okx_details(detail(sz="13"), detail(side="buy", sz="2"), detail(ts=str(T + 1))),
        okx_details(detail(sz="5"), symbol="ETH-USDT-SWAP"),
    )
    events = dry_run("okx-liquidation-orders", [path])["events"]
    assert [e["qty_base"] for e in events] == pytest.approx([0.13, 0.02, 0.01, 0.5])
    assert events[0]["notional_usd"] == pytest.approx(3900.0)


def test_equal_details_of_one_message_are_two_but_a_second_delivery_is_none(tmp_path: Path) -> None:
    twice = okx_details(detail(), detail())
    path = lines(tmp_path / "a.jsonl", twice, twice)
    result = dry_run("okx-liquidation-orders", [path])
    assert len(result["events"]) == 2
    assert result["duplicates"] == 2


def test_an_unknown_contract_value_gives_no_size_not_a_guess(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.jsonl", okx_details(detail(), symbol="IOST-USDT-SWAP"))
    (event,) = dry_run("okx-liquidation-orders", [path])["events"]
    assert (event["base"], event["liquidated_side"]) == ("IOST", "long")
    assert (event["qty_base"], event["notional_usd"]) == (None, None)
    own = {"okx:IOST-USDT-SWAP": Contract("okx", "", "base", 1000.0, "IOST")}
    (event,) = dry_run("okx-liquidation-orders", [path], contracts=own)["events"]
    assert event["qty_base"] == 1000.0


def test_a_contract_that_names_no_coin_and_dollar_is_quarantined(tmp_path: Path) -> None:
    for symbol in ("BTC-27DEC24-50000-C", "BTC-EUR-SWAP"):
        path = lines(tmp_path / "a.jsonl", okx_details(detail(), symbol=symbol))
        result = dry_run("okx-liquidation-orders", [path])
        assert result["events"] == []
        assert "names no coin and dollar" in result["quarantined"][0]["reason"]


def test_bybit_inverse_sizes_are_dollars(tmp_path: Path) -> None:
    row = {"T": T, "s": "BTCUSD", "S": "Buy", "v": "20000", "p": "50000"}
    path = lines(
        tmp_path / "a.jsonl", json.dumps({"topic": "allLiquidation.BTCUSD", "data": [row]})
    )
    (event,) = dry_run("bybit-liquidation", [path])["events"]
    assert (event["notional_usd"], event["qty_base"]) == (20000.0, 0.4)
    assert (event["price_kind"], event["completeness"]) == ("bankruptcy", "all")


def test_bitmex_insert_update_delete_are_one_event_without_time(tmp_path: Path) -> None:
    order = {"orderID": "98ae1dad", "symbol": "XBTUSD"}
    change = {"table": "liquidation"}
    path = lines(
        tmp_path / "a.jsonl",
        json.dumps({**change, "action": "insert",
                    "data": [{**order, "side": "Buy", "price": 13854.5, "leavesQty": 314930}]}),
        json.dumps({**change, "action": "update", "data": [{**order, "leavesQty": 305515}]}),
        json.dumps({**change, "action": "delete", "data": [order]}),
    )  # fmt: skip
    result = dry_run("bitmex-liquidation", [path])
    (event,) = result["events"]
    assert event["ts"] is None
    assert event["notional_usd"] == 314930.0
    assert event["qty_base"] == pytest.approx(314930 / 13854.5)
    assert result["ignored"] == 2
    wrapped = json.dumps({"received_at": "2021-03-04T05:06:07Z",
                          "message": json.loads(path.read_text().splitlines()[0])})  # fmt: skip
    (timed,) = dry_run("bitmex-liquidation", [lines(tmp_path / "b.jsonl", wrapped)])["events"]
    assert timed["ts"] == "2021-03-04T05:06:07.000000Z"


def test_snapshot_file_with_every_row_doubled_and_zipped(tmp_path: Path) -> None:
    header = ("time,side,order_type,time_in_force,original_quantity,price,average_price,"
              "order_status,last_fill_quantity,accumulated_fill_quantity\n")  # fmt: skip
    rows = ["1687656471926,BUY,LIMIT,IOC,7,30741.3,30631.6,FILLED,6,7\n",
            "1687656473356,BUY,LIMIT,IOC,43,30756.6,30631.6,FILLED,1,43\n"]  # fmt: skip
    body = "".join(row * 2 for row in rows)
    for start in (header, ""):  # early files have no header
        path = tmp_path / "BTCUSD_PERP-liquidationSnapshot-2023-06-25.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("BTCUSD_PERP-liquidationSnapshot-2023-06-25.csv", start + body)
        result = dry_run("binance-snapshot", [path])
        assert [e["notional_usd"] for e in result["events"]] == [700.0, 4300.0]
        assert result["duplicates"] == 2
        assert result["quarantined"] == []


def test_hyperliquid_counterparties_and_partial_fills_are_one_event(tmp_path: Path) -> None:
    fill = {"coin": "BTC", "px": "100000", "sz": "0.5", "side": "A", "time": T, "hash": "0xabc",
            "dir": "Close Long", "crossed": True, "tid": 1,
            "liquidation": {"liquidatedUser": "0xV", "method": "market"}}  # fmt: skip
    maker = {**fill, "side": "B", "dir": "Open Long", "crossed": False}
    second = {**fill, "px": "99000", "sz": "0.25", "tid": 2}
    lost = {**second, "side": "B", "dir": "Open Long", "crossed": False}
    block = {"block_time": "x", "events": [["0xm", maker], ["0xV", fill], ["0xV", second]]}
    in_one_block = dry_run("hyperliquid-fills", [lines(tmp_path / "a.jsonl", json.dumps(block))])
    one_by_one = dry_run(
        "hyperliquid-fills",
        [lines(tmp_path / "b.jsonl", *(json.dumps(f) for f in (maker, fill, lost, second, fill)))],
    )
    for result in (in_one_block, one_by_one):
        (event,) = result["events"]
        assert event["liquidated_side"] == "long"
        assert event["qty_base"] == 0.75
        assert event["notional_usd"] == 74750.0
        assert event["mechanism"] == "market"


def test_bitfinex_trigger_and_execution_count_once_in_any_order(tmp_path: Path) -> None:
    trigger = ["pos", 7, T, None, "tBTCF0:USTF0", -2.0, 90.0, None, 0, 0, None, None]
    done = ["pos", 7, T + 5, None, "tBTCF0:USTF0", -2.0, 90.0, None, 1, 0, None, 100.0]
    for order in ((trigger, done), (done, trigger)):
        path = lines(tmp_path / "a.jsonl", *(json.dumps(row) for row in order))
        (event,) = dry_run("bitfinex-liquidations", [path])["events"]
        assert (event["price"], event["notional_usd"]) == (100.0, 200.0)
    (alone,) = dry_run("bitfinex-liquidations", [lines(path, json.dumps(trigger))])["events"]
    # the price at which the position was opened is no price of its liquidation
    assert (alone["price"], alone["notional_usd"], alone["qty_base"]) == (None, None, 2.0)


def test_repeats_after_a_reconnect_fall_together_across_files(tmp_path: Path) -> None:
    first = lines(tmp_path / "a.jsonl", *(json.dumps(message(T=T + i)) for i in (3, 1, 2)))
    again = lines(tmp_path / "b.jsonl", *(json.dumps(message(T=T + i)) for i in (2, 4, 1)))
    result = dry_run("binance-forceorder", [first, again])
    assert len(result["events"]) == 4
    assert result["duplicates"] == 2


BAD_ORDERS = [
    {"q": "-0.004"}, {"z": "-1"}, {"ap": "NaN"}, {"ap": "Infinity"}, {"p": "1e999"}, {"S": "sell"},
    {"S": None}, {"S": ...}, {"s": ...}, {"s": ""}, {"s": "ETHBTC"}, {"T": ...}, {"T": "soon"},
    {"T": 1_650_898_336}, {"T": T * 1000}, {"T": True}, {"T": 1.5}, {"q": [], "z": []},
    {"q": "0", "z": "0"}, {"p": "0", "ap": "0"}, {"q": True}, {"ap": "1_0"}, {"s": 5},
]  # fmt: skip


@pytest.mark.parametrize("change", BAD_ORDERS, ids=str)
def test_a_malformed_order_is_quarantined_with_its_line(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    path = lines(tmp_path / "a.jsonl", json.dumps(message()), "", json.dumps(message(**change)))
    result = dry_run("binance-forceorder", [path])
    assert len(result["events"]) == 1
    assert [q["line"] for q in result["quarantined"]] == [3]
    assert result["quarantined"][0]["reason"]


@pytest.mark.parametrize(
    "text",
    ["not json", "{", '{"e":"forceOrder","E":NaN}', "5", "null", '"x"', '{"hello":1}', "[1]"],
)
@pytest.mark.parametrize("name", sorted(FORMATS))
def test_every_format_quarantines_what_it_does_not_know(
    tmp_path: Path, name: str, text: str
) -> None:
    result = dry_run(name, [lines(tmp_path / "a.jsonl", text)])
    assert result["events"] == []
    assert [q["line"] for q in result["quarantined"]] == [1]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from(["BTCUSDT", "SELL", "forceOrder", "pos", "Buy", "allLiquidation.X"]),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(
            ["e", "o", "s", "S", "T", "data", "topic", "details", "instId", "table", "action",
             "side", "size", "price", "contract", "time", "coin", "liquidation", "dir", "px", "sz",
             "events",
             "fills", "user", "trades", "contents", "type", "symbol", "history", "t", "l", "params",
             "received_at", "message", "collateralAsset", "code"]
        ),
        inner,
        max_size=5,
    ),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(content=JSON, name=st.sampled_from(sorted(FORMATS)))
def test_no_record_of_any_shape_breaks_an_adapter(
    tmp_path_factory: pytest.TempPathFactory, content: Any, name: str
) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "a.jsonl"
    result = dry_run(name, [lines(path, json.dumps(content))])
    # refused, ignored as an acknowledgement, or understood: never an exception
    assert result["quarantined"] or result["ignored"] or result["events"]


def test_packed_files_and_parquet(tmp_path: Path) -> None:
    lz4 = pytest.importorskip("lz4.frame", reason="lz4 comes with the data extra")
    text = (json.dumps(message()) + "\n").encode()
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(text))
    (tmp_path / "a.lz4").write_bytes(lz4.compress(text))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("inner.jsonl", text)
    (tmp_path / "a.json").write_text(json.dumps(message(), indent=2))
    for name in ("a.jsonl.gz", "a.lz4", "a.zip", "a.json"):
        assert len(dry_run("binance-forceorder", [tmp_path / name])["events"]) == 1
    row = {"exchange": "bybit", "symbol": "BTCUSDT", "timestamp": T * 1000, "id": "x",
           "local_timestamp": T * 1000, "side": "buy", "price": 5.0, "amount": 2.0}  # fmt: skip
    pq.write_table(
        pa.Table.from_pylist([row, {**row, "id": "y", "side": "?"}]), tmp_path / "a.parquet"
    )
    result = dry_run("tardis-csv", [tmp_path / "a.parquet"])
    assert (len(result["events"]), result["quarantined"][0]["line"]) == (1, 2)


def test_csv_lines_are_counted_from_the_header(tmp_path: Path) -> None:
    head = "exchange,symbol,timestamp,local_timestamp,id,side,price,amount"
    good = f"bybit,BTCUSDT,{T}000,{T}000,,sell,5,2"
    path = lines(tmp_path / "a.csv", head, good, good.replace("sell", "hold"), "bybit,BTCUSDT")
    result = dry_run("tardis-csv", [path])
    assert [q["line"] for q in result["quarantined"]] == [3, 4]


def test_a_time_in_the_wrong_unit_is_refused_not_rescaled(tmp_path: Path) -> None:
    head = "exchange,symbol,timestamp,local_timestamp,id,side,price,amount"
    path = lines(tmp_path / "a.csv", head, f"bybit,BTCUSDT,{T},{T},,sell,5,2")
    assert "in us" in dry_run("tardis-csv", [path])["quarantined"][0]["reason"]


def test_unknown_format_and_missing_file_are_usage_errors(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Expected one of: binance-forceorder"):
        dry_run("binance", [tmp_path / "a.jsonl"])
    with pytest.raises(UsageError, match="no such file"):
        dry_run("binance-forceorder", [tmp_path / "a.jsonl"])


def test_contract_table_says_what_was_verified() -> None:
    checked = {(c.venue, c.pattern) for c in CONTRACTS if c.verified}
    assert ("bitmex", "XBTUSD") in checked
    assert any(not c.verified for c in CONTRACTS)


@pytest.mark.real
def test_on_chain_files(real_data: Path) -> None:
    aave = dry_run(
        "aave-liquidations", [real_data / "crypto_aave_btc_collateral_liquidations.parquet"]
    )
    assert (len(aave["events"]), aave["quarantined"]) == (3443, [])
    assert {e["liquidated_side"] for e in aave["events"]} == {"long"}
    comp = dry_run("compound-liquidations", [real_data / "crypto_compound_svr_liquidations.csv"])
    assert (len(comp["events"]), comp["quarantined"]) == (661, [])
    assert {e["liquidated_side"] for e in comp["events"]} == {None}
