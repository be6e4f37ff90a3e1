"""When the rows of each table could be known: the availability rules, as functions of the rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.schema import Availability
from features.sessions import Calendar, new_york

__all__ = [
    "after_days",
    "at_bar_close",
    "at_clock",
    "at_import",
    "at_moment",
    "before_open",
    "business_day_after",
    "by_rows",
    "day_of_next_month",
    "days_after_month_end",
    "next_session_clock",
    "scheduled",
    "utc_day_after",
]

Moments = Callable[[pd.DataFrame, Calendar], pd.DatetimeIndex]

#: Days before a scheduled release from which its date counts as known.
SCHEDULE_LEAD_DAYS = 60
#: Clock at which an unscheduled action counts as known when its hour is not given.
UNSCHEDULED_CLOCK = "17:00"


def _per_date(
    frame: pd.DataFrame, function: Callable[[pd.DatetimeIndex], pd.DatetimeIndex]
) -> pd.DatetimeIndex:
    """Apply `function` to the distinct dates of a frame: long tables repeat each many times."""
    days = frame["date"].to_numpy().astype("datetime64[D]").astype(np.int64)
    if not len(days):
        return pd.DatetimeIndex([], dtype="datetime64[us, UTC]")
    first = days.min()
    # days are counted, not hashed: a table's span is no longer than its rows are many
    there = np.flatnonzero(np.bincount(days - first))
    dates = pd.DatetimeIndex((there + first).astype("datetime64[D]")).as_unit("us")
    known = pd.DatetimeIndex(function(dates)).as_unit("us")
    place = np.empty(there[-1] + 1, dtype=np.intp)
    place[there] = np.arange(len(there))
    return known.take(place[days - first])


def _session_close(frame: pd.DataFrame, calendar: Calendar) -> pd.DatetimeIndex:
    return _per_date(frame, calendar.close_utc)


def _day_end(frame: pd.DataFrame, calendar: Calendar) -> pd.DatetimeIndex:
    return _per_date(frame, lambda days: new_york(days, "17:00"))


def _utc_day_end(frame: pd.DataFrame, calendar: Calendar) -> pd.DatetimeIndex:
    return _per_date(frame, lambda days: (days + pd.Timedelta(days=1)).tz_localize("UTC"))


def _next_month(days: pd.DatetimeIndex) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(days.to_numpy().astype("datetime64[M]") + 1).as_unit("us")


def _month_end(frame: pd.DataFrame, calendar: Calendar) -> pd.DatetimeIndex:
    return _per_date(frame, lambda days: new_york(_next_month(days), "00:00"))


def _stamp(frame: pd.DataFrame, minutes: int = 0) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(frame["ts"] + pd.Timedelta(minutes=minutes)).as_unit("us")


def at_clock(clock: str) -> Availability:
    """Build the rule: the same day at a New York clock; the event is the session's close."""
    return Availability(
        rule=f"{clock} New York on the same day",
        event_time=_session_close,
        known_at=lambda frame, calendar: _per_date(frame, lambda days: new_york(days, clock)),
    )


def before_open(clock: str) -> Availability:
    """Build the rule: the same day at a New York clock before the open, which is also the event."""

    def moment(frame: pd.DataFrame, calendar: Calendar) -> pd.DatetimeIndex:
        return _per_date(frame, lambda days: new_york(days, clock))

    return Availability(
        rule=f"{clock} New York on the same day", event_time=moment, known_at=moment
    )


def next_session_clock(clock: str) -> Availability:
    """Build the rule: the next session at a New York clock."""
    return Availability(
        rule=f"{clock} New York on the next exchange session",
        event_time=_day_end,
        known_at=lambda frame, calendar: _per_date(
            frame, lambda days: new_york(calendar.following(days), clock)
        ),
    )


def business_day_after(clock: str) -> Availability:
    """Build the rule: the next business day at a New York clock (see `is_federal_closure`)."""

    def known_at(frame: pd.DataFrame, calendar: Calendar) -> pd.DatetimeIndex:
        def next_business_day(days: pd.DatetimeIndex) -> pd.DatetimeIndex:
            following = calendar.following(days)
            return calendar.following(following).where(is_federal_closure(following), following)

        return _per_date(frame, lambda days: new_york(next_business_day(days), clock))

    return Availability(
        rule=(
            f"{clock} New York on the next business day (exchange sessions without Columbus and "
            "Veterans Day)"
        ),
        event_time=_day_end,
        known_at=known_at,
    )


def is_federal_closure(days: pd.DatetimeIndex) -> npt.NDArray[np.bool_]:
    """Whether the exchange trades while federal offices, and so FRED's sources, are closed.

    Columbus Day (second Monday of October) and Veterans Day (11 November, or the Monday after a
    Sunday).
    """
    columbus = (days.month == 10) & (days.day_of_week == 0) & (days.day >= 8) & (days.day <= 14)
    veterans = (days.month == 11) & (
        (days.day == 11) | ((days.day == 12) & (days.day_of_week == 0))
    )
    return np.asarray(columbus | veterans)


def after_days(count: int, clock: str) -> Availability:
    """Build the rule: that many calendar days later at a New York clock."""
    return Availability(
        rule=f"{clock} New York, {count} calendar days later",
        event_time=_day_end,
        known_at=lambda frame, calendar: _per_date(
            frame, lambda days: new_york(days + pd.Timedelta(days=count), clock)
        ),
    )


def day_of_next_month(day: int, clock: str) -> Availability:
    """Build the rule: a day of the month after the one that a monthly row speaks about."""
    return Availability(
        rule=f"{clock} New York on day {day} of the next month",
        event_time=_month_end,
        known_at=lambda frame, calendar: _per_date(
            frame, lambda days: new_york(_next_month(days) + pd.Timedelta(days=day - 1), clock)
        ),
    )


def days_after_month_end(count: int, clock: str) -> Availability:
    """Build the rule: that many calendar days after the last day of the row's month."""
    return Availability(
        rule=f"{clock} New York, {count} calendar days after the last day of the month",
        event_time=_month_end,
        known_at=lambda frame, calendar: _per_date(
            frame, lambda days: new_york(_next_month(days) + pd.Timedelta(days=count - 1), clock)
        ),
    )


def utc_day_after(minutes: int) -> Availability:
    """Build the rule: some minutes after the UTC day has ended."""
    return Availability(
        rule=f"00:{minutes:02d} UTC on the next day",
        event_time=_utc_day_end,
        known_at=lambda frame, calendar: (
            _utc_day_end(frame, calendar) + pd.Timedelta(minutes=minutes)
        ).as_unit("us"),
    )


def at_bar_close(minutes: int) -> Availability:
    """Build the rule: the close of a bar stamped at its open."""
    return Availability(
        rule=f"the bar's close: `ts` + {minutes} minutes",
        event_time=lambda frame, calendar: _stamp(frame, minutes),
        known_at=lambda frame, calendar: _stamp(frame, minutes),
    )


def at_moment(minutes: int = 0) -> Availability:
    """Build the rule: the moment of the row, or some minutes after it."""
    return Availability(
        rule=f"`ts` + {minutes} minutes" if minutes else "its own `ts`",
        event_time=lambda frame, calendar: _stamp(frame),
        known_at=lambda frame, calendar: _stamp(frame, minutes),
    )


def scheduled() -> Availability:
    """Build the rule of a schedule: from its publication on.

    Without one, 60 days ahead if it was scheduled, at the event if not.
    """

    def event_time(frame: pd.DataFrame, calendar: Calendar) -> pd.DatetimeIndex:
        release = pd.DatetimeIndex(frame["release_time"])
        return release.where(
            release.notna(), _per_date(frame, lambda days: new_york(days, UNSCHEDULED_CLOCK))
        )

    def known_at(frame: pd.DataFrame, calendar: Calendar) -> pd.DatetimeIndex:
        lead = pd.Timedelta(days=SCHEDULE_LEAD_DAYS)
        ahead = _per_date(frame, lambda days: new_york(days - lead, "00:00"))
        unscheduled = (frame["kind"] == "unscheduled").to_numpy()
        fallback = ahead.where(~unscheduled, event_time(frame, calendar))
        published = pd.DatetimeIndex(frame["published_at"])
        return pd.DatetimeIndex(published.where(published.notna(), fallback)).as_unit("us")

    return Availability(
        rule=(
            f"`published_at`; where that is unknown, {SCHEDULE_LEAD_DAYS} days before the date "
            "for scheduled and tentative events, and the event itself for unscheduled ones "
            f"({UNSCHEDULED_CLOCK} New York where their hour is unknown)"
        ),
        event_time=event_time,
        known_at=known_at,
        before_event=True,
    )


def by_rows(
    special: Availability,
    ordinary: Availability,
    where: Callable[[pd.DataFrame], npt.NDArray[np.bool_]],
    which: str,
) -> Availability:
    """Build two rules in one.

    Parameters
    ----------
    special, ordinary : Availability
        The rule for the rows that `where` marks, and the one for the rest.
    where : callable
        Rows to a mask.
    which : str
        The marked rows in words.
    """

    def pick(first: Moments, second: Moments) -> Moments:
        def chosen(frame: pd.DataFrame, calendar: Calendar) -> pd.DatetimeIndex:
            marked = where(frame)
            if not marked.any():
                return second(frame, calendar)
            return second(frame, calendar).where(~marked, first(frame, calendar))

        return chosen

    return Availability(
        rule=f"{ordinary.rule}; {which}: {special.rule}",
        event_time=pick(special.event_time, ordinary.event_time),
        known_at=pick(special.known_at, ordinary.known_at),
    )


def at_import() -> Availability:
    """Build the rule: from its import on: the store uses the moment of the append."""

    def never(frame: pd.DataFrame, calendar: Calendar) -> pd.DatetimeIndex:
        return pd.DatetimeIndex([pd.NaT] * len(frame), dtype="datetime64[us, UTC]")

    return Availability(
        rule="its import", event_time=lambda frame, calendar: _stamp(frame), known_at=never
    )
