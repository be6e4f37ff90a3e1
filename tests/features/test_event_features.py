from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.catalog import PARTS
from features.pipeline import build, row
from features.sessions import calendar
from features.store import MarketStore

NOW = pd.Timestamp("2025-01-02", tz="UTC")
EVENTS = [part for part in PARTS if part.name == "events"]


@pytest.fixture
def store(tmp_path: Path) -> MarketStore:
    """Half a year of sessions; CPI dates from March to May alone, no PPI at all."""
    store = MarketStore(tmp_path / "market")
    days = calendar().sessions("2024-01-02", "2024-06-28")
    prices = dict.fromkeys(("high", "low", "close"), 5000.0)
    store.append("spx_bars", pd.DataFrame({"date": days, **prices}), source="user", now=NOW)
    vix = pd.DataFrame({"date": days, "symbol": "vix", "close": 15.0})
    store.append("vol_indices", vix, source="cboe", now=NOW)
    dates = pd.DatetimeIndex(["2024-03-12", "2024-04-10", "2024-05-15"]).as_unit("us")
    cpi = pd.DataFrame({"date": dates, "event": "CPI", "kind": "scheduled"})
    store.append("scheduled_events", cpi, source="bls", now=NOW)
    return store


def test_nothing_is_known_of_an_event_outside_its_list(store: MarketStore) -> None:
    table = build(store, parts=EVENTS)
    ahead, behind = table["to_cpi"], table["since_cpi"]
    assert ahead[:"2024-03-11"].isna().all() and behind[:"2024-03-11"].isna().all()
    assert (ahead["2024-04-09"], behind["2024-04-09"]) == (1.0, 19.0)
    assert (ahead["2024-04-10"], behind["2024-04-10"]) == (25.0, 0.0)
    # on its last date the list says nothing of the next one, and from then on nothing at all
    assert np.isnan(ahead["2024-05-15"]) and behind["2024-05-15"] == 0.0
    late = table["2024-05-16":]
    empty = ["to_cpi", "since_cpi", "cpi_in_5", "event_days_5", "event_today"]
    assert late[empty].isna().all(axis=None)
    assert table[["to_ppi", "since_ppi", "ppi_in_10"]].isna().all(axis=None)


@pytest.mark.parametrize("day", ["2024-03-11", "2024-03-12", "2024-05-15", "2024-05-16"])
def test_a_row_built_then_is_the_row_built_later(store: MarketStore, day: str) -> None:
    names = [feature.name for part in EVENTS for feature in part.features]
    then = row(store, day)[names]
    pd.testing.assert_series_equal(then, build(store, parts=EVENTS).loc[day], check_names=False)
