"""What each tidy file means: units, flags, ranks and availability of its rows in the store."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from features.sources.tidy import LAYOUTS, describe
from features.sources.tidy_crypto import base_of
from features.store import MarketStore
from features.tables import TABLES

from .test_tidy import LATER, ROOT, of, put, taken, vol_closes


def test_index_rows_on_holidays_and_early_vvix_are_left_out_and_no_bad_rows(
    store: MarketStore, folder: Path
) -> None:
    put(
        folder,
        "cboe_vol_indices_close",
        vol_closes(
            {"date": "2006-03-15", "vix": 11.3, "vvix": 15.7},
            {"date": "2007-01-03", "vix": 12.0, "vvix": 80.0},
            {"date": "2024-07-04", "vix": 12.3},
            {"date": "2024-07-05", "vix": 12.5, "skew": 140.0},
        ),
    )
    found = of(taken(store, folder), "cboe_vol_indices_close.csv")
    assert found.left_out == {"on an exchange holiday": 1, "VVIX before 2007": 1}
    assert found.quarantined == []
    rows = store.read("vol_indices")
    assert list(zip(rows["date"].dt.strftime("%Y-%m-%d"), rows["symbol"], strict=True)) == [
        ("2006-03-15", "vix"),
        ("2007-01-03", "vix"),
        ("2007-01-03", "vvix"),
        ("2024-07-05", "skew"),
        ("2024-07-05", "vix"),
    ]


def test_three_files_speak_about_an_index_by_rank_and_field(
    store: MarketStore, folder: Path
) -> None:
    put(folder, "cboe_vol_indices_close", vol_closes({"date": "2024-07-01", "vix": 12.22}))
    ohlc = {"date": "2024-07-01", "symbol": "vix", "open": 12.8, "high": 13.2, "low": 12.1}
    put(folder, "cboe_vol_indices_ohlc", pd.DataFrame([ohlc | {"close": 12.22}]))
    yahoo = {"date": ["2024-07-01", "2024-07-02"], "vix": [20.37, 12.03], "irx": 5.2}
    put(
        folder,
        "yahoo_vol_indices_close",
        pd.DataFrame(yahoo).reindex(columns=["date", "vix", "vix9d", "vix3m", "vvix", "irx"]),
    )
    report = taken(store, folder)
    assert report.disagreements == {"vol_indices": 1}
    rows = store.read("vol_indices", columns=["open", "close", "source"])
    assert rows["open"].to_list()[0] == 12.8
    assert rows["close"].to_list() == [12.22, 12.03]
    assert rows["source"].to_list() == ["cboe", "yahoo"]
    assert store.read("rates")["series"].to_list() == ["irx", "irx"]
    assert taken(store, folder, LATER).changed is False


def test_futures_flags_and_quotes(store: MarketStore, folder: Path) -> None:
    row = {
        "date": "2024-07-16", "expiry": "2024-07-17", "is_monthly": True, "open": 13.0,
        "high": 13.5, "low": 12.9, "close": 13.1, "settle": 13.05, "volume": 10.0,
        "open_interest": 100.0, "source": "dsp",
    }  # fmt: skip
    quiet = row | {"expiry": "2025-03-18", "open": None, "close": None, "volume": 0.0}
    # with nothing traded the file gives the best quotes, bid above as "high"
    quiet |= {"high": 13.0, "low": 22.75}
    final = row | {"date": "2024-07-17"}
    put(folder, "vix_futures_contracts", pd.DataFrame([row, quiet, final]))
    taken(store, folder)
    rows = store.read("vix_futures")
    assert rows["is_final_settlement"].to_list() == [False, False, True]
    assert rows["high"].isna().to_list() == [False, True, False]
    assert rows["low"].isna().to_list() == [False, True, False]


def test_breadth_volume_is_in_shares_throughout(store: MarketStore, folder: Path) -> None:
    rows = pd.DataFrame(
        {
            "date": ["2002-06-19", "2002-06-21"], "advances": [1000, 1100], "declines": [900, 800],
            "unchanged": [100, None], "new_highs": None, "new_lows": None,
            "up_volume": [313_298.0, 552_697_500.0], "down_volume": [935_215.0, 1_460_530_000.0],
            "source": "flyingsword/tst2",
        }
    )  # fmt: skip
    put(folder, "nyse_breadth", rows)
    taken(store, folder)
    found = store.read("breadth", columns=["up_volume", "source"])
    assert found["up_volume"].to_list() == [313_298_000.0, 552_697_500.0]
    assert set(found["source"]) == {"flyingsword/tst2"}


def test_young_counts_of_the_computed_breadth_say_nothing(store: MarketStore, folder: Path) -> None:
    names = [field.name for field in LAYOUTS["sp500_breadth_computed"].fields]
    young = dict.fromkeys(names, 0) | {"date": "2009-01-05", "advances": 183, "declines": 233}
    grown = dict.fromkeys(names, 5) | {"date": "2010-01-05", "new_lows_52w_close": 0}
    put(folder, "sp500_breadth_computed", pd.DataFrame([young, grown]))
    taken(store, folder)
    rows = store.read("breadth")
    assert rows["new_lows"].isna().to_list() == [True, False]
    assert rows["n_above_ma200"].isna().to_list() == [True, False]


def test_okx_contracts_become_coins(store: MarketStore, folder: Path) -> None:
    bar = {"open": 100.0, "high": 110.0, "low": 90.0, "close": 105.0, "volume": 250.0}
    rows = pd.DataFrame(
        [{"timestamp": "2024-07-01T20:00:00Z", "venue": venue} | bar for venue in ("okx", "bybit")]
    )
    put(folder, "crypto_eth_perp_ohlcv_1h", rows)
    put(folder, "crypto_eth_spot_ohlcv_1h", rows)
    taken(store, folder)
    perp = store.read("perp_bars").set_index("venue")["volume_base"]
    assert (perp["okx"], perp["bybit"]) == (25.0, 250.0)
    assert set(store.read("spot_bars")["volume_base"]) == {250.0}


def test_a_candle_off_the_hour_is_bad(store: MarketStore, folder: Path) -> None:
    hours = pd.date_range("2024-07-01", periods=200, freq="h", tz="UTC").astype("str").to_list()
    hours[5] = "2024-07-01 05:30:00+00:00"
    rows = pd.DataFrame({"timestamp": hours, "venue": "okx", "volume": 1.0})
    put(folder, "crypto_btc_spot_ohlcv_1h", rows.assign(open=5.0, high=6.0, low=4.0, close=5.0))
    found = of(taken(store, folder), "crypto_btc_spot_ohlcv_1h.csv")
    assert found.quarantined == [{"line": 7, "reason": "`ts` is not the start of an hour"}]


def test_the_break_in_the_liquidation_feed_is_marked(store: MarketStore, folder: Path) -> None:
    names = [field.name for field in LAYOUTS["crypto_coinglass_daily"].fields]
    rows = pd.DataFrame(
        {
            "timestamp": ["2018-01-01", "2021-04-26", "2021-04-27"],
            "symbol": "BTC",
            "liq_long_usd": [None, 5e8, 1e8],
        }
    ).reindex(columns=names)
    put(folder, "crypto_coinglass_daily", rows)
    found = of(taken(store, folder), "crypto_coinglass_daily.csv")
    assert found.left_out == {"days with spot prices alone": 1}
    totals = store.read("liquidation_totals")
    assert totals["feed_era"].to_list() == ["pre_2021_04_27", "throttled"]


def test_events_know_their_hour_and_the_bls_speaks_first(store: MarketStore, folder: Path) -> None:
    fed = pd.DataFrame(
        {
            "date": ["2020-03-15", "2024-07-31", "2024-07-11"],
            "event": ["FOMC", "FOMC", "CPI"],
            "kind": ["unscheduled", "scheduled", "tentative"],
            "source": "somebody",
        }
    )
    bls = pd.DataFrame(
        {"date": ["2024-07-11"], "event": ["CPI"], "kind": ["scheduled"], "source": "bureau"}
    )
    put(folder, "event_calendar", fed)
    put(folder, "event_calendar_bls", bls)
    taken(store, folder)
    rows = store.read("scheduled_events", columns=["kind", "release_time", "source"])
    assert rows["kind"].to_list() == ["unscheduled", "scheduled", "scheduled"]
    assert rows["source"].to_list() == ["calendar", "bls", "calendar"]
    assert pd.isna(rows["release_time"][0])
    assert rows["release_time"][1] == pd.Timestamp("2024-07-11 12:30", tz="UTC")
    assert rows["release_time"][2] == pd.Timestamp("2024-07-31 18:00", tz="UTC")


def test_a_rescheduled_release_is_not_known_early(store: MarketStore, folder: Path) -> None:
    rows = pd.DataFrame(
        {
            "date": ["2025-10-15", "2025-10-24"],
            "event": "CPI",
            "kind": "scheduled",
            "source": "bureau",
            "published_at": [None, "2025-10-10T12:00:00Z"],
        }
    )
    put(folder, "event_calendar_bls", rows)
    now = pd.Timestamp("2025-10-10 18:00", tz="UTC")
    taken(store, folder, now)
    put(folder, "event_calendar_bls", rows.assign(kind=["cancelled", "scheduled"]))
    taken(store, folder, now)

    def dates(as_of: str) -> list[str]:
        seen = store.read("scheduled_events", as_of=pd.Timestamp(as_of, tz="UTC"))
        return seen.loc[seen["kind"] != "cancelled", "date"].dt.strftime("%Y-%m-%d").to_list()

    assert dates("2025-10-10 11:59") == ["2025-10-15"]
    assert dates("2025-10-10 18:00") == ["2025-10-24"]


def test_liquidation_events_keep_equal_fills_apart(store: MarketStore, folder: Path) -> None:
    row = {
        "timestamp": "2024-07-01T20:50:00.123Z", "venue": "okx", "coin": "BTC", "side_raw": "sell",
        "liquidated_side": "long", "price": 60_000.0, "size_raw": 12.0, "size_unit": "contracts",
        "notional_usd": 7_200.0,
    }  # fmt: skip
    unknown = row | {"coin": "HYPE", "notional_usd": None}
    throttled = row | {"venue": "binance", "size_unit": "coin", "size_raw": 0.5}
    put(folder, "crypto_liquidation_events_okx_hl", pd.DataFrame([row, row, unknown, throttled]))
    taken(store, folder)
    rows = store.read("liquidation_events")
    assert len(rows) == 4
    assert rows["event_id"].is_unique
    assert rows["qty_base"].fillna(-1.0).round(9).to_list() == [0.5, 0.12, 0.12, -1.0]
    assert rows["completeness"].to_list() == ["1_per_s", "all", "all", "all"]
    assert rows["price_kind"].to_list() == ["avg_fill", "bankruptcy", "bankruptcy", "bankruptcy"]
    assert taken(store, folder, LATER).changed is False


def test_base_coins() -> None:
    symbols = pd.Series(["BTCUSDT", "XBTUSD", "ETH-USDT-SWAP", "ADAUSD_PERP.A", "HYPE", "btc"])
    assert base_of(symbols).to_list() == ["BTC", "BTC", "ETH", "ADA", "HYPE", "BTC"]


def test_describe_names_every_file_with_units_and_rules() -> None:
    described = {entry["file"].split(".")[0]: entry for entry in describe()}
    assert set(described) == set(LAYOUTS)
    spx_file = described["spx_ohlcv"]
    assert spx_file["tables"] == ["spx_bars"]
    assert spx_file["available"] == {"spx_bars": "16:20 New York on the same day"}
    units = {column["name"]: column["unit"] for column in spx_file["columns"]}
    assert units["close"] == "index points"
    assert units["available_at"] == "UTC"
    for entry in described.values():
        assert bool(entry["not_stored"]) != bool(entry["tables"])
        assert set(entry["tables"]) <= set(TABLES)


def test_the_guide_names_every_file() -> None:
    guide = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    assert [stem for stem in LAYOUTS if f"`{stem}`" not in guide] == []
