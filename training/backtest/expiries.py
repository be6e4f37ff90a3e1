"""When SPX and VIX options expire, and how much variance time is left."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.sessions import calendar
from features.sources import expiries

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
    months = pd.period_range(start, end, freq="M")
    days = [_on_or_before(third_friday(month)) for month in months]
    return pd.DatetimeIndex([d for d in days if start <= d <= end], dtype="datetime64[us]")


def vix_expiries(start: pd.Timestamp, end: pd.Timestamp) -> pd.DatetimeIndex:
    """List the settlement sessions of monthly VIX options from `start` to `end`, both included."""
    beyond = calendar().sessions(start, end + pd.Timedelta(days=60))  # the Friday after the last
    found = expiries.monthly_expiries(beyond)
    return found[found <= end]


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


def _on_or_before(day: pd.Timestamp) -> pd.Timestamp:
    return day if calendar().is_session(day) else calendar().previous(day)
