"""Layouts of the event calendars."""

from __future__ import annotations

import pandas as pd

from features.sessions import new_york
from features.sources.layout import Field, Layout, Part, date_field

__all__ = ["LAYOUTS", "RELEASE_CLOCK"]

#: New York clock of each release; unscheduled actions have none.
RELEASE_CLOCK = {"FOMC": "14:00", "CPI": "08:30", "PPI": "08:30", "NFP": "08:30"}


def _with_release(rows: pd.DataFrame) -> pd.DataFrame:
    """Give scheduled events without a `release_time` the usual clock of their kind."""
    days = pd.DatetimeIndex(rows["date"])
    release = pd.Series(pd.NaT, index=rows.index, dtype="datetime64[us, UTC]")
    for event, clock in RELEASE_CLOCK.items():
        usual = ((rows["event"] == event) & (rows["kind"] != "unscheduled")).to_numpy()
        release[usual] = new_york(days[usual], clock)
    if "release_time" in rows:
        release = rows["release_time"].fillna(release)
    return rows.assign(release_time=release)


def _calendar(rows: pd.DataFrame) -> list[Part]:
    return [Part("scheduled_events", _with_release(rows).drop(columns="source"), "calendar")]


def _bls(rows: pd.DataFrame) -> list[Part]:
    return [Part("scheduled_events", _with_release(rows).drop(columns="source"), "bls")]


_FIELDS = (
    date_field(),
    Field("event", "text", "FOMC, CPI, PPI, NFP"),
    Field("kind", "text", "scheduled, unscheduled, tentative, cancelled"),
    Field("source", "text", "repository or feed"),
    Field("published_at", "moment", "UTC", optional=True),
    Field("release_time", "moment", "UTC", optional=True),
)

LAYOUTS: tuple[Layout, ...] = (
    Layout(
        "event_calendar_bls",
        "CPI, PPI and NFP releases of the Bureau of Labor Statistics, 08:30 New York.",
        _FIELDS,
        _bls,
        ("scheduled_events",),
        rank=0,
    ),
    Layout(
        "event_calendar",
        "FOMC decisions (14:00 New York), and CPI and NFP releases for a part of the span.",
        _FIELDS,
        _calendar,
        ("scheduled_events",),
        rank=1,
    ),
)
