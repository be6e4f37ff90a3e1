"""Reads of the store against the same question asked in SQL."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import numpy as np
import pandas as pd
import pytest

from features import segments
from features.store import MarketStore

NOW = pd.Timestamp("2024-08-01 12:00", tz="UTC")
HOURS = pd.date_range("2024-07-01", periods=40, freq="h", tz="UTC", unit="us")
KEY = ("ts", "venue", "base")
COLUMNS = [*KEY, "close", "available_at"]


def filled(store: MarketStore, *, revise: bool, appends: int = 5) -> MarketStore:
    """Hours of two venues and coins in several appends, most overlapping the one before."""
    rng = np.random.default_rng(7)
    for number in range(appends):
        hours = HOURS[np.sort(rng.choice(40, 25, replace=False))] if revise else HOURS[number::5]
        names = [(v, b) for v in ("okx", "binance") for b in ("ETH", "BTC")]
        parts = []
        for venue, base in names:
            close = rng.integers(1, 3, len(hours)).astype(float)
            same = {name: close for name in ("open", "high", "low", "close")}
            parts.append(pd.DataFrame({"ts": hours, "venue": venue, "base": base, **same}))
        store.append("perp_bars", pd.concat(parts), source="test", now=NOW + number * HOUR)
    return store


HOUR = pd.Timedelta(hours=1)


def asked_in_sql(store: MarketStore, conditions: Sequence[str]) -> list[tuple[object, ...]]:
    files = [str(store.root / s.file) for s in store.manifest().segments("perp_bars")]
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    sql = f"""
        SELECT {", ".join(COLUMNS)} FROM read_parquet({files}) {where}
        QUALIFY row_number() OVER (PARTITION BY {", ".join(KEY)} ORDER BY version DESC) = 1
        ORDER BY {", ".join(KEY)}
    """
    return duckdb.connect().execute(sql).fetchall()


def told(frame: pd.DataFrame) -> list[tuple[object, ...]]:
    plain = frame.assign(
        ts=frame["ts"].dt.tz_localize(None), available_at=frame["available_at"].dt.tz_localize(None)
    )
    return [tuple(row) for row in plain[COLUMNS].itertuples(index=False)]


CASES = {
    "all": ({}, []),
    "as of a past": (
        {"as_of": NOW + 2 * HOUR},
        ["available_at <= TIMESTAMP '2024-08-01 14:00:00'"],
    ),
    "before the corrections": (
        {"as_of": pd.Timestamp("2024-07-01 20:00", tz="UTC")},
        ["available_at <= TIMESTAMP '2024-07-01 20:00:00'"],
    ),
    "span": (
        {"start": HOURS[3], "end": HOURS[30], "as_of": NOW + HOUR},
        [
            "available_at <= TIMESTAMP '2024-08-01 13:00:00'",
            "ts >= TIMESTAMP '2024-07-01 03:00:00'",
            "ts <= TIMESTAMP '2024-07-02 06:00:00'",
        ],
    ),
    "names": ({"where": {"venue": "okx", "base": ["BTC"]}}, ["venue = 'okx'", "base = 'BTC'"]),
    "values": ({"where": {"close": [2.0]}}, ["close = 2.0"]),
    "an empty span": ({"start": HOURS[9], "end": HOURS[8]}, ["FALSE"]),
}


@pytest.fixture(autouse=True)
def few_rows_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """A read has groups of rows to leave out."""
    monkeypatch.setattr(segments, "GROUP_ROWS", 7)


@pytest.mark.parametrize("revise", [True, False], ids=["revised", "apart"])
@pytest.mark.parametrize("case", CASES)
def test_a_read_is_what_sql_answers(store: MarketStore, case: str, revise: bool) -> None:
    options, conditions = CASES[case]
    rows = filled(store, revise=revise).read("perp_bars", columns=["close"], **options)
    expected = asked_in_sql(store, conditions)
    assert told(rows) == expected
    assert (len(expected) > 0) == (case != "an empty span")


def test_every_version_comes_in_the_order_of_key_and_age(store: MarketStore) -> None:
    rows = filled(store, revise=True).history("perp_bars")
    files = [str(store.root / s.file) for s in store.manifest().segments("perp_bars")]
    order = ", ".join((*KEY, "version"))
    sql = f"SELECT {', '.join(COLUMNS)} FROM read_parquet({files}) ORDER BY {order}"
    assert told(rows) == duckdb.connect().execute(sql).fetchall()
    assert rows.duplicated(list(KEY)).any()
