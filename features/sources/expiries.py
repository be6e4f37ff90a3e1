"""When VIX futures expire, by the exchange's rule."""

from __future__ import annotations

import pandas as pd

__all__ = ["monthly_expiries"]


def monthly_expiries(sessions: pd.DatetimeIndex) -> pd.DatetimeIndex:
    """List the final settlement days of monthly VIX futures inside `sessions`.

    The Wednesday 30 days before the third Friday of the following month (Cboe Futures Exchange
    rulebook, chapter 12); where that Wednesday or that Friday is a holiday, the session before
    the Wednesday.
    """
    known = set(sessions)
    first, last = sessions[0], sessions[-1]
    days = []
    for month in pd.period_range(first.to_period("M"), last.to_period("M") + 1, freq="M"):
        start = month.to_timestamp()
        friday = start + pd.Timedelta(days=(4 - start.weekday()) % 7 + 14)
        settlement = friday - pd.Timedelta(days=30)
        if settlement < first or settlement > last:
            continue
        if friday <= last and friday not in known:
            settlement -= pd.Timedelta(days=1)
        while settlement not in known:
            settlement -= pd.Timedelta(days=1)
        days.append(settlement)
    return pd.DatetimeIndex(days).as_unit("us")
