"""How much of what only a recorder can give has been recorded, against what training needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from features.catalog import CATALOG
from features.declare import KNOWN_SHARE, YOUNG_ROWS, Feature
from features.sessions import calendar
from features.tables import TABLES
from features.tape import HOUR_US
from features.tape_features import HEARD, RECENT_DAYS
from features.tape_source import open_source

__all__ = ["Recorded", "recorded"]

#: Columns of this prefix speak at `eve` and `preopen`, in a second stage that needs fewer rows.
WINDOW = "cw_"


@dataclass(frozen=True)
class Recorded:
    """What stands behind one feature that the data of today gives no history to.

    Parameters
    ----------
    known, needed : int
        Sessions whose evening had what the feature reads, and how many a model needs.
    """

    known: int
    needed: int

    def text(self) -> str:
        """Say it in words."""
        count = f"{self.known:,} sessions known of {self.needed:,} needed"
        return f"counts: {count}" if self.known >= self.needed else f"untrainable: {count}"


def recorded(store: Any) -> dict[str, Recorded]:
    """Count what the store has recorded for each untrainable feature.

    Parameters
    ----------
    store : MarketStore
        Market store, with the tape beside it.

    Returns
    -------
    dict
        By feature. A feature counts once it is known in `KNOWN_SHARE` of the sessions since the
        first S&P 500 bar; one of the closed window once `YOUNG_ROWS` sessions are known.
    """
    bars = store.read("spx_bars", columns=["close"])
    if bars.empty:
        return {}
    dates = pd.DatetimeIndex(bars["date"]).as_unit("us")
    needed = int(np.ceil(KNOWN_SHARE * len(dates)))
    counts: dict[str, int] = {}
    out = {}
    for feature in CATALOG.values():
        if feature.trainable:
            continue
        known = min((_count(store, one, dates, counts) for one in feature.inputs), default=0)
        out[feature.name] = Recorded(known, _needed(feature, needed))
    return out


def _needed(feature: Feature, boosters: int) -> int:
    return YOUNG_ROWS if feature.name.startswith(WINDOW) else boosters


def _count(store: Any, name: str, dates: pd.DatetimeIndex, counts: dict[str, int]) -> int:
    if name not in counts:
        if name == "liquidation_events":
            counts[name] = _heard_sessions(store, dates)
        else:
            counts[name] = _dated_sessions(store, name, dates)
    return counts[name]


def _dated_sessions(store: Any, name: str, dates: pd.DatetimeIndex) -> int:
    """Sessions on which a table, or a series of it, has a row."""
    table, _, series = name.partition(".")
    if table not in TABLES:
        return 0
    one = TABLES[table]
    where = {one.series[0]: series} if series else None
    stamps = pd.DatetimeIndex(store.read(table, columns=[], where=where)[one.time])
    days = stamps.tz_localize(None) if stamps.tz is not None else stamps
    return int(dates.isin(days.normalize().as_unit("us")).sum())


def _heard_sessions(store: Any, dates: pd.DatetimeIndex) -> int:
    """Sessions whose evening had heard enough of its last days."""
    loose = pd.DatetimeIndex(store.read("liquidation_events", columns=[])["ts"]).as_unit("us")
    hours = np.unique(loose.asi8 // HOUR_US)
    source = open_source(store)
    if source is not None:
        hours = np.union1d(hours, source.heard_hours())
        spans = source.connected()
        begins, ends = (pd.DatetimeIndex(spans[c]).as_unit("us").asi8 for c in ("start", "end"))
        for first, last in zip(begins.tolist(), ends.tolist(), strict=True):
            hours = np.union1d(hours, np.arange(-(-first // HOUR_US), last // HOUR_US))
    evenings = calendar().cutoffs(dates, "evening").as_unit("us").asi8 // HOUR_US
    span_hours = RECENT_DAYS * 24
    heard = np.searchsorted(hours, evenings) - np.searchsorted(hours, evenings - span_hours)
    return int((heard >= HEARD * span_hours).sum())
