"""The schedule of everything that is refitted walk-forward: once a year, on the years before."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from models.state import HISTORY

__all__ = ["MIN_HISTORY", "MIN_SESSIONS", "years"]

MIN_SESSIONS = 756
MIN_HISTORY = MIN_SESSIONS + HISTORY + 2


def years(
    index: pd.DatetimeIndex, *, min_sessions: int = MIN_HISTORY
) -> Iterator[tuple[pd.Timestamp, pd.DatetimeIndex]]:
    """Walk through the years that have enough history before them.

    Parameters
    ----------
    index : DatetimeIndex
        Sessions, rising.
    min_sessions : int
        Sessions of history before the first fit.

    Yields
    ------
    (last, now) : tuple
        Last session that a fit for the year may read, and the sessions of the year.
    """
    for year in sorted(set(index.year)):
        past, now = index[index.year < year], index[index.year == year]
        if len(past) >= min_sessions:
            yield past[-1], now
