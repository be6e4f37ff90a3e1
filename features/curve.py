"""The VIX futures curve on the session grid: ranked months and constant maturity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.sources.expiries import rule_days
from features.view import View
from features.windows import Array

__all__ = ["RANKS", "Curve", "constant_maturity", "curve"]

RANKS = 8
DAY_US = 86_400_000_000


@dataclass(frozen=True)
class Curve:
    """Monthly settlements by rank; rank 0 is the first expiry after the session.

    Parameters
    ----------
    settle : array of sessions x ranks
        Settlements in index points; NaN where a month has none. A missing month leaves its rank
        empty, it never lets the later ones move up.
    days : array of sessions x ranks
        Calendar days to expiry.
    sessions_left : array of sessions
        Sessions after this one up to and including the front expiry.
    """

    settle: Array
    days: Array
    sessions_left: Array

    def rank(self, k: int) -> Array:
        """Settlement of the k-th month, counted from 1."""
        return self.settle[:, k - 1]


def curve(view: View) -> Curve:
    """Rank the monthly contracts of each session."""
    return view.make("curve", lambda: _curve(view))


def _curve(view: View) -> Curve:
    n = len(view.grid)
    settle = np.full((n, RANKS), np.nan)
    days = np.full((n, RANKS), np.nan)
    left = np.full(n, np.nan)
    frame = view.table("vix_futures")
    frame = frame[frame["is_monthly"].to_numpy(dtype=bool)]
    if frame.empty or not n:
        return Curve(settle, days, left)
    date = pd.DatetimeIndex(frame["date"]).as_unit("us")
    expiry = pd.DatetimeIndex(frame["expiry"]).as_unit("us")
    grid_day = view.grid.asi8 // DAY_US
    month_of = view.grid.to_numpy().astype("datetime64[M]").astype(np.int64)
    expiry_day = expiry.asi8 // DAY_US
    expiry_month = expiry.to_numpy().astype("datetime64[M]").astype(np.int64)

    # a holiday moves an expiry off the rule; the listed date is known from the day of listing
    last_month = int(max(expiry_month.max(), month_of.max())) + 1
    settles_on = rule_days(np.arange(last_month + 1))
    settles_on[expiry_month] = expiry_day
    front = month_of + (grid_day >= settles_on[month_of])

    where = view.grid.get_indexer(date)
    rank = expiry_month - front[np.maximum(where, 0)]
    value = frame["settle"].to_numpy(dtype=float, na_value=np.nan)
    kept = (where >= 0) & (rank >= 0) & (rank < RANKS) & np.isfinite(value)
    settle[where[kept], rank[kept]] = value[kept]
    days[where[kept], rank[kept]] = (expiry_day[kept] - grid_day[where[kept]]).astype(float)

    known = np.isfinite(days[:, 0])
    ahead = view.calendar.sessions(view.grid[0], view.grid[-1] + pd.Timedelta(days=60))
    ahead_day = pd.DatetimeIndex(ahead).as_unit("us").asi8 // DAY_US
    here = np.searchsorted(ahead_day, grid_day)
    there = np.searchsorted(ahead_day, grid_day + np.where(known, days[:, 0], 0), side="right")
    left[known] = (there - 1 - here)[known]
    return Curve(settle, days, left)


def constant_maturity(curve: Curve, target_days: float = 30.0) -> Array:
    """Settlement interpolated linearly in days to expiry between the two months around a target.

    Parameters
    ----------
    curve : Curve
        Ranked months.
    target_days : float
        Calendar days.

    Returns
    -------
    array
        Index points. On the few days after an expiry when even the front month lies beyond the
        target, the line through the first two months is carried on to it.
    """
    out = np.full(len(curve.settle), np.nan)
    for k in (1, 0):
        near, far = curve.settle[:, k], curve.settle[:, k + 1]
        t_near, t_far = curve.days[:, k], curve.days[:, k + 1]
        inside = t_far >= target_days
        inside &= (t_near <= target_days) | (k == 0)
        share = (target_days - t_near) / (t_far - t_near)
        out = np.where(inside, near + share * (far - near), out)
    return out
