"""Scheduled events and the calendar: known in advance, and so legitimate at any moment."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.curve import DAY_US
from features.declare import Feature, family
from features.sources.expiries import rule_days
from features.view import View
from features.windows import Array

__all__ = ["EVENTS", "FAR", "FEATURES", "HORIZONS", "compute"]

EVENTS = ("FOMC", "CPI", "PPI", "NFP")
HORIZONS = (1, 5, 10, 21)
# further ahead than this a release is not counted as known; further back it has no say
FAR = 30
KNOWN = "dates published by the cut-off; a later reschedule is not seen before it is published"
CALENDAR = "from the exchange calendar alone"

_f = partial(family, group="events", inputs=("scheduled_events",), timing=KNOWN)
_c = partial(family, group="events", inputs=(), timing=CALENDAR)

FEATURES: list[Feature] = [
    *_f("to_{e}", definition="sessions to the next known {e}, at most 30", unit="sessions",
        reference="domain 3.25", e=("fomc", "cpi", "ppi", "nfp")),
    *_f("since_{e}", definition="sessions since the last {e}, at most 30", unit="sessions",
        reference="domain 3.25", e=("fomc", "cpi", "ppi", "nfp")),
    *_f("{e}_in_{h}", definition="1 where a known {e} falls on sessions t+1 to t+{h}", unit="flag",
        reference="domain 3.25: event in window", e=("fomc", "cpi", "ppi", "nfp"), h=(1, 5, 10)),
    *_f("event_days_{h}", definition="sessions of t+1 to t+{h} with a known FOMC, CPI, PPI or NFP",
        unit="sessions", reference="domain 3.25", h=HORIZONS),
    *_f("event_today", definition="1 where session t itself has FOMC, CPI, PPI or NFP",
        unit="flag", reference="domain 3.25"),
    *_f("event_cluster", definition="known event sessions among t-2 to t+3", unit="sessions",
        reference="events close together"),
    *_c("to_option_expiry", definition="sessions to the next monthly SPX expiry (third Friday)",
        unit="sessions", reference="exchange rule"),
    *_c("to_vix_expiry", definition="sessions to the next monthly VIX expiry", unit="sessions",
        reference="Cboe: 30 days before the third Friday of the next month"),
    *_c("to_quarter_end", definition="sessions to the last session of the quarter, at most 30",
        unit="sessions", reference="quarter-end positioning"),
    *_c("days_to_next_session", definition="calendar days to the next session", unit="days",
        reference="weekend and holiday length"),
    *_c("closed_days_{h}", definition="days without a session before session t+{h}", unit="days",
        reference="calendar time inside the window", h=(5,)),
    *_c("weekday", definition="day of the week of session t, Monday 0", unit="0..4",
        reference="day-of-week effect"),
]  # fmt: skip


def compute(view: View) -> dict[str, Array]:
    """Compute the group.

    Notes
    -----
    *Timing:* an event counts for a session when it was published by that session's cut-off. It
    counts as past from its own session on.
    """
    return {**_scheduled(view), **_calendar(view)}


def _later(view: View, days: int = 80) -> NDArray[np.int64]:
    """Days (since 1970) of the view's sessions and of those after it."""
    if not len(view.grid):
        return np.zeros(0, dtype=np.int64)
    ahead = view.calendar.sessions(view.grid[0], view.grid[-1] + pd.Timedelta(days=days))
    return np.asarray(pd.DatetimeIndex(ahead).as_unit("us").asi8 // DAY_US)


def _scheduled(view: View) -> dict[str, Array]:
    n = len(view.grid)
    sessions = _later(view)
    frame = view.table("scheduled_events")
    frame = frame[frame["kind"] != "cancelled"]
    days = pd.DatetimeIndex(frame["date"]).as_unit("us").asi8 // DAY_US
    published = pd.DatetimeIndex(frame["available_at"]).as_unit("us").asi8
    cutoffs = np.where(view.cutoffs.isna(), view.known_at.asi8, view.cutoffs.asi8)
    # a release on a day without a session moves the market on the next one
    place = np.searchsorted(sessions, days)
    shown = np.searchsorted(cutoffs, published)
    ahead = {e: np.full(n, float(FAR)) for e in EVENTS}
    behind = {e: np.full(n, float(FAR)) for e in EVENTS}
    held = np.zeros((max(HORIZONS) + 3, n))
    names = frame["event"].to_numpy()
    rows = np.arange(n)
    # last session, as known at each one, for which the list of an event has a date
    reach = {e: np.full(n, -1) for e in EVENTS}
    for event, at, known in zip(names, place, shown, strict=True):
        if event not in ahead or at <= 0:
            continue
        reach[event][known:] = np.maximum(reach[event][known:], at)
        before = slice(max(known, at - FAR), min(at, n))
        ahead[event][before] = np.minimum(ahead[event][before], at - rows[before])
        after = slice(max(known, at), min(at + FAR, n))
        behind[event][after] = np.minimum(behind[event][after], rows[after] - at)
        for offset in range(-2, max(HORIZONS) + 1):
            seen = at - offset
            if known <= seen < n and seen >= 0:
                held[offset + 2, seen] = 1.0
    out: dict[str, Array] = {}
    if not len(frame):
        ahead = {e: view.nan() for e in EVENTS}
        behind = dict(ahead)
        held[:] = np.nan
    first = place.min(initial=n) if len(frame) else n
    for e in EVENTS:
        # before the list of an event begins and after it has ended nothing is known about it
        own = place[names == e]
        early = rows < (own.min() if len(own) else n)
        out[f"since_{e.lower()}"] = np.where(early | (reach[e] < rows), np.nan, behind[e])
        unknown = early | (reach[e] <= rows)
        out[f"to_{e.lower()}"] = np.where(unknown, np.nan, ahead[e])
        for h in (1, 5, 10):
            inside = (ahead[e] <= h).astype(float)
            out[f"{e.lower()}_in_{h}"] = np.where(unknown, np.nan, inside)
    furthest = np.max(list(reach.values()), axis=0)
    started = (rows >= first) & (furthest > rows)
    for h in HORIZONS:
        out[f"event_days_{h}"] = np.where(started, held[3 : 3 + h].sum(axis=0), np.nan)
    out["event_today"] = np.where((rows >= first) & (furthest >= rows), held[2], np.nan)
    out["event_cluster"] = np.where(started, held[0:6].sum(axis=0), np.nan)
    return out


def _calendar(view: View) -> dict[str, Array]:
    n = len(view.grid)
    sessions = _later(view)
    today = sessions[:n]
    rows = np.arange(n)
    months = today.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    settles = rule_days(np.arange(months.max(initial=0) + 4))
    third_friday = np.empty_like(settles)
    third_friday[1:] = settles[:-1] + 30
    third_friday[0] = -1

    def sessions_to(dates: NDArray[np.int64]) -> Array:
        """Sessions after t up to the last session on or before the next of these dates."""
        at = np.searchsorted(dates, today, side="right")
        target = np.searchsorted(sessions, dates[at], side="right") - 1
        return (target - rows).astype(float)

    month_of = sessions.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    last = np.flatnonzero((month_of[1:] != month_of[:-1]) & (month_of[:-1] % 3 == 2))
    nearest = np.searchsorted(last, rows)
    padded = np.append(last, len(sessions) + FAR)
    to_quarter = np.minimum(padded[nearest] - rows, FAR).astype(float)
    return {
        "to_option_expiry": sessions_to(third_friday),
        "to_vix_expiry": sessions_to(settles),
        "to_quarter_end": to_quarter,
        "days_to_next_session": (sessions[1 : n + 1] - today).astype(float),
        "closed_days_5": (sessions[5 : n + 5] - today - 5).astype(float),
        "weekday": ((today + 3) % 7).astype(float),
    }
