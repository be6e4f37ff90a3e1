"""When VIX futures and the options on them expire, by the exchange's rule."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["monthly_expiries", "rule_days"]


def rule_days(months: NDArray[np.int64]) -> NDArray[np.int64]:
    """Day (since 1970) on which a VIX monthly contract settles by rule, holidays aside.

    Parameters
    ----------
    months : array of int
        Months since 1970-01.

    Notes
    -----
    The Wednesday 30 days before the third Friday of the following month (Cboe Futures Exchange
    rulebook, chapter 12).
    """
    first = (months + 1).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    # 1970-01-01 was a Thursday: weekday 3 with Monday 0, so Friday is (4 - (day + 3)) mod 7 ahead
    third_friday = first + (4 - (first + 3)) % 7 + 14
    return third_friday - 30


def monthly_expiries(sessions: pd.DatetimeIndex) -> pd.DatetimeIndex:
    """List the final settlement days of monthly VIX futures and options inside `sessions`.

    Parameters
    ----------
    sessions : pd.DatetimeIndex
        Exchange sessions without gaps. A Friday beyond the last of them is taken to be open.

    Returns
    -------
    pd.DatetimeIndex
        The days of `rule_days`; where that Wednesday or the Friday 30 days later is a holiday,
        the session before the Wednesday.
    """
    days = sessions.to_numpy().astype("datetime64[D]").astype(np.int64)
    months = sessions[[0, -1]].to_numpy().astype("datetime64[M]").astype(np.int64)
    settles = rule_days(np.arange(months[0], months[1] + 2))
    settles = settles[(settles >= days[0]) & (settles <= days[-1])]
    fridays = settles + 30
    shut = (fridays <= days[-1]) & ~np.isin(fridays, days)
    places = np.searchsorted(days, settles - shut, side="right") - 1
    return pd.DatetimeIndex(sessions[places[places >= 0]]).as_unit("us").rename(None)
