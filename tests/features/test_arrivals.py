from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from features.arrivals import arrivals
from features.sessions import calendar
from features.store import MarketStore

from .test_status import closes


@pytest.fixture
def store(tmp_path: Path) -> MarketStore:
    """A store with a bulk import of June, which says nothing about lags."""
    store = MarketStore(tmp_path / "market")
    history = calendar().sessions("2024-06-03", "2024-06-28")
    store.append("vol_indices", closes(history), source="cboe", now=utc("2024-07-01"))
    return store


def utc(text: str) -> pd.Timestamp:
    return pd.Timestamp(text, tz="UTC")


def arrive(store: MarketStore, day: str, moment: str) -> None:
    one = calendar().sessions(day, day)
    store.append("vol_indices", closes(one), source="cboe", now=utc(moment))


# In July, 16:20 New York is 20:20 UTC and the evening cut-off of 18:00 is 22:00 UTC.
THREE_EVENINGS = (
    ("2024-07-01", "2024-07-01 20:20"),
    ("2024-07-02", "2024-07-02 21:20"),
    ("2024-07-03", "2024-07-03 22:20"),
)


def test_a_bulk_import_of_history_says_nothing(store: MarketStore) -> None:
    assert arrivals(store, calendar()) == {}


def test_three_evenings_by_hand(store: MarketStore) -> None:
    for day, moment in THREE_EVENINGS:
        arrive(store, day, moment)
    found = arrivals(store, calendar())
    assert list(found) == ["vol_indices"]
    lag = found["vol_indices"]
    warning = lag.pop("warning")
    assert lag == {
        "rule": "16:20 New York on the same day",
        "live_rows": 3,
        "median_hours": 1.0,
        "worst_hours": 2.0,
        "evenings": 3,
        "evenings_missed": 1,
    }
    assert warning.startswith("vol_indices: on 1 of 3 evenings a row that training takes as known")
    assert "1.0 hours in the median, 2.0 at worst" in warning


@pytest.mark.parametrize(
    ("scored", "missed"),
    [
        ("2024-07-03 22:19", 1),  # scored without it
        ("2024-07-03 22:30", 0),  # it was there
        ("2024-07-09 12:00", 0),  # scored late: it counts up to the next open, Friday 13:30 UTC
    ],
)
def test_an_evening_counts_from_when_it_was_scored(
    store: MarketStore, scored: str, missed: int
) -> None:
    for day, moment in THREE_EVENINGS:
        arrive(store, day, moment)
    lag = arrivals(store, calendar(), scored={pd.Timestamp("2024-07-03"): utc(scored)})
    assert lag["vol_indices"]["evenings_missed"] == missed
    assert (lag["vol_indices"]["warning"] is None) == (missed == 0)


def test_a_late_score_does_not_excuse_a_row_that_came_after_the_next_open(
    store: MarketStore,
) -> None:
    arrive(store, "2024-07-03", "2024-07-05 13:31")  # the fourth is a holiday
    late = {pd.Timestamp("2024-07-03"): utc("2024-07-05 14:00")}
    assert arrivals(store, calendar(), scored=late)["vol_indices"]["evenings_missed"] == 1


def test_one_late_evening_in_many_is_shown_and_not_warned_about(store: MarketStore) -> None:
    days = calendar().sessions("2024-07-01", "2024-08-30")
    for place, day in enumerate(days):
        clock = "23:00" if place == 10 else "21:00"
        arrive(store, f"{day:%Y-%m-%d}", f"{day:%Y-%m-%d} {clock}")
    lag = arrivals(store, calendar())["vol_indices"]
    assert (lag["evenings"], lag["evenings_missed"], lag["warning"]) == (len(days), 1, None)


def test_lags_older_than_ninety_days_are_forgotten(store: MarketStore) -> None:
    arrive(store, "2024-07-01", "2024-07-01 23:00")
    arrive(store, "2024-10-31", "2024-10-31 21:00")
    lag = arrivals(store, calendar())["vol_indices"]
    assert (lag["live_rows"], lag["evenings_missed"], lag["warning"]) == (1, 0, None)


def test_a_correction_is_no_arrival(store: MarketStore) -> None:
    arrive(store, "2024-07-01", "2024-07-01 21:00")
    corrected = closes(calendar().sessions("2024-07-01", "2024-07-01")).assign(close=16.0)
    store.append("vol_indices", corrected, source="cboe", now=utc("2024-07-02 12:00"))
    lag = arrivals(store, calendar())["vol_indices"]
    assert (lag["live_rows"], lag["evenings_missed"]) == (1, 0)


def test_a_slow_series_is_live_though_its_rule_waits_for_days(store: MarketStore) -> None:
    days = calendar().sessions("2024-07-01", "2024-07-01")
    dollar = pd.DataFrame({"date": days, "value_index": 120.0})
    # 16:30 New York, 8 days later, is 2024-07-09 20:30 UTC
    store.append("dollar", dollar, source="fred", now=utc("2024-07-09 21:00"))
    lag = arrivals(store, calendar())["dollar"]
    assert (lag["live_rows"], lag["median_hours"], lag["evenings_missed"]) == (1, 0.5, 0)
