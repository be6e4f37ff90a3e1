"""Lookups by time: the last bar that had closed, the newest value that was known."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.windows import Array

__all__ = ["as_known", "rows_at"]

DAY_US = 86_400_000_000


def rows_at(
    opens: pd.DatetimeIndex, moments: pd.DatetimeIndex, length: pd.Timedelta
) -> NDArray[np.int64]:
    """Row of the last bar that had closed at each moment; -1 where there is none."""
    known = moments.notna()
    out = np.full(len(moments), -1, dtype=np.int64)
    if len(opens):
        out[known] = np.searchsorted(opens + length, moments[known], side="right") - 1
    return out


def as_known(
    frame: pd.DataFrame,
    column: str,
    dates: pd.DatetimeIndex,
    moments: pd.DatetimeIndex,
    limit_days: int,
) -> Array:
    """Value with the latest date among the rows available at each moment, if fresh enough."""
    out = np.full(len(dates), np.nan)
    if frame.empty or not len(dates):
        return out
    available = pd.DatetimeIndex(frame["available_at"]).as_unit("us").asi8
    order = np.argsort(available, kind="stable")
    available = available[order]
    event = pd.DatetimeIndex(frame["date"]).as_unit("us").asi8[order]
    value = frame[column].to_numpy(dtype=float, na_value=np.nan)[order]
    # newest date seen so far, in the order in which rows became known
    newest = np.maximum.accumulate(event)
    row = np.arange(len(event))
    holder = np.maximum.accumulate(np.where(event == newest, row, 0))
    at = np.searchsorted(available, moments.asi8, side="right") - 1
    seen = (at >= 0) & moments.notna()
    chosen = holder[at[seen]]
    age = dates.asi8[seen] - event[chosen]
    fresh = age <= limit_days * DAY_US
    out[np.flatnonzero(seen)[fresh]] = value[chosen[fresh]]
    return out
