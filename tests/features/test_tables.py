from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.errors import DataError, UsageError
from features.sessions import calendar
from features.tables import BREADTH_PRECEDENCE, TABLES, markdown, table

ROOT = Path(__file__).resolve().parents[2]


def test_the_committed_documentation_is_current() -> None:
    committed = (ROOT / "docs" / "tables.md").read_text(encoding="utf-8")
    assert committed == markdown(), "run `python -m features.tables > docs/tables.md`"


def test_every_table_is_declared_soundly() -> None:
    for name, one in TABLES.items():
        assert one.name == name
        assert len(one.about) > 80, name
        assert one.availability.rule, name
        assert [column.name for column in one.columns[: len(one.key)]] == list(one.key), name
        assert all(one.column(key).required for key in one.key), name
        assert one.column(one.time).kind in ("date", "moment"), name
        assert all(column.about and column.name.islower() for column in one.columns), name
        reserved = {"event_time", "available_at", "ingested_at", "source", "version"}
        assert not reserved & {column.name for column in one.columns}, name


def test_breadth_precedence_names_columns_and_universes() -> None:
    breadth = TABLES["breadth"]
    for field, universes in BREADTH_PRECEDENCE.items():
        assert field in breadth.values
        assert set(universes) <= set(breadth.column("universe").choices)


def test_an_unknown_table_is_refused() -> None:
    with pytest.raises(
        UsageError, match=r"no table is called 'candles'\. Expected one of vol_indices"
    ):
        table("candles")


def known_at(name: str, **row: object) -> pd.Timestamp:
    one = TABLES[name]
    frame = pd.DataFrame({key: [value] for key, value in row.items()})
    for column in frame:
        if column == "date":
            frame[column] = pd.to_datetime(frame[column]).dt.as_unit("us")
        elif column in ("ts", "published_at", "release_time"):
            frame[column] = pd.to_datetime(frame[column], utc=True).dt.as_unit("us")
    missing = {c.name: pd.NaT for c in one.columns if c.kind == "moment" and c.name not in frame}
    return one.availability.known_at(frame.assign(**missing), calendar())[0]


@pytest.mark.parametrize(
    ("name", "row", "expected"),
    [
        ("vol_indices", {"date": "2024-07-01"}, "2024-07-01 20:20"),  # 16:20 EDT
        ("vol_indices", {"date": "2024-01-02"}, "2024-01-02 21:20"),  # 16:20 EST
        ("vol_indices", {"date": "2024-07-03"}, "2024-07-03 20:20"),  # early close: the same clock
        ("spx_bars", {"date": "2024-01-02"}, "2024-01-02 21:20"),
        ("vix_futures", {"date": "2024-01-02"}, "2024-01-02 22:00"),
        ("breadth", {"date": "2024-01-02"}, "2024-01-02 22:30"),
        ("rates", {"date": "2024-01-12", "series": "dgs10"}, "2024-01-16 21:30"),  # King Day
        ("rates", {"date": "2024-10-11", "series": "dgs10"}, "2024-10-15 20:30"),  # Columbus Day
        ("rates", {"date": "2022-11-10", "series": "dgs10"}, "2022-11-14 21:30"),  # Veterans Day
        ("rates", {"date": "2018-11-09", "series": "dff"}, "2018-11-13 21:30"),  # ... on a Sunday
        ("rates", {"date": "2018-11-01", "series": "baa"}, "2018-12-05 21:30"),
        ("rates", {"date": "1999-12-01", "series": "aaa"}, "2000-01-05 21:30"),
        ("dollar", {"date": "2024-07-01"}, "2024-07-09 20:30"),
        ("valuation", {"date": "2023-01-01"}, "2023-03-17 20:30"),  # 31 January + 45 days
        ("strategy_indices", {"date": "2015-01-31"}, "2015-02-02 21:20"),  # a Saturday
        ("perp_bars", {"ts": "2024-07-01 20:00"}, "2024-07-01 21:00"),
        ("spot_bars", {"ts": "2024-07-01 20:00"}, "2024-07-01 21:00"),
        ("funding", {"ts": "2024-07-01 16:00"}, "2024-07-01 16:00"),
        ("open_interest", {"ts": "2024-07-01 20:00"}, "2024-07-01 20:05"),
        ("liquidation_totals", {"date": "2024-07-01"}, "2024-07-02 00:05"),
        ("liquidation_events", {"ts": "2024-07-01 20:50:01"}, "2024-07-01 20:50:01"),
        ("overnight", {"date": "2024-07-01"}, "2024-07-01 12:55"),  # before the 09:00 cut-off
        # 60 days before a Wednesday in March, midnight New York
        ("scheduled_events", {"date": "2024-03-20", "kind": "scheduled"}, "2024-01-20 05:00"),
        ("scheduled_events", {"date": "2027-01-27", "kind": "tentative"}, "2026-11-28 05:00"),
        # nobody knew of it before; its hour is unknown
        ("scheduled_events", {"date": "2020-03-15", "kind": "unscheduled"}, "2020-03-15 21:00"),
        (
            "scheduled_events",
            {"date": "2020-03-03", "kind": "unscheduled", "release_time": "2020-03-03 15:00"},
            "2020-03-03 15:00",
        ),
        # a date that was made public later than 60 days ahead is known from then on
        (
            "scheduled_events",
            {"date": "2025-10-24", "kind": "scheduled", "published_at": "2025-10-10 12:00"},
            "2025-10-10 12:00",
        ),
    ],
)
def test_availability_rules(name: str, row: dict[str, object], expected: str) -> None:
    assert known_at(name, **row) == pd.Timestamp(expected, tz="UTC")


def test_nothing_but_a_schedule_is_known_before_its_event() -> None:
    day = pd.Series(calendar().sessions("1999-01-01", "2024-12-31"))
    stamp = day.dt.tz_localize("UTC").dt.as_unit("us")
    for name, one in TABLES.items():
        if one.availability.before_event or name == "quarantine":
            continue
        for series in ("dgs10", "aaa"):
            rows = pd.DataFrame({"date": day, "ts": stamp, "series": series})
            event_time = one.availability.event_time(rows, calendar())
            assert (one.availability.known_at(rows, calendar()) >= event_time).all(), name


def vol(**changes: object) -> pd.DataFrame:
    row: dict[str, object] = {
        "date": pd.Timestamp("2024-07-01"), "symbol": "vix",
        "open": 13.0, "high": 14.0, "low": 12.0, "close": 12.5,
    }  # fmt: skip
    return pd.DataFrame([row | changes])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({"open": np.nan, "high": np.nan, "low": np.nan}, None),
        ({"close": np.nan}, "`close` is missing or unreadable"),
        ({"close": 0.0, "low": 0.0}, "`low` is not above 0"),
        ({"close": np.inf, "high": np.inf}, "`high` is infinite"),
        ({"high": 5000.0}, "`high` is above 500"),
        ({"symbol": "VIX"}, "`symbol` is none of vix, vix1d, vix9d, vix3m, vix6m, vvix, skew"),
        ({"symbol": None}, "`symbol` is missing"),
        ({"low": 14.5}, "`low` is above `high`"),
        ({"close": 15.0}, "`close` lies outside `low` to `high`"),
        ({"open": 20.0}, None),  # published so, 47 times
    ],
)
def test_faults_of_a_row(changes: dict[str, object], reason: str | None) -> None:
    faults = TABLES["vol_indices"].faults(vol(**changes))
    assert list(faults) == ([reason] if reason else [])


def test_an_open_outside_the_range_is_a_fault_where_it_is_traded() -> None:
    bars = vol(open=20.0).drop(columns="symbol")
    faults = TABLES["spx_bars"].faults(TABLES["spx_bars"].complete(bars))
    assert list(faults) == ["`open` lies outside `low` to `high`"]


def test_a_missing_column_is_named() -> None:
    with pytest.raises(DataError, match="rows for table `vol_indices` lack close"):
        TABLES["vol_indices"].complete(vol().drop(columns="close"))
