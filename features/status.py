"""What the store holds: spans, versions, gaps, freshness."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from features.schema import Table
from features.sessions import Calendar
from features.store import MarketStore
from features.tables import QUARANTINE, TABLES

__all__ = ["status"]

#: Longest gaps that are listed for a series.
LISTED_GAPS = 5


def status(
    store: MarketStore, calendar: Calendar, *, now: pd.Timestamp | None = None
) -> dict[str, Any]:
    """Describe every canonical table.

    Parameters
    ----------
    store : MarketStore
        The store.
    calendar : Calendar
        Exchange calendar, for gaps and freshness.
    now : Timestamp, optional
        Timezone-aware; without it `fresh` is None.

    Returns
    -------
    dict
        Table name to ``rows, versions, first, last, last_event, last_available, gaps,
        good_through, fresh, series``. `gaps` counts the missing sessions (days, hours, months)
        inside the series' own spans; `good_through` is the last session that the table can serve,
        None where no score waits for it.
        Nothing in it depends on when rows were imported: a repeated import changes no byte.
    """
    pinned = store.snapshot()
    return {name: _describe(pinned, TABLES[name], calendar, now) for name in TABLES}


def _describe(
    store: MarketStore, one: Table, calendar: Calendar, now: pd.Timestamp | None
) -> dict[str, Any]:
    extra = [name for name in ("interval_hours",) if name in one.by_name]
    rows = store.read(one.name, columns=["event_time", *extra])
    if one is QUARANTINE:  # its rows speak about no moment
        rows[["ts", "event_time", "available_at"]] = pd.NaT
    series = {} if one is QUARANTINE else _series(one, rows, calendar)
    good = _good_through(one, series, calendar)
    return {
        "rows": len(rows),
        "versions": sum(segment.rows for segment in store.manifest().segments(one.name)),
        "first": _text(rows[one.time].min()),
        "last": _text(rows[one.time].max()),
        "last_event": _text(rows["event_time"].max()),
        "last_available": _text(rows["available_at"].max()),
        "gaps": sum(entry["gaps"] or 0 for entry in series.values()) if series else 0,
        "good_through": _text(good),
        "fresh": None if good is None or now is None else bool(good >= calendar.last_closed(now)),
        "series": series,
    }


def _series(one: Table, rows: pd.DataFrame, calendar: Calendar) -> dict[str, dict[str, Any]]:
    if rows.empty:
        return {}
    names = list(one.series)
    groups = rows.groupby(names, sort=True) if names else [((one.name,), rows)]
    found = {}
    for label, part in groups:
        times = pd.DatetimeIndex(part[one.time].drop_duplicates())
        missing = _missing(one, str(label[0]), part, times, calendar)
        found[" ".join(map(str, label))] = {
            "rows": len(part),
            "first": _text(times[0]),
            "last": _text(times[-1]),
            "gaps": None if missing is None else int(sum(count for _, _, count in missing)),
            "longest_gaps": [] if missing is None else _listed(missing),
        }
    return found


Gap = tuple[pd.Timestamp, pd.Timestamp, int]


def _missing(
    one: Table, label: str, rows: pd.DataFrame, times: pd.DatetimeIndex, calendar: Calendar
) -> list[Gap] | None:
    """Find the gaps of a series as (first missing, last missing, count); None where none can be."""
    if "interval_hours" in rows:
        hours = rows["interval_hours"].to_numpy()[:-1]
        return _stepped(times, pd.to_timedelta(hours, unit="h"))
    if one.cadence == "hour":
        return _stepped(times, pd.to_timedelta(np.ones(len(times) - 1), unit="h"))
    if one.cadence == "month" or label in one.monthly:
        return _absent(
            pd.date_range(times[0], times[-1], freq="MS"), times.to_period("M").to_timestamp()
        )
    if one.cadence == "day":
        return _absent(pd.date_range(times[0], times[-1], freq="D"), times)
    if one.cadence == "session":
        inside = times[calendar.covers(times)]
        return _absent(calendar.sessions(inside[0], inside[-1]), inside) if len(inside) else []
    return None


def _stepped(times: pd.DatetimeIndex, steps: pd.TimedeltaIndex) -> list[Gap]:
    """Find readings that come later than the step that the one before announced."""
    missed = np.rint((times[1:] - times[:-1]) / steps).astype(int) - 1
    places = np.flatnonzero(missed > 0)
    return [
        (times[place] + steps[place], times[place + 1] - steps[place], int(missed[place]))
        for place in map(int, places)
    ]


def _absent(expected: pd.DatetimeIndex, present: pd.DatetimeIndex) -> list[Gap]:
    absent = np.flatnonzero(~expected.isin(present))
    runs = np.split(absent, np.flatnonzero(np.diff(absent) > 1) + 1) if len(absent) else []
    return [(expected[run[0]], expected[run[-1]], len(run)) for run in runs]


def _listed(gaps: list[Gap]) -> list[dict[str, Any]]:
    longest = sorted(gaps, key=lambda gap: (-gap[2], gap[0]))[:LISTED_GAPS]
    return [
        {"from": _text(first), "to": _text(last), "count": count} for first, last, count in longest
    ]


def _good_through(
    one: Table, series: dict[str, dict[str, Any]], calendar: Calendar
) -> pd.Timestamp | None:
    """Return the last session whose evening finds the table fresh enough."""
    if one.fresh_sessions is None or not series:
        return None
    wanted = [
        entry for label, entry in series.items() if not one.essential or label in one.essential
    ]
    if not wanted:
        return None
    last = max(pd.Timestamp(entry["last"]) for entry in wanted)
    sessions = calendar.sessions(None, last.tz_localize(None).normalize())
    if last.tzinfo is not None:
        # A bar that is over by the cut-off reaches it with at most one more to come.
        sessions = sessions[
            calendar.cutoffs(sessions) < last + pd.Timedelta(hours=2 * one.step_hours)
        ]
    if sessions.empty:
        return None
    later = calendar.sessions(sessions[-1], None)
    return pd.Timestamp(later[min(one.fresh_sessions, len(later) - 1)])


def _text(moment: pd.Timestamp | None) -> str | None:
    if moment is None or pd.isna(moment):
        return None
    stamp = pd.Timestamp(moment)
    return f"{stamp:%Y-%m-%dT%H:%M:%SZ}" if stamp.tzinfo else f"{stamp:%Y-%m-%d}"
