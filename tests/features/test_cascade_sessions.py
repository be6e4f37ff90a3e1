"""New cascades by session: the project's list, laid on cut-offs, and nothing from after them."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from features import pipeline
from features.altered_stores import TruncatedStore
from features.cascade_list import cascades
from features.cascade_sessions import FEATURES, _from_totals
from features.cascade_totals import daily_totals
from features.catalog import PARTS
from features.sessions import calendar
from features.store import MarketStore

NAMES = [f.name for f in FEATURES]
PART = [part for part in PARTS if part.name == "cascade_sessions"]
START, END = "2024-01-02", "2024-12-16"


@pytest.fixture(scope="module")
def store(simulated) -> MarketStore:
    return MarketStore(simulated(years=2, seed=5, link=1.0) / "market")


@pytest.fixture(scope="module")
def listed(store) -> pd.DataFrame:
    found = pd.DataFrame(cascades(store, "2023-01-01", END))
    found = found[found["definition"] != "tape"].copy()
    found["known"] = pd.to_datetime(found["available_at"], utc=True, format="ISO8601")
    # the open interest that closes an hourly bar is published after it: an hour on this clock
    hourly = found["definition"] == "price_oi"
    found.loc[hourly, "known"] += pd.Timedelta(hours=1)
    return found


@pytest.fixture(scope="module")
def made(store) -> dict[str, pd.DataFrame]:
    return {
        at: pipeline.build(store, at=at, start=START, end=END, parts=PART)
        for at in ("evening", "preopen")
    }


def inside(listed, begin, end) -> pd.DataFrame:
    return listed[(listed["known"] > begin) & (listed["known"] <= end)]


def test_each_cascade_of_the_list_is_new_to_one_evening(made, listed):
    made = made["evening"]
    sessions = calendar().sessions("2023-12-29", END)
    cutoffs = calendar().cutoffs(sessions, "evening")
    expected = [len(inside(listed, *pair)) for pair in pairwise(cutoffs)]
    # a cascade of several bars is listed by its last one, and may have been known an evening before
    several = listed[listed["n_bars"] > 1]["known"]
    near = np.array(
        [((several - cutoff).abs() < pd.Timedelta(hours=8)).any() for cutoff in cutoffs[1:]]
    )
    clear = ~(near | np.append(False, near[:-1]))
    assert clear.sum() > 150 and np.sum(expected) > 30
    np.testing.assert_array_equal(made["casc_new"].to_numpy()[clear], np.array(expected)[clear])
    assert made["casc_new"].sum() == np.sum(expected)


def test_preopen_counts_the_night_alone(made, listed):
    made = made["preopen"]
    single = listed[listed["n_bars"] == 1]
    sessions = made.index[20:]
    evening, morning = (calendar().cutoffs(sessions, at) for at in ("evening", "preopen"))
    for session, begin, end in zip(sessions, evening, morning, strict=True):
        assert made.loc[session, "casc_new"] >= len(inside(single, begin, end))
        assert made.loc[session, "casc_new"] <= len(inside(listed, begin, end + pd.Timedelta("8h")))


def test_side_and_size_of_a_lone_cascade(made, listed):
    made = made["evening"]
    cutoffs = calendar().cutoffs(calendar().sessions("2023-12-29", END), "evening")
    seen = 0
    for place, row in enumerate(made.itertuples()):
        own = inside(listed, cutoffs[place], cutoffs[place + 1])
        if len(own) != 1 or own["n_bars"].iloc[0] != 1 or row.casc_new != 1:
            continue
        seen += 1
        one = own.iloc[0]
        hourly = one["definition"] == "price_oi"
        share = float(one["side"] == "long") if hourly else one["long_usd"] / one["notional_usd"]
        assert row.casc_new_long_share == pytest.approx(share)
        assert np.isfinite(row.casc_new_engineered) == hourly
        if np.isfinite(row.casc_new_z):
            before = listed[
                (listed["definition"] == one["definition"])
                & (listed["base"] == one["base"])
                & (hourly or listed["feed_era"] == one["feed_era"])
                & (listed["known"] < one["known"])
                & (listed["known"] > one["known"] - pd.Timedelta(days=365))
            ]
            size = "oi_change_usd" if hourly else "notional_usd"
            sign = -1.0 if hourly else 1.0
            smaller = (sign * before[size] < sign * one[size]).mean()
            from scipy.stats import norm

            assert row.casc_new_z == pytest.approx(norm.ppf(np.clip(smaller, 0.02, 0.98)))
    assert seen > 5


def totals_of(spikes: dict[str, float], *, first: str, last: str) -> pd.DataFrame:
    """Give BTC days of 4 to 6 million USD liquidated, but for the days named, in million USD."""
    dates = pd.date_range(first, last, unit="us")
    usd = pd.Series(4e6 + 1e6 * (np.arange(len(dates)) % 3), index=dates)
    for day, millions in spikes.items():
        usd[day] = millions * 1e6
    return pd.DataFrame(
        {
            "date": dates,
            "base": "BTC",
            "long_usd": 0.75 * usd.to_numpy(),
            "short_usd": 0.25 * usd.to_numpy(),
            "perp_volume_usd": 1e9,
            "available_at": dates.tz_localize("UTC") + pd.Timedelta("1D") + pd.Timedelta("5min"),
        }
    )


def ranks_of(spikes: dict[str, float], *, first: str = "2020-12-01", last: str = "2022-06-30"):
    """Give the rank of each day's cascade, every day of the table being a session."""
    days = totals_of(spikes, first=first, last=last)
    found = daily_totals(days)
    assert list(found["start"].dt.strftime("%Y-%m-%d")) == list(spikes)
    end = pd.DatetimeIndex(days["available_at"]).as_unit("us").asi8
    view = SimpleNamespace(table={"liquidation_totals": days}.__getitem__)
    new = _from_totals(view, np.append(end[0] - 1, end[:-1]), end)
    return {f"{days['date'].iloc[one.place]:%Y-%m-%d}": one.rank for one in new}


FULL_FEED = {"2021-01-10": 60.0, "2021-02-10": 61.0, "2021-03-10": 62.0, "2021-04-10": 63.0}
THROTTLED = {
    "2021-06-10": 40.0,
    "2021-07-10": 70.0,
    "2021-08-10": 45.0,
    "2021-09-10": 80.0,
    "2021-10-10": 50.0,
}


def test_a_rank_of_totals_never_looks_across_the_feed_break():
    ranks = ranks_of(FULL_FEED | THROTTLED | {"2021-11-10": 65.0})
    # 40, 45 and 50 of five are smaller; with the four of the full feed it would be 7 of 9
    assert ranks["2021-11-10"] == 3 / 5
    # four of each feed lie before it, which is fewer than five of its own
    assert np.isnan(ranks["2021-10-10"])


def test_a_rank_of_totals_holds_a_year_and_no_equal():
    equal = ranks_of(THROTTLED | {"2021-11-10": 70.0})
    assert equal["2021-11-10"] == 3 / 5
    more = THROTTLED | {"2021-11-10": 55.0}
    # a cascade of 365 days before is out, of 364 days before it is in
    assert ranks_of(more | {"2022-06-10": 42.0})["2022-06-10"] == 0 / 5
    assert ranks_of(more | {"2022-06-09": 42.0})["2022-06-09"] == 1 / 6


@pytest.mark.parametrize("at", ["evening", "preopen"])
def test_what_came_after_the_cut_off_changes_nothing(store, made, at):
    made = made[at]
    busy = made.index[(made["casc_new"] > 0).to_numpy()]
    quiet = made.index[(made["casc_new"] == 0).to_numpy()]
    for session in [*busy[5::6], *quiet[5::40]]:
        cutoff = calendar().cutoffs(pd.DatetimeIndex([session]), at)[0]
        lone = pd.DatetimeIndex([session])
        live = pipeline.build_sessions(
            TruncatedStore(store, cutoff), lone, at=at, as_of=cutoff, parts=PART
        )
        np.testing.assert_array_equal(live.to_numpy()[0], made.loc[session].to_numpy())


def test_null_where_nothing_could_be_measured(store, tmp_path):
    only = MarketStore(tmp_path)
    for table in ("spx_bars", "vol_indices"):
        rows = store.read(table)
        only.append(table, rows, source="copy", now=pd.Timestamp("2025-01-10", tz="UTC"))
    made = pipeline.build(only, start="2024-11-01", end=END, parts=PART)
    assert made[NAMES].isna().all(axis=None)
