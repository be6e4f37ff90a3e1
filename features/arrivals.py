"""By how much live rows trail their table's rule, and whether the evening had them in time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from features.query import Query
from features.schema import Table
from features.sessions import Calendar
from features.store import MarketStore
from features.tables import QUARANTINE, TABLES

__all__ = ["arrivals"]

#: A row that arrives within this time of its rule's moment is a live one.
LIVE = pd.Timedelta(days=4)
#: Live rows that are this much older than a table's newest one are left out: sources change.
RECENT = pd.Timedelta(days=90)
#: Share of evenings with a late row above which a table is warned about: one in twenty.
MISSED_SHARE = 0.05


def arrivals(
    store: MarketStore,
    calendar: Calendar,
    *,
    scored: Mapping[pd.Timestamp, pd.Timestamp] | None = None,
) -> dict[str, dict[str, Any]]:
    """Measure by how much live rows trail their table's rule.

    Only imports count of which most rows arrive within four days of their rule's moment: a bulk
    import of history says nothing about lags. Of those, the last 90 days of each table.

    Parameters
    ----------
    store : MarketStore
        The store.
    calendar : Calendar
        Exchange calendar.
    scored : Mapping of Timestamp to Timestamp, optional
        Session to the moment (timezone-aware) at which its evening was first scored.

    Returns
    -------
    dict
        Table name to ``rule, live_rows, median_hours, worst_hours, evenings, evenings_missed,
        warning``: hours from the rule's moment to the import (0 where the row came no later), the
        evenings that such rows are for, those of them for which a row came too late, and a sentence
        where these are more than one in twenty, else None. A table without live rows is absent.

    Notes
    -----
    *Timing:* a row is for the first evening cut-off at or after its rule's moment: from there on
    training takes it as known. It is too late when it arrives after that evening was scored, or
    after the cut-off where it was not. A score counts up to the next open, when its ticket acts.
    """
    found = {}
    pinned = store.snapshot()
    for name in pinned.tables():
        one = TABLES[name]
        if one is QUARANTINE or one.availability.before_event:
            continue
        live = _live(pinned, one)
        if len(live):
            found[name] = _lag(one, live, calendar, scored or {})
    return found


def _live(store: MarketStore, one: Table) -> pd.DataFrame:
    """Read when the first version of each recent live row was due and when it came."""
    columns = [*one.key, "event_time", "available_at", "ingested_at"]
    rows = store.fetch(Query(one), columns, all_versions=True).to_pandas()
    first = rows[~rows.duplicated(list(one.key))]
    came = first["ingested_at"]
    young = (came >= first["event_time"]) & (came - first["available_at"] <= LIVE)
    share = young.groupby(came).transform("mean")
    live = first[young & (share > 0.5)]
    return live[live["event_time"] > live["event_time"].max() - RECENT]


def _lag(
    one: Table, live: pd.DataFrame, calendar: Calendar, scored: Mapping[pd.Timestamp, pd.Timestamp]
) -> dict[str, Any]:
    trail = live["ingested_at"] - live["available_at"]
    hours = (trail.dt.total_seconds() / 3600.0).clip(lower=0.0)
    due = live["available_at"].dt.tz_localize(None).dt.normalize()
    sessions = calendar.sessions(
        due.min() - pd.Timedelta(days=1), due.max() + pd.Timedelta(days=14)
    )
    cutoffs = calendar.cutoffs(sessions)
    deadlines = _deadlines(sessions, cutoffs, calendar, scored)
    evening = np.searchsorted(cutoffs.asi8, pd.DatetimeIndex(live["available_at"]).asi8)
    missed = pd.DatetimeIndex(live["ingested_at"]).asi8 > deadlines.asi8[evening]
    evenings, late = len(np.unique(evening)), len(np.unique(evening[missed]))
    lag = {
        "rule": one.availability.rule,
        "live_rows": len(live),
        "median_hours": round(float(hours.median()), 3),
        "worst_hours": round(float(hours.max()), 3),
        "evenings": evenings,
        "evenings_missed": late,
    }
    warning = None
    if late > MISSED_SHARE * evenings:
        warning = (
            f"{one.name}: on {late} of {evenings} evenings a row that training takes as known had "
            f"not arrived in time; rows trail their rule by {lag['median_hours']:.1f} hours in the "
            f"median, {lag['worst_hours']:.1f} at worst. Fetch earlier, or score later."
        )
    return lag | {"warning": warning}


def _deadlines(
    sessions: pd.DatetimeIndex,
    cutoffs: pd.DatetimeIndex,
    calendar: Calendar,
    scored: Mapping[pd.Timestamp, pd.Timestamp],
) -> pd.DatetimeIndex:
    """Return until when a row could arrive for each evening: its score, else its cut-off."""
    said = pd.DatetimeIndex(
        [scored.get(pd.Timestamp(session), pd.NaT) for session in sessions], tz="UTC"
    ).as_unit("us")
    latest = calendar.open_utc(calendar.following(sessions))
    in_time = said.where(~(said > latest), latest)
    return pd.DatetimeIndex(in_time.where(in_time > cutoffs, cutoffs))
