from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from features.sessions import calendar
from features.status import status
from features.store import MarketStore
from features.tables import TABLES

NOW = pd.Timestamp("2024-08-01 12:00", tz="UTC")


def closes(days: pd.DatetimeIndex, symbol: str = "vix") -> pd.DataFrame:
    return pd.DataFrame({"date": days, "symbol": symbol, "close": 15.0})


def bars(hours: pd.DatetimeIndex) -> pd.DataFrame:
    values = dict.fromkeys(("open", "high", "low", "close"), 60_000.0)
    return pd.DataFrame({"ts": hours, "venue": "okx", "base": "BTC"} | values)


def hours(start: str, end: str) -> pd.DatetimeIndex:
    return pd.date_range(start, end, freq="h", tz="UTC").as_unit("us")


def test_an_empty_store_has_every_table_with_nulls(store: MarketStore) -> None:
    tables = status(store, calendar(), now=NOW)
    assert list(tables) == list(TABLES)
    assert tables["spx_bars"] == {
        "rows": 0, "versions": 0, "first": None, "last": None, "last_event": None,
        "last_available": None, "gaps": 0, "good_through": None, "fresh": None, "series": {},
    }  # fmt: skip


def test_gaps_against_the_exchange_calendar(store: MarketStore) -> None:
    sessions = calendar().sessions("2024-06-24", "2024-07-31")
    lost = sessions.isin(pd.DatetimeIndex(["2024-07-02", "2024-07-03", "2024-07-05", "2024-07-16"]))
    store.append("vol_indices", closes(sessions[~lost]), source="cboe", now=NOW)
    entry = status(store, calendar())["vol_indices"]
    assert entry["gaps"] == 4
    assert entry["series"]["vix"]["longest_gaps"] == [
        {"from": "2024-07-02", "to": "2024-07-05", "count": 3},  # the holiday is no gap
        {"from": "2024-07-16", "to": "2024-07-16", "count": 1},
    ]
    assert entry["last_available"] == "2024-07-31T20:20:00Z"


def test_gaps_of_hours_and_of_announced_intervals(store: MarketStore) -> None:
    day = hours("2024-07-01 00:00", "2024-07-01 23:00")
    store.append("perp_bars", bars(day.delete([5, 6])), source="okx", now=NOW)
    rates = pd.DataFrame({"ts": day[::8], "venue": "okx", "base": "BTC", "rate": 1e-4})
    store.append("funding", rates.assign(interval_hours=4.0), source="okx", now=NOW)
    tables = status(store, calendar())
    assert tables["perp_bars"]["series"]["okx BTC"]["longest_gaps"] == [
        {"from": "2024-07-01T05:00:00Z", "to": "2024-07-01T06:00:00Z", "count": 2}
    ]
    assert tables["funding"]["gaps"] == 2  # 04:00 and 12:00 were announced and did not come


def test_versions_count_every_row_and_rows_every_key(store: MarketStore) -> None:
    sessions = calendar().sessions("2024-07-01", "2024-07-05")
    store.append("vol_indices", closes(sessions), source="cboe", now=NOW)
    store.append("vol_indices", closes(sessions[:2]).assign(close=16.0), source="cboe", now=NOW)
    entry = status(store, calendar())["vol_indices"]
    assert (entry["rows"], entry["versions"]) == (4, 6)


@pytest.mark.parametrize(
    ("last", "now", "fresh"),
    [
        ("2024-07-31", "2024-08-01 12:00", True),  # Thursday morning: Wednesday is the last closed
        ("2024-07-31", "2024-08-01 21:00", False),  # after Thursday's close
        ("2024-07-30", "2024-08-01 12:00", False),
    ],
)
def test_fresh_enough_to_score_today(store: MarketStore, last: str, now: str, fresh: bool) -> None:
    store.append(
        "vol_indices", closes(calendar().sessions("2024-07-01", last)), source="cboe", now=NOW
    )
    # another index that lives on does not make the VIX fresh
    store.append(
        "vol_indices",
        closes(calendar().sessions(last, "2024-07-31"), "skew"),
        source="cboe",
        now=NOW,
    )
    entry = status(store, calendar(), now=pd.Timestamp(now, tz="UTC"))["vol_indices"]
    assert entry["good_through"] == last
    assert entry["fresh"] is fresh


@pytest.mark.parametrize(
    ("last_bar", "good_through"),
    [
        ("2024-07-31 20:00", "2024-07-30"),  # 22:00 is the cut-off of the 31st
        ("2024-07-31 21:00", "2024-07-31"),
        ("2024-07-31 23:00", "2024-07-31"),
    ],
)
def test_hourly_tables_reach_the_cut_off_or_not(
    store: MarketStore, last_bar: str, good_through: str
) -> None:
    store.append("perp_bars", bars(hours("2024-07-29", last_bar)), source="okx", now=NOW)
    assert status(store, calendar())["perp_bars"]["good_through"] == good_through


def test_status_does_not_tell_when_rows_were_imported(tmp_path: Path) -> None:
    sessions = calendar().sessions("2024-07-01", "2024-07-05")
    found = []
    for name, now in (("one", NOW), ("two", NOW + pd.Timedelta(days=90))):
        store = MarketStore(tmp_path / name)
        store.append("vol_indices", closes(sessions), source="cboe", now=now)
        found.append(json.dumps(status(store, calendar()), allow_nan=False))
    assert found[0] == found[1]
