"""Exchange sessions, their opens and closes, and the cut-off of each."""

from __future__ import annotations

import functools
import importlib.resources
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.errors import UsageError
from features.moments import MOMENTS, Moment

__all__ = ["Calendar", "calendar", "new_york"]

NEW_YORK = "America/New_York"
OPEN_CLOCK = "09:30"
CLOSE_CLOCK = "16:00"


def new_york(days: pd.DatetimeIndex, clock: str) -> pd.DatetimeIndex:
    """Turn dates and a New York wall clock into UTC moments.

    Parameters
    ----------
    days : DatetimeIndex
        Tz-naive midnights; NaT stays NaT.
    clock : str
        ``HH:MM``, outside the hour that daylight saving skips or repeats.

    Returns
    -------
    DatetimeIndex
        Unit "us", UTC.
    """
    local = pd.DatetimeIndex(days).as_unit("us") + pd.Timedelta(f"{clock}:00")
    return local.tz_localize(NEW_YORK).tz_convert("UTC").as_unit("us")


class Calendar:
    """Sessions of the New York Stock Exchange (XNYS), which SPX options and the VIX follow.

    Parameters
    ----------
    exceptions : Mapping of Timestamp to str
        Weekdays that are not ordinary: ``closed``, ``unforeseen`` (closed, and by no rule), or the
        New York clock of an early close.
    first, last : Timestamp
        Span that the calendar speaks for.
    """

    def __init__(
        self, exceptions: Mapping[pd.Timestamp, str], first: pd.Timestamp, last: pd.Timestamp
    ) -> None:
        weekdays = pd.bdate_range(first, last).as_unit("us")
        by_rule, by_chance = (
            pd.DatetimeIndex([day for day, mark in exceptions.items() if mark == name]).as_unit(
                "us"
            )
            for name in ("closed", "unforeseen")
        )
        self._first, self._last = first, last
        foreseen = weekdays.difference(by_rule.as_unit("us"))
        self._all = pd.DatetimeIndex(foreseen.difference(by_chance.as_unit("us")), name="session")
        self._days = self._all.to_numpy().astype("datetime64[D]")
        self._foreseen = foreseen.to_numpy().astype("datetime64[D]")
        clocks = sorted(set(exceptions.values()) - {"closed", "unforeseen"})
        self._early = {
            clock: np.array(
                [day for day, one in exceptions.items() if one == clock], dtype="datetime64[D]"
            )
            for clock in clocks
        }

    def sessions(self, start: Any = None, end: Any = None) -> pd.DatetimeIndex:
        """List the sessions from `start` to `end`, both included.

        Returns
        -------
        DatetimeIndex
            Tz-naive midnights, unit "us", name "session".
        """
        return self._all[self._between(start, end)]

    def count(self, start: Any = None, end: Any = None) -> int:
        """Count the sessions from `start` to `end`, both included."""
        inside = self._between(start, end)
        return max(inside.stop - inside.start, 0)

    def is_session(self, day: Any) -> bool:
        """Whether the exchange has a session on `day`."""
        return bool(self.contains(pd.DatetimeIndex([pd.Timestamp(day)]))[0])

    def contains(self, days: pd.DatetimeIndex) -> npt.NDArray[np.bool_]:
        """Whether each of `days` is a session; NaT is none."""
        wanted = days.to_numpy().astype("datetime64[D]")
        place = np.minimum(np.searchsorted(self._days, wanted), len(self._days) - 1)
        return np.asarray(self._days[place] == wanted)

    def covers(self, days: pd.DatetimeIndex) -> npt.NDArray[np.bool_]:
        """Whether each of `days` lies in the span that the calendar speaks for."""
        return np.asarray((days >= self._first) & (days <= self._last))

    def next(self, day: Any) -> pd.Timestamp:
        """Return the first session after `day`."""
        return self._at(int(self._days.searchsorted(self._day(day), "right")))

    def previous(self, day: Any) -> pd.Timestamp:
        """Return the last session before `day`."""
        return self._at(int(self._days.searchsorted(self._day(day), "left")) - 1)

    def following(self, days: pd.DatetimeIndex) -> pd.DatetimeIndex:
        """Return the first session after each of `days`; NaT past the calendar's end."""
        places = np.searchsorted(self._days, days.to_numpy().astype("datetime64[D]"), "right")
        padded = np.append(self._all.to_numpy(), np.datetime64("NaT"))
        return pd.DatetimeIndex(padded[np.minimum(places, len(self._all))])

    def foreseen(self, days: pd.DatetimeIndex, count: int) -> npt.NDArray[np.datetime64]:
        """Return the `count` sessions after each of `days` that were expected on that day.

        Returns
        -------
        ndarray of datetime64[D], shape (days, count)
            Holidays are known ahead. A closure that no rule gives counts as a session, so that
            nothing of it is known before.

        Raises
        ------
        UsageError
            If they reach beyond the calendar.
        """
        after = np.searchsorted(self._foreseen, days.to_numpy().astype("datetime64[D]"), "right")
        places = after[:, None] + np.arange(count)
        if places.size and (places.max() >= len(self._foreseen) or not self.covers(days).all()):
            raise UsageError(
                f"sessions after {days.max():%Y-%m-%d} reach beyond the exchange calendar, which "
                f"runs from {self._first:%Y-%m-%d} to {self._last:%Y-%m-%d}. Choose earlier ones."
            )
        return np.asarray(self._foreseen[places])

    def require_session(self, day: Any) -> pd.Timestamp:
        """Return `day` as a session.

        Raises
        ------
        UsageError
            If it is none; the text names the sessions on both sides.
        """
        wanted = self._day(day)
        place = int(self._days.searchsorted(wanted))
        if place == len(self._days) or self._days[place] != wanted:
            raise UsageError(
                f"{wanted} is no exchange session. Expected a trading day of the New York Stock "
                f"Exchange; the nearest are {self.previous(wanted):%Y-%m-%d} and "
                f"{self.next(wanted):%Y-%m-%d}."
            )
        return pd.Timestamp(wanted).as_unit("us")

    def open_utc(self, sessions: pd.DatetimeIndex) -> pd.DatetimeIndex:
        """Return the opening moment of each session, 09:30 New York."""
        return new_york(sessions, OPEN_CLOCK)

    def close_utc(self, sessions: pd.DatetimeIndex) -> pd.DatetimeIndex:
        """Return the closing moment of each session, early closes included."""
        closes = new_york(sessions, CLOSE_CLOCK)
        days = sessions.to_numpy().astype("datetime64[D]")
        for clock, early in self._early.items():
            marked = np.isin(days, early)
            if marked.any():
                closes = closes.where(~marked, new_york(sessions, clock))
        return closes

    def is_early_close(self, day: Any) -> bool:
        """Whether the session of `day` ends before 16:00 New York."""
        return any(self._day(day) in early for early in self._early.values())

    def cutoffs(self, sessions: pd.DatetimeIndex, at: str | Moment = "evening") -> pd.DatetimeIndex:
        """Return the cut-off of each session: what is available by then may be used.

        Parameters
        ----------
        sessions : DatetimeIndex
            Sessions t.
        at : str or Moment
            A built-in moment by name, or any other by value.

        Returns
        -------
        DatetimeIndex
            Unit "us", UTC; NaT where the moment does not exist for that session.

        Raises
        ------
        UsageError
            If `at` names no built-in moment.
        """
        moment = at if isinstance(at, Moment) else MOMENTS.get(at)
        if moment is None:
            raise UsageError(f"no moment is called {at!r}. Expected one of {', '.join(MOMENTS)}.")
        days = pd.DatetimeIndex(sessions).as_unit("us")
        if moment.day != "session":
            days = self.following(days)
        if moment.day == "before_next":
            days = pd.DatetimeIndex(days - pd.Timedelta(days=1))
        if moment.only_when_closed:
            days = pd.DatetimeIndex(days.where(~self.contains(days)))
        return new_york(days, moment.clock)

    def last_closed(self, now: pd.Timestamp) -> pd.Timestamp:
        """Return the last session whose close is not after `now` (timezone-aware)."""
        today = now.tz_convert(NEW_YORK).tz_localize(None).normalize()
        recent = self.sessions(today - pd.Timedelta(days=14), today)
        return pd.Timestamp(recent[self.close_utc(recent) <= now][-1])

    def _between(self, start: Any, end: Any) -> slice:
        low = 0 if start is None else int(self._days.searchsorted(self._day(start), "left"))
        if end is None:
            return slice(low, len(self._days))
        return slice(low, int(self._days.searchsorted(self._day(end), "right")))

    def _day(self, day: Any) -> np.datetime64:
        stamp = day if isinstance(day, pd.Timestamp) else pd.Timestamp(day)
        if stamp.tzinfo is not None:
            stamp = stamp.tz_localize(None)
        if not self._first <= stamp <= self._last:  # nor is NaT
            raise UsageError(
                f"{day} lies outside the exchange calendar, which runs from {self._first:%Y-%m-%d} "
                f"to {self._last:%Y-%m-%d}. Choose a date inside it."
            )
        return stamp.to_datetime64().astype("datetime64[D]")

    def _at(self, place: int) -> pd.Timestamp:
        if not 0 <= place < len(self._all):
            raise UsageError(
                f"the exchange calendar runs from {self._first:%Y-%m-%d} to {self._last:%Y-%m-%d}; "
                "there is no session beyond it. Choose a date inside it."
            )
        return pd.Timestamp(self._days[place]).as_unit("us")


@functools.cache
def calendar() -> Calendar:
    """Read the calendar that comes with the package, once."""
    text = importlib.resources.files("features").joinpath("xnys.csv").read_text(encoding="utf-8")
    rows = [line.split(",") for line in text.splitlines()[1:]]
    marks = {mark: pd.Timestamp(day) for day, mark in rows if mark in ("first", "last")}
    exceptions = {pd.Timestamp(day): mark for day, mark in rows if mark not in marks}
    return Calendar(exceptions, marks["first"], marks["last"])
