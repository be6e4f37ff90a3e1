"""How much of an hour a recorder was listening: beside the tape, never inside it.

No message is never zero liquidations. An hour in which nothing was connected has no level at all;
an hour without message on a fully connected, complete feed is a zero; an hour without message on a
throttled or partly connected feed is unknown.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.cascade_frame import need
from features.errors import DataError

__all__ = ["hourly_coverage", "hourly_levels", "merge_intervals"]

HOUR_US = 3_600_000_000


def merge_intervals(intervals: pd.DataFrame) -> pd.DataFrame:
    """Join overlapping spans of connection, venue by venue.

    Parameters
    ----------
    intervals : DataFrame
        ``venue``, ``start``, ``end`` (UTC), in any order, repeats allowed.

    Raises
    ------
    DataError
        If a span ends before it starts.
    """
    need(intervals, ["venue", "start", "end"], "intervals")
    rows = intervals.sort_values(["venue", "start", "end"], ignore_index=True)
    if (rows["end"] < rows["start"]).any():
        bad = rows[rows["end"] < rows["start"]].iloc[0]
        raise DataError(
            f"the connection of {bad['venue']} ends {bad['end']} before its start {bad['start']}."
        )
    pieces = []
    for venue, part in rows.groupby("venue", sort=True):
        reach = part["end"].cummax().shift(1)
        block = (reach.isna() | (part["start"] > reach)).cumsum()
        spans = part.groupby(block).agg(start=("start", "min"), end=("end", "max"))
        pieces.append(spans.assign(venue=venue))
    if not pieces:
        return rows[["venue", "start", "end"]]
    return pd.concat(pieces, ignore_index=True)[["venue", "start", "end"]]


def hourly_coverage(
    intervals: pd.DataFrame, *, start: pd.Timestamp, end: pd.Timestamp
) -> pd.DataFrame:
    """Share of each UTC hour in [start, end) that each venue was connected.

    Returns
    -------
    DataFrame
        Index ``hour`` (UTC), a column a venue with values in [0, 1]. Before a venue's first and
        after its last connection nothing is known of it: null, not zero.
    """
    hours = pd.date_range(start.floor("h"), end.ceil("h"), freq="h", unit="us", inclusive="left")
    hours.name = "hour"
    edges = hours.asi8
    out = pd.DataFrame(index=hours)
    for venue, part in merge_intervals(intervals).groupby("venue", sort=True):
        begins = pd.DatetimeIndex(part["start"]).as_unit("us").asi8
        ends = pd.DatetimeIndex(part["end"]).as_unit("us").asi8
        low = np.maximum(edges[:, None], begins[None, :])
        high = np.minimum(edges[:, None] + HOUR_US, ends[None, :])
        share = np.clip(high - low, 0, None).sum(axis=1) / HOUR_US
        unknown = (edges + HOUR_US <= begins.min()) | (edges >= ends.max())
        out[venue] = np.where(unknown, np.nan, share)
    return out


def hourly_levels(
    hourly: pd.DataFrame,
    coverage: pd.DataFrame,
    *,
    base: str,
    side: str,
    complete_venues: frozenset[str] = frozenset(),
) -> pd.DataFrame:
    """Hourly liquidations of one coin and side, null where silence proves nothing.

    Parameters
    ----------
    hourly : DataFrame
        Rows of the tape's hourly layer.
    coverage : DataFrame
        From `hourly_coverage`.
    complete_venues : frozenset
        Venues whose feed publishes every liquidation. Silence is a zero only where all covered
        venues are among them and were connected for the whole hour.

    Returns
    -------
    DataFrame
        Index ``hour``: ``usd`` and ``n`` (null where unknown), ``coverage`` (the smallest over
        venues, null where nothing is known), ``throttled``.
    """
    mine = hourly[(hourly["base"] == base) & (hourly["side"] == side)]
    stamped = mine.set_axis(
        pd.DatetimeIndex(pd.to_datetime(mine["hour_us"], unit="us", utc=True)).as_unit("us")
    )
    out = pd.DataFrame(index=coverage.index)
    out["usd"] = (stamped["cents"] / 100.0).reindex(out.index)
    out["n"] = stamped["n"].reindex(out.index).astype(float)
    lowest = coverage.min(axis=1, skipna=False) if coverage.shape[1] else np.nan
    out["coverage"] = lowest
    silent = out["usd"].isna()
    proven = (out["coverage"] == 1.0) & (set(coverage.columns) <= complete_venues)
    out.loc[silent & proven, ["usd", "n"]] = 0.0
    # a message is a fact, whatever the log of connections says; its absence is not
    out["throttled"] = (stamped["n_throttled"] > 0).reindex(out.index).fillna(False).astype(bool)
    return out
