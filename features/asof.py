"""Lookups by time: the last bar that had closed, the newest value that was known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.windows import Array

__all__ = ["DAY_US", "Known", "as_known", "rows_at"]

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


@dataclass(frozen=True)
class Known:
    """Rows of a slow series: the date each speaks about, when it was available, its value.

    Times are in microseconds since 1970.
    """

    date: NDArray[np.int64]
    available: NDArray[np.int64]
    value: Array

    def without_nulls(self) -> Known:
        """Leave out the rows that say nothing."""
        told = ~np.isnan(self.value)
        return Known(self.date[told], self.available[told], self.value[told])


def as_known(
    rows: Known, dates: pd.DatetimeIndex, moments: pd.DatetimeIndex, limit_days: int
) -> Array:
    """Value with the latest date among the rows available at each moment, if fresh enough."""
    out = np.full(len(dates), np.nan)
    if not len(rows.value) or not len(dates):
        return out
    order = np.argsort(rows.available, kind="stable")
    available, event, value = rows.available[order], rows.date[order], rows.value[order]
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
