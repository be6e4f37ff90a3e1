"""The market files as they are: what the provenance notes warn of, checked on the stored rows."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from features.sessions import calendar
from features.sources.tidy import ImportReport, import_folder
from features.status import status
from features.store import MarketStore

pytestmark = pytest.mark.real
NOW = pd.Timestamp("2026-11-23 09:00", tz="UTC")


@pytest.fixture(scope="module")
def imported(
    real_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[MarketStore, ImportReport]:
    store = MarketStore(tmp_path_factory.mktemp("real") / "market")
    return store, import_folder(store, real_data, now=NOW)


@pytest.fixture(scope="module")
def store(imported: tuple[MarketStore, ImportReport]) -> MarketStore:
    return imported[0]


def test_every_file_is_imported_or_skipped_for_a_reason(
    imported: tuple[MarketStore, ImportReport],
) -> None:
    report = imported[1]
    assert not report.refused
    skipped = {one.file for one in report.files if one.outcome == "skipped"}
    assert skipped == {
        "PROVENANCE-crypto.md",
        "PROVENANCE-equity.md",
        "vix_futures_continuous.csv",
    }
    bad = [(one.file, line) for one in report.files for line in one.quarantined]
    # one VIX6M row of 2019-07-05 has its low above its high
    assert bad == [
        ("cboe_vol_indices_ohlc.csv", {"line": 15578, "reason": "`low` is above `high`"})
    ]


def test_the_same_import_again_changes_no_byte(store: MarketStore, real_data: Path) -> None:
    manifest = (store.root / "manifest.json").read_bytes()
    before = json.dumps(status(store, calendar()), allow_nan=False)
    assert not import_folder(store, real_data, now=NOW + pd.Timedelta(days=1)).changed
    assert (store.root / "manifest.json").read_bytes() == manifest
    assert json.dumps(status(store, calendar()), allow_nan=False) == before


@pytest.mark.parametrize(
    ("symbol", "day", "close", "source"),
    [
        ("vix", "2020-03-16", 82.69, "cboe"),
        ("vix", "2008-11-20", 80.86, "cboe"),
        ("vix", "2018-02-05", 37.32, "cboe"),
        ("vix6m", "2019-07-05", 15.99, "cboe"),  # its OHLC row is bad, its close stands
        ("vix3m", "2006-07-17", None, "yahoo"),  # only the second source reaches back so far
    ],
)
def test_closes(
    store: MarketStore, symbol: str, day: str, close: float | None, source: str
) -> None:
    row = store.read(
        "vol_indices", start=day, end=day, where={"symbol": symbol}, columns=["close", "source"]
    ).iloc[0]
    assert row["source"] == source
    assert close is None or row["close"] == close


def test_no_vvix_before_2007_and_no_index_on_a_holiday(store: MarketStore) -> None:
    rows = store.read("vol_indices")
    assert rows.loc[rows["symbol"] == "vvix", "date"].min() == pd.Timestamp("2007-01-03")
    assert calendar().contains(pd.DatetimeIndex(rows["date"])).all()


def test_spx_has_every_session_and_opens_from_1999(store: MarketStore) -> None:
    rows = store.read("spx_bars")
    assert len(rows) == len(calendar().sessions("1990-01-02", "2024-12-31"))
    assert rows.loc[rows["open"].notna(), "date"].min() == pd.Timestamp("1999-01-04")
    assert rows.set_index("date")["close"]["2020-03-23"] == pytest.approx(2237.40)


def test_futures(store: MarketStore) -> None:
    rows = store.read("vix_futures")
    assert (rows["is_final_settlement"] == (rows["date"] == rows["expiry"])).all()
    assert rows["is_final_settlement"].sum() > 400
    front = rows[
        rows["is_monthly"] & (rows["date"] == "2020-03-16") & (rows["expiry"] > rows["date"])
    ]
    assert front.iloc[0]["settle"] == 72.625


def test_breadth(store: MarketStore) -> None:
    rows = store.read("breadth").set_index(["universe", "date"]).sort_index()
    crash = rows.loc[("nyse", pd.Timestamp("1987-10-19"))]
    assert (crash["advances"], crash["declines"]) == (52, 1973)
    nyse = rows.loc["nyse"]
    assert nyse.loc["2015-11-12":"2017-01-02"].empty
    assert nyse["up_volume"].last_valid_index() == pd.Timestamp("2015-11-11")
    # one unit on both sides of the change of 2002-06-20: no jump by a thousand
    volume = nyse["up_volume"] + nyse["down_volume"]
    assert 0.3 < volume["2002-06-21"] / volume["2002-06-19"] < 3.0


def test_crypto(store: MarketStore) -> None:
    bars = store.read("perp_bars", where={"base": "BTC"})
    hour = bars[(bars["venue"] == "binance") & (bars["ts"].dt.strftime("%F") == "2021-05-19")]
    assert hour["low"].min() == 28_688.0
    median = bars.groupby("venue")["volume_base"].median()
    assert median["okx"] < median["binance"], "contracts left unconverted would be 24 times more"
    eras = store.read("liquidation_totals").groupby("feed_era")["date"].agg(["min", "max"])
    assert eras.loc["pre_2021_04_27", "max"] == pd.Timestamp("2021-04-26")
    assert eras.loc["throttled", "min"] == pd.Timestamp("2021-04-27")
    interest = store.read("open_interest", where={"venue": "bybit"})
    assert (interest["available_at"] - interest["ts"] == pd.Timedelta(minutes=5)).all()


def test_gaps_are_those_of_the_provenance_notes(store: MarketStore) -> None:
    tables = status(store, calendar(), now=pd.Timestamp("2025-01-01 12:00", tz="UTC"))
    series = {name: entry["series"] for name, entry in tables.items()}
    assert series["vol_indices"]["vix"]["gaps"] == 4
    assert series["spot_bars"]["binance BTC"]["gaps"] == 31
    assert series["open_interest"]["bybit BTC"]["gaps"] == 359
    assert series["breadth"]["nyse"]["longest_gaps"][0]["from"] == "2015-11-12"
    assert [name for name, entry in tables.items() if entry["fresh"] is False] == []


def test_events(store: MarketStore) -> None:
    known = store.read("scheduled_events", as_of=pd.Timestamp("2020-03-14 23:00", tz="UTC"))
    dates = known.loc[known["event"] == "FOMC", "date"]
    assert pd.Timestamp("2020-04-29") in set(dates)
    assert pd.Timestamp("2020-03-15") not in set(dates), "the emergency cut was not announced"
    counts = store.read("scheduled_events").groupby("event").size()
    assert counts.to_dict() == {"CPI": 323, "FOMC": 231, "NFP": 323, "PPI": 323}
