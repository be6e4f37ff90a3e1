"""Which sessions may share one read of the store, and which need a read of their own.

One read serves a whole history when, for each session, the rows that its cut-off had seen are just
the rows at or before the one that the session looks at. Two things break that: a revision, which
hides what stood before, and a row that came later than its table's rule. Sessions on both sides of
a revision are read apart; a session that a late row would have surprised is read alone, as of its
own cut-off.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.view import HOUR, View

__all__ = ["DAY_TABLES", "NOMINAL", "SESSION_TABLES", "in_us", "late_sessions", "spans"]

#: tables on the session clock: the row of session t serves session t
SESSION_TABLES = ("vol_indices", "vix_futures", "spx_bars", "breadth")
#: tables on a running clock: the row stamped s serves every cut-off from s + this on
NOMINAL: dict[str, pd.Timedelta] = {
    "perp_bars": HOUR,
    "spot_bars": HOUR,
    "funding": pd.Timedelta(0),
    "open_interest": pd.Timedelta(minutes=5),
}
DAY_TABLES: dict[str, pd.Timedelta] = {
    "liquidation_totals": pd.Timedelta(days=1, minutes=5),
}


def spans(
    cutoffs: pd.DatetimeIndex, revisions: Iterable[pd.Timestamp], as_of: pd.Timestamp | None
) -> list[tuple[slice, pd.Timestamp | None]]:
    """Split sessions at the revisions.

    Parameters
    ----------
    cutoffs : DatetimeIndex
        Ascending, without NaT.
    revisions : iterable of Timestamp
        When a later version of some row became available.
    as_of : Timestamp or None
        What the last span is read as of.

    Returns
    -------
    list of (slice, Timestamp or None)
        Rows of `cutoffs`, and the instant to read them as of: just before the next revision.
    """
    if not len(cutoffs):
        return []
    marks = [
        mark
        for mark in sorted(set(revisions))
        if mark > cutoffs[0] and (as_of is None or mark <= as_of)
    ]
    bounds = [0, *(int(cutoffs.searchsorted(mark, side="left")) for mark in marks), len(cutoffs)]
    ends = [*(mark - pd.Timedelta(microseconds=1) for mark in marks), as_of]
    return [
        (slice(a, b), end) for a, b, end in zip(bounds[:-1], bounds[1:], ends, strict=True) if b > a
    ]


def late_sessions(view: View, tables: Iterable[str]) -> NDArray[np.bool_]:
    """Mark the sessions of a view whose cut-off had not seen a row that the view shows them.

    Parameters
    ----------
    view : View
        What was read.
    tables : iterable of str
        Tables to look at; only those on a session, hour or day clock can be late.

    Returns
    -------
    array of bool
        One for each session of the view's grid; False where the moment does not exist.
    """
    known = np.flatnonzero(view.cutoffs.notna())
    cutoffs = view.cutoffs[known].asi8
    marks = np.zeros(len(known) + 1, dtype=np.int64)
    for name in tables:
        if name not in SESSION_TABLES and name not in NOMINAL and name not in DAY_TABLES:
            continue
        if not len(view.table(name)):
            continue
        available = view.times(name, "available_at")
        # the view shows the row to sessions `first`..; those before `seen` had not seen it
        if name in SESSION_TABLES:
            first = np.searchsorted(view.grid[known].asi8, view.times(name, "date"), side="left")
        else:
            due = _due(view, name)
            # most rows came by their table's rule, and cannot surprise
            trailing = available > due
            available = available[trailing]
            first = np.searchsorted(cutoffs, due[trailing], side="left")
        seen = np.searchsorted(cutoffs, available, side="left")
        late = seen > first
        np.add.at(marks, first[late], 1)
        np.add.at(marks, seen[late], -1)
    out = np.zeros(len(view.grid), dtype=bool)
    out[known] = np.cumsum(marks)[:-1] > 0
    return out


def _due(view: View, name: str) -> NDArray[np.int64]:
    """Instant from which each row of a table on a running clock serves the cut-offs."""
    if name in DAY_TABLES:
        return view.times(name, "date") + in_us(DAY_TABLES[name])
    return view.times(name, "ts") + in_us(NOMINAL[name])


def in_us(span: pd.Timedelta) -> int:
    """Microseconds of a span."""
    return int(span / pd.Timedelta(microseconds=1))
