"""As-of tables on regular grids: what every feature function reads.

A `View` holds the market as it stood at one instant, laid on two clocks: exchange sessions for
what Wall Street publishes and hours (UTC) for what never closes. Which row of a clock a moment
looks at is a function of its cut-off alone, so it is the same row whoever asks and whenever.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.asof import as_known, rows_at
from features.freshness import SLOW_LIMIT_DAYS
from features.moments import Moment
from features.view_tables import Reader, TableArrays
from features.windows import Array

__all__ = ["HOUR", "Reader", "SessionClock", "View"]

HOUR = pd.Timedelta(hours=1)
UTC_US = "datetime64[us, UTC]"

HOUR_TABLES = frozenset({"perp_bars", "spot_bars", "funding", "open_interest"})


class SessionClock(Protocol):
    """The part of the exchange calendar that features use."""

    def sessions(self, start: Any, end: Any) -> pd.DatetimeIndex:
        """Return the sessions from `start` to `end`."""
        ...

    def cutoffs(self, sessions: pd.DatetimeIndex, at: str | Moment) -> pd.DatetimeIndex:
        """Return when the moment of each session is; NaT where it has none."""
        ...

    def open_utc(self, sessions: pd.DatetimeIndex) -> pd.DatetimeIndex:
        """Return the opens."""
        ...

    def close_utc(self, sessions: pd.DatetimeIndex) -> pd.DatetimeIndex:
        """Return the closes."""
        ...


class View(TableArrays):
    """The market as it stood at one instant.

    Parameters
    ----------
    store : Reader
        Where tables are read from, each at most once.
    calendar : SessionClock
        Exchange sessions and moments.
    at : str
        Moment the rows are for.
    first, last : Timestamp
        First and last session wanted.
    as_of : Timestamp or None
        Only rows available by then are read; None reads all.
    session_days, hour_days : int
        How many calendar days before `first` the two clocks begin.

    Notes
    -----
    *Timing:* the caller answers for `as_of` being right for every session wanted: no row that
    a session's cut-off had not seen may lie at or before the row that the session looks at.
    `features.epochs` finds the sessions for which that does not hold.
    """

    def __init__(
        self,
        store: Reader,
        calendar: SessionClock,
        *,
        at: str | Moment,
        first: pd.Timestamp,
        last: pd.Timestamp,
        as_of: pd.Timestamp | None,
        session_days: int,
        hour_days: int,
    ) -> None:
        super().__init__(store, as_of)
        self.calendar = calendar
        self.at = at
        begin = first - pd.Timedelta(days=session_days)
        self.grid = pd.DatetimeIndex(calendar.sessions(begin, last)).as_unit("us")
        self.cutoffs = pd.DatetimeIndex(calendar.cutoffs(self.grid, at)).as_unit("us")
        evening = pd.DatetimeIndex(calendar.cutoffs(self.grid, "evening")).as_unit("us")
        # a moment of one's own before the evening must not see what the evening knows
        self.known_at = evening.where(~(self.cutoffs < evening), self.cutoffs)
        self._hour_begin = first.tz_localize("UTC") - pd.Timedelta(days=hour_days)
        self.first = first

    def __len__(self) -> int:
        return len(self.grid)

    def _begin(self, name: str) -> pd.Timestamp | None:
        if name in ("scheduled_events", "valuation"):
            return None
        if name in HOUR_TABLES or name == "liquidation_events":
            return self._hour_begin
        if name == "liquidation_totals":
            return self._hour_begin.tz_localize(None).normalize()
        begin = self.grid[0] if len(self.grid) else self.first
        return begin - pd.Timedelta(days=120)

    # --- session clock -------------------------------------------------------------------------

    def next_sessions(self) -> pd.DatetimeIndex:
        """Return the session after each session of the grid."""

        def make() -> pd.DatetimeIndex:
            if not len(self.grid):
                return self.grid
            ahead = self.calendar.sessions(self.grid[0], self.grid[-1] + pd.Timedelta(days=14))
            return pd.DatetimeIndex(ahead).as_unit("us")[1 : len(self.grid) + 1]

        return self.make("next_sessions", make)

    @property
    def wanted(self) -> NDArray[np.bool_]:
        """Which sessions of the grid were asked for and have the moment."""
        return np.asarray((self.grid >= self.first) & self.cutoffs.notna())

    def nan(self) -> Array:
        """Return an empty column."""
        return np.full(len(self.grid), np.nan)

    def session_of(self, table: str) -> NDArray[np.intp]:
        """Row on the grid of each row of a table of US closes; -1 where its date is no session."""

        def find() -> NDArray[np.intp]:
            dates = self.times(table, "date")
            at = np.searchsorted(self.grid.asi8, dates)
            there = np.append(self.grid.asi8, np.iinfo(np.int64).max)[at]
            return np.where(there == dates, at, -1)

        return self.make(("session_of", table), find)

    def daily(self, table: str, column: str, **where: str) -> Array:
        """One column of a table of US closes on the session grid.

        Parameters
        ----------
        table, column : str
            What to read.
        **where : str
            The key column that names the series, such as ``symbol="vix"``.

        Returns
        -------
        array
            NaN where the table has no row for the session. Never filled forward.
        """

        def read() -> Array:
            rows = self._series(table, where)
            at = self.session_of(table)[rows]
            out = self.nan()
            out[at[at >= 0]] = self.numbers(table, column)[rows][at >= 0]
            return out

        return self.make((table, column, *sorted(where.items())), read)

    def slow(self, table: str, column: str, **where: str) -> Array:
        """As known each evening: the newest row of a slow series, null when it is too old.

        Returns
        -------
        array
            For each session, the value with the latest date among rows available at that
            session's evening cut-off; NaN when that date is older than `SLOW_LIMIT_DAYS`.

        Notes
        -----
        The evening is used at every moment: what a slow series adds between 18:00 and 09:00
        waits for the next evening.
        """

        def read() -> Array:
            known = self.known(table, column, **where)
            name = ".".join([table, *where.values()])
            limit = SLOW_LIMIT_DAYS.get(name, SLOW_LIMIT_DAYS.get(table, 7))
            return as_known(known, self.grid, self.known_at, limit)

        return self.make(("slow", table, column, *sorted(where.items())), read)

    # --- hour clock ----------------------------------------------------------------------------

    @property
    def hours(self) -> pd.DatetimeIndex:
        """Opens of the hours, up to the last one that closed by the last cut-off."""

        def make() -> pd.DatetimeIndex:
            bars = self.table("perp_bars")
            ends = self.cutoffs[self.cutoffs.notna()]
            if not len(bars) or not len(ends):
                return pd.DatetimeIndex([], dtype=UTC_US)
            begin = max(self._hour_begin, bars["ts"].min()).floor("h")
            stop = ends.max().floor("h")
            return pd.date_range(begin, stop, freq="h", inclusive="left", unit="us")

        return self.make("hours", make)

    def hour_of_cutoff(self) -> NDArray[np.int64]:
        """Row of the last hour that had closed at each wanted session's cut-off; -1 where none."""

        def make() -> NDArray[np.int64]:
            # sessions before the first one wanted are look-back for session tables alone
            return np.where(self.grid >= self.first, rows_at(self.hours, self.cutoffs, HOUR), -1)

        return self.make("hour_of_cutoff", make)

    def hour_of_evening(self) -> NDArray[np.int64]:
        """Row of the last hour that had closed at each session's evening; -1 where none."""

        def make() -> NDArray[np.int64]:
            return rows_at(self.hours, self.known_at, HOUR)

        return self.make("hour_of_evening", make)

    def hour_of_close(self) -> NDArray[np.int64]:
        """Row of the last hour that had closed at each session's US close; -1 where none."""

        def make() -> NDArray[np.int64]:
            closes = pd.DatetimeIndex(self.calendar.close_utc(self.grid)).as_unit("us")
            return rows_at(self.hours, closes, HOUR)

        return self.make("hour_of_close", make)

    def at_cutoff(self, hourly: Array, *, limit_hours: int = 3) -> Array:
        """Take an hourly column at each session's cut-off.

        Parameters
        ----------
        hourly : array
            On `hours`.
        limit_hours : int
            The newest known value may be at most this many hours older than the last closed hour.
        """
        out = self.nan()
        row = self.hour_of_cutoff()
        for back in range(limit_hours + 1):
            at = row - back
            use = np.isnan(out) & (at >= 0) & (row >= 0)
            out[use] = hourly[at[use]]
        return out
