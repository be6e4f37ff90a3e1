"""Which features are null, and why: a missing value is reported, never filled."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from features.catalog import CATALOG
from features.freshness import freshness
from features.tables import TABLES
from features.tape_asof import NEVER
from features.tape_files import DAY_US
from features.tape_source import open_source
from features.view import Reader

__all__ = ["availability", "why_null"]


def why_null(
    row: pd.Series, store: Reader, *, cutoff: pd.Timestamp | None = None
) -> dict[str, str]:
    """Say why each null of one row is null.

    Parameters
    ----------
    row : Series
        One row of the feature table.
    store : Reader
        Store that it was built from.
    cutoff : Timestamp, optional
        Cut-off of the row.

    Returns
    -------
    dict
        Feature name to reason, in the order of the catalogue; features with a value are absent.
    """
    newest = _newest(store, cutoff)
    reasons: dict[str, str] = {}
    for name, value in row.items():
        if np.isfinite(value):
            continue
        feature = CATALOG[str(name)]
        absent = [i for i in feature.inputs if newest.get(i) is None]
        if absent and not feature.trainable:
            reasons[feature.name] = f"no data: needs {', '.join(absent)}"
        elif absent:
            reasons[feature.name] = f"no row of {', '.join(absent)} was available"
        elif feature.per_event:
            reasons[feature.name] = "no new event, or too little before it to compare it with"
        else:
            seen = ", ".join(f"{i} to {newest[i]:%Y-%m-%d %H:%M}" for i in feature.inputs)
            rule = "; ".join(dict.fromkeys(freshness(i) for i in feature.inputs)) or "none"
            reasons[feature.name] = (
                f"stale input, warm-up of {feature.lookback} {feature.clock}, or undefined today "
                f"({seen or 'no inputs'}; rule: {rule})"
            )
    return reasons


def _newest(store: Reader, cutoff: pd.Timestamp | None) -> Mapping[str, pd.Timestamp]:
    """Newest date or moment of every input that the catalogue names."""
    found: dict[str, pd.Timestamp] = {}
    for table in dict.fromkeys(t for f in CATALOG.values() for t in f.tables):
        if table not in TABLES:
            continue
        frame = store.read(table, as_of=cutoff)
        if not len(frame):
            continue
        clock = TABLES[table].time
        found[table] = frame[clock].max()
        for key in TABLES[table].series:
            for series, stamp in frame.groupby(key, observed=True)[clock].max().items():
                found[f"{table}.{series}"] = stamp
    taped = _newest_taped(store, cutoff)
    if taped is not None:
        found["liquidation_events"] = max(taped, found.get("liquidation_events", taped))
    return found


def _newest_taped(store: Reader, cutoff: pd.Timestamp | None) -> pd.Timestamp | None:
    """Time of the newest event that the tape beside the store knew at the cut-off."""
    source = open_source(store)
    days = [] if source is None else source.days()
    limit_us = NEVER if cutoff is None else int(cutoff.timestamp() * 1e6)
    for day in reversed(days):
        if source is not None and day * DAY_US <= limit_us:
            rows = source.events(day)
            stamps = rows.loc[rows["known_us"] <= limit_us, "ts_us"]
            if len(stamps):
                return pd.Timestamp(int(stamps.max()), unit="us", tz="UTC")
    return None


def availability(table: pd.DataFrame) -> pd.DataFrame:
    """Span and share of known values of each feature of a built table.

    Returns
    -------
    DataFrame
        Index feature name; columns ``group``, ``first``, ``last`` (sessions, NaT when never
        known), ``known`` (share of the rows between them), ``trainable``.
    """
    rows = []
    for name in table.columns:
        known = table[name].notna().to_numpy()
        at = np.flatnonzero(known)
        span = (at[0], at[-1]) if len(at) else None
        rows.append(
            {
                "feature": name,
                "group": CATALOG[name].group,
                "first": table.index[span[0]] if span else pd.NaT,
                "last": table.index[span[1]] if span else pd.NaT,
                "known": float(known[span[0] : span[1] + 1].mean()) if span else 0.0,
                "trainable": CATALOG[name].trainable,
            }
        )
    return pd.DataFrame(rows).set_index("feature")
