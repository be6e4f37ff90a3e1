"""Stored rows that break their table's rules are named; sound ones pass."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from features.data_check import check_data
from features.sessions import calendar
from features.store import MarketStore
from features.tables import TABLES

from .test_status import closes

NOW = pd.Timestamp("2024-08-01 12:00", tz="UTC")
SESSIONS = calendar().sessions("2024-06-03", "2024-07-31")


def bars(days: pd.DatetimeIndex) -> pd.DataFrame:
    price = {"open": 5000.0, "high": 5010.0, "low": 4990.0, "close": 5005.0}
    return pd.DataFrame({"date": days} | price)


@pytest.fixture
def store(tmp_path: Path) -> MarketStore:
    made = MarketStore(tmp_path / "market")
    made.append("vol_indices", closes(SESSIONS), source="cboe", now=NOW)
    made.append("spx_bars", bars(SESSIONS), source="yahoo", now=NOW)
    return made


def test_sound_data_passes_and_is_counted(store: MarketStore) -> None:
    report = check_data(store, calendar())
    assert report.passed
    assert report.tables == {"vol_indices": len(SESSIONS), "spx_bars": len(SESSIONS)}


def test_an_empty_store_lacks_its_closes(tmp_path: Path) -> None:
    report = check_data(MarketStore(tmp_path / "none"), calendar())
    assert [fault.table for fault in report.faults] == ["spx_bars", "vol_indices"]


def test_a_hole_in_the_closes_is_named(tmp_path: Path) -> None:
    store = MarketStore(tmp_path / "market")
    store.append("spx_bars", bars(SESSIONS), source="yahoo", now=NOW)
    store.append("vol_indices", closes(SESSIONS.delete([5, 9])), source="cboe", now=NOW)
    (fault,) = check_data(store, calendar()).faults
    assert (fault.table, fault.rows) == ("vol_indices", 2)
    assert fault.examples == tuple(f"{SESSIONS[i]:%Y-%m-%d}" for i in (5, 9))


def test_rows_that_break_a_rule_are_named(
    store: MarketStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store cannot be made to hold such rows, so a damaged read stands in for it."""
    whole = MarketStore.history

    def damaged(self: MarketStore, name: str) -> pd.DataFrame:
        rows = whole(self, name)
        if name == "spx_bars":
            rows.loc[3, "close"] = -1.0
            rows.loc[4, "available_at"] = rows.loc[4, "event_time"] - pd.Timedelta(hours=1)
        if name == "vol_indices":
            again = rows.tail(1).assign(available_at=NOW - pd.Timedelta(days=1))
            rows = pd.concat([rows, again], ignore_index=True)
        return rows

    monkeypatch.setattr(MarketStore, "history", damaged)
    report = check_data(store, calendar())
    found = {(fault.table, fault.examples[0][:10]): fault.fault for fault in report.faults}
    assert found["spx_bars", f"{SESSIONS[4]:%Y-%m-%d}"] == "known before what it speaks about"
    assert found["vol_indices", f"{SESSIONS[-1]:%Y-%m-%d}"] == "a revision known before its import"
    assert ("spx_bars", f"{SESSIONS[3]:%Y-%m-%d}") in found
    assert not report.passed
    assert set(report.tables) <= set(TABLES)
