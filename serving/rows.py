"""Rows of a stored table by date, each with when it was available: looked up, never scanned."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

__all__ = ["CHOOSE", "SHOWN", "Rows"]

_Known = tuple[pd.Timestamp, tuple[Any, ...]]


@dataclass(frozen=True)
class Rows:
    """Rows by date.

    Attributes
    ----------
    dates : tuple of pd.Timestamp
        Rising.
    by_date : dict
        For each date the rows in the order of the store, each with its moment of availability.
    """

    dates: tuple[pd.Timestamp, ...]
    by_date: dict[pd.Timestamp, list[_Known]]

    @classmethod
    def of(cls, frame: pd.DataFrame, shown: tuple[str, ...]) -> Rows:
        """Lay a table out by its column ``date``, keeping the columns `shown`."""
        by_date: dict[pd.Timestamp, list[_Known]] = {}
        columns = [frame[name].tolist() for name in shown]
        moments = frame["date"].tolist(), frame["available_at"].tolist()
        for date, available, *values in zip(*moments, *columns, strict=True):
            by_date.setdefault(date, []).append((available, tuple(values)))
        return cls(tuple(sorted(by_date)), by_date)

    def on(self, date: pd.Timestamp, cutoff: pd.Timestamp) -> list[tuple[Any, ...]]:
        """Give the rows of a date that were available by the cut-off."""
        return [row for available, row in self.by_date.get(date, ()) if available <= cutoff]

    def last(
        self, until: pd.Timestamp, cutoff: pd.Timestamp
    ) -> tuple[pd.Timestamp | None, list[tuple[Any, ...]]]:
        """Give the last date up to `until` that had any rows by the cut-off, and those rows."""
        for place in range(bisect_right(self.dates, until) - 1, -1, -1):
            known = self.on(self.dates[place], cutoff)
            if known:
                return self.dates[place], known
        return None, []

    def between(
        self, after: pd.Timestamp, until: pd.Timestamp, cutoff: pd.Timestamp
    ) -> list[tuple[pd.Timestamp, Any]]:
        """Give date and first value of the rows after one date up to another."""
        low, high = bisect_right(self.dates, after), bisect_right(self.dates, until)
        return [(date, row[0]) for date in self.dates[low:high] for row in self.on(date, cutoff)]


def _monthly(frame: pd.DataFrame) -> pd.DataFrame:
    final, monthly = (frame[name].astype(bool) for name in ("is_final_settlement", "is_monthly"))
    return frame[monthly & ~final & (frame["settle"] > 0)]


def _bills(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame["series"].isin(["dgs3mo", "irx"]) & frame["value_pct"].notna()]


def _scheduled(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame["kind"].isin(["scheduled", "tentative"])]


# what the market state asks of each table: which rows, and which of their columns
CHOOSE: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "vol_indices": lambda frame: frame,
    "vix_futures": _monthly,
    "rates": _bills,
    "scheduled_events": _scheduled,
}
SHOWN: dict[str, tuple[str, ...]] = {
    "vol_indices": ("symbol", "close"),
    "vix_futures": ("expiry", "settle"),
    "rates": ("value_pct",),
    "scheduled_events": ("event",),
}
