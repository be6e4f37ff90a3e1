"""When SPX and VIX options expire, and how much variance time is left."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.sessions import calendar

__all__ = [
    "OVERNIGHT_SHARE",
    "month_ends",
    "monthly_expiries",
    "sessions_left",
    "third_friday",
    "vix_expiries",
]

OVERNIGHT_SHARE = 0.25  # of a close-to-close variance, passed by the opening of the session


def third_friday(month: pd.Period) -> pd.Timestamp:
    """Give the calendar's third Friday of a month, whether or not the exchange is open."""
    first = month.start_time.normalize()
    return first + pd.Timedelta(days=(4 - first.day_of_week) % 7 + 14)


def monthly_expiries(start: pd.Timestamp, end: pd.Timestamp) -> pd.DatetimeIndex:
    """List the settlement sessions of monthly SPX options from `start` to `end`, both included.

    Returns
    -------
    pd.DatetimeIndex
        Third Fridays; the session before where that Friday is a holiday.
    """
    return _sessions_of(third_friday, start, end)


def vix_expiries(start: pd.Timestamp, end: pd.Timestamp) -> pd.DatetimeIndex:
    """List the settlement sessions of monthly VIX options from `start` to `end`, both included.

    Returns
    -------
    pd.DatetimeIndex
        The day thirty days before the next month's third Friday (or before the session that
        stands in for it); the session before where that day is a holiday.
    """

    def wednesday(month: pd.Period) -> pd.Timestamp:
        return _on_or_before(third_friday(month + 1)) - pd.Timedelta(days=30)

    return _sessions_of(wednesday, start, end)


def month_ends(sessions: pd.DatetimeIndex) -> NDArray[np.intp]:
    """Give the positions of the last session of each calendar month among `sessions`."""
    month = sessions.year.to_numpy() * 12 + sessions.month.to_numpy()
    last = np.append(month[1:] != month[:-1], True)
    return np.flatnonzero(last)


def sessions_left(
    now: NDArray[np.intp], expiry: NDArray[np.intp], *, am: bool, passed: float = 1.0
) -> NDArray[np.float64]:
    """Count the variance time from a moment of one session to settlement, in sessions.

    Parameters
    ----------
    now, expiry : array of int
        Positions among the sessions.
    am : bool
        True when the option settles on the opening of the expiry session.
    passed : float
        Share of the current session's close-to-close variance that has passed: 1 at the
        close, `OVERNIGHT_SHARE` at the opening.
    """
    last = OVERNIGHT_SHARE if am else 1.0
    return np.asarray((expiry - now - 1) + last + (1.0 - passed), dtype=np.float64)


def _sessions_of(rule: object, start: pd.Timestamp, end: pd.Timestamp) -> pd.DatetimeIndex:
    months = pd.period_range(start, end, freq="M")
    days = [_on_or_before(rule(month)) for month in months]  # type: ignore[operator]
    return pd.DatetimeIndex([d for d in days if start <= d <= end], dtype="datetime64[us]")


def _on_or_before(day: pd.Timestamp) -> pd.Timestamp:
    return day if calendar().is_session(day) else calendar().previous(day)
