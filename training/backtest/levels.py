"""Published strategy index levels: read for comparison, never by a model."""

from __future__ import annotations

from typing import Any

import pandas as pd

from features.store import MarketStore

__all__ = ["published_returns"]


def published_returns(
    store: MarketStore, index: str, *, start: Any = None, end: Any = None
) -> pd.Series:
    """Give the monthly returns of a published index.

    Parameters
    ----------
    store : MarketStore
        Market store.
    index : str
        Name in the table `strategy_indices`, for instance ``cndr``.
    start, end : date-like, optional
        Limits of the level dates.

    Returns
    -------
    pd.Series
        Fraction per month, index month (Period); empty when the store has no such levels. The
        newest level of each month counts; months without a level before them are left out.
    """
    rows = store.read("strategy_indices", start=start, end=end, where={"index": index})
    level = rows.set_index("date")["level"].dropna()
    monthly = level.groupby(pd.DatetimeIndex(level.index).to_period("M")).last()
    if not len(monthly):
        return monthly.rename(index)
    every = pd.period_range(monthly.index.min(), monthly.index.max(), freq="M")
    return monthly.reindex(every).pct_change(fill_method=None).dropna().rename(index)
