"""As-of tables on regular grids: what every feature function reads.

A `View` holds the market as it stood at one instant, laid on two clocks: exchange sessions for
what Wall Street publishes and hours (UTC) for what never closes. Which row of a clock a moment
looks at is a function of its cut-off alone, so it is the same row whoever asks and whenever.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.asof import as_known, rows_at
from features.freshness import SLOW_LIMIT_DAYS
from features.sessions import Moment
from features.windows import Array

__all__ = ["HOUR", "Reader", "SessionClock", "View"]

HOUR = pd.Timedelta(hours=1)
UTC_US = "datetime64[us, UTC]"

HOUR_TABLES = frozenset({"perp_bars", "spot_bars", "funding", "open_interest"})

NOWHERE = np.zeros(0, dtype=np.intp)

Made = TypeVar("Made")


class Reader(Protocol):
    """The part of the market store that features use."""

    def read(
        self,
        table: str,
        *,
        as_of: pd.Timestamp | None = None,
        start: pd.Timestamp | None = None,
        end: pd.Timestamp | None = None,
    ) -> pd.DataFrame:
        """Return the newest versions that were available at `as_of`."""
        ...


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


class View:
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
        self.store = store
        self.calendar = calendar
        self.at = at
        self.as_of = as_of
        begin = first - pd.Timedelta(days=session_days)
        self.grid = pd.DatetimeIndex(calendar.sessions(begin, last)).as_unit("us")
        self.cutoffs = pd.DatetimeIndex(calendar.cutoffs(self.grid, at)).as_unit("us")
        evening = pd.DatetimeIndex(calendar.cutoffs(self.grid, "evening")).as_unit("us")
        # a moment of one's own before the evening must not see what the evening knows
        self.known_at = evening.where(~(self.cutoffs < evening), self.cutoffs)
        self._hour_begin = first.tz_localize("UTC") - pd.Timedelta(days=hour_days)
        self.first = first
        self._tables: dict[str, pd.DataFrame] = {}
        self._made: dict[Any, Any] = {}

    def __len__(self) -> int:
        return len(self.grid)

    def make(self, key: Any, function: Callable[[], Made]) -> Made:
        """Compute something once for this view."""
        if key not in self._made:
            self._made[key] = function()
        made: Made = self._made[key]
        return made

    def table(self, name: str) -> pd.DataFrame:
        """Rows of one table from the first row of its clock on."""
        if name not in self._tables:
            begin = self._begin(name)
            self._tables[name] = self.store.read(name, as_of=self.as_of, start=begin)
        return self._tables[name]

    def _series(self, table: str, columns: list[str], where: dict[str, str]) -> pd.DataFrame:
        """Take some columns of one series, such as ``symbol="vix"``, in the order of the table."""
        frame = self.table(table)
        if not where:
            return frame[columns]
        ((key, value),) = where.items()
        # one pass over the names in a table serves all of its series
        places = self.make(("places", table, key), lambda: frame.groupby(key).indices)
        return frame[columns].take(np.asarray(places.get(value, NOWHERE)))

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

    def on_sessions(self, dates: pd.Series, values: pd.Series) -> Array:
        """Lay values on the session grid by date; dates that are no session fall away."""
        where = self.grid.get_indexer(pd.DatetimeIndex(dates).as_unit("us"))
        out = self.nan()
        kept = where >= 0
        out[where[kept]] = values.to_numpy(dtype=float, na_value=np.nan)[kept]
        return out

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
            frame = self._series(table, ["date", column], where)
            return self.on_sessions(frame["date"], frame[column])

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
            frame = self._series(table, ["date", "available_at", column], where)
            frame = frame[frame[column].notna()]
            name = ".".join([table, *where.values()])
            limit = SLOW_LIMIT_DAYS.get(name, SLOW_LIMIT_DAYS.get(table, 7))
            return as_known(frame, column, self.grid, self.known_at, limit)

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
