"""Which sessions of the tape are cascades: large for their time, and one-sided."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.cascade_totals import FEED_BREAK
from features.tape import MICRO
from features.tape_attributes import attributes

__all__ = ["TapeRule", "select", "thresholds"]

DAY_US = 86_400_000_000
BREAK_DAY = int(FEED_BREAK.timestamp()) // 86_400


@dataclass(frozen=True)
class TapeRule:
    """When a session is a cascade.

    Parameters
    ----------
    floor_usd : float
        Absolute floor: a quantile alone picks noise in quiet weeks.
    quantile, window_days, min_sessions : float, int, int
        The session must also reach this quantile of the coin's sessions of the days before its
        own; with fewer of them the floor alone decides.
    min_one_sidedness : float
        Share of the coin's liquidated USD that fell on the session's side.
    """

    floor_usd: float = 100_000.0
    quantile: float = 0.95
    window_days: int = 30
    min_sessions: int = 100
    min_one_sidedness: float = 0.8


def thresholds(sessions: pd.DataFrame, *, gap_seconds: int, rule: TapeRule) -> pd.DataFrame:
    """Give each session the threshold of its UTC day, and its rank among the sessions before.

    Parameters
    ----------
    sessions : DataFrame
        Integer sessions (`features.tape.SESSION_COLUMNS`).

    Returns
    -------
    DataFrame
        ``threshold_usd``, ``n_past`` and ``severity`` (share of past sessions with less USD, null
        where there are none), on the index of `sessions`.

    Notes
    -----
    *Timing:* the threshold of a day counts sessions that had ended, and were known to have ended,
    at its midnight (UTC). It never reaches back across 2021-04-27, when a feed changed.
    """
    out = pd.DataFrame(
        {"threshold_usd": rule.floor_usd, "n_past": 0, "severity": np.nan}, index=sessions.index
    )
    closed = np.maximum(
        sessions["end_us"].to_numpy() + gap_seconds * MICRO, sessions["known_us"].to_numpy()
    )
    day = sessions["start_us"].to_numpy() // DAY_US
    dollars = sessions["cents"].to_numpy() / 100.0
    for rows in sessions.groupby("base", sort=False).indices.values():
        for today in np.unique(day[rows]):
            since = today - rule.window_days
            if today >= BREAK_DAY:
                since = max(since, BREAK_DAY)
            mine = rows[day[rows] == today]
            past = rows[
                (day[rows] >= since) & (day[rows] < today) & (closed[rows] <= today * DAY_US)
            ]
            if not len(past):
                continue
            sizes = np.sort(dollars[past])
            index = out.index[mine]
            out.loc[index, "n_past"] = len(sizes)
            out.loc[index, "severity"] = np.searchsorted(sizes, dollars[mine]) / len(sizes)
            if len(sizes) >= rule.min_sessions:
                # an order statistic: it does not depend on how a sum was rounded
                level = sizes[min(int(np.ceil(rule.quantile * len(sizes))), len(sizes)) - 1]
                out.loc[index, "threshold_usd"] = max(rule.floor_usd, level)
    return out


def select(
    sessions: pd.DataFrame, *, gap_seconds: int = 60, rule: TapeRule | None = None
) -> pd.DataFrame:
    """Return the cascades among sessions, with their attributes.

    Parameters
    ----------
    sessions : DataFrame
        Integer sessions; those of `rule.window_days` before the span of interest included.

    Returns
    -------
    DataFrame
        Attributes of `features.tape_attributes.attributes`, ``severity``, ``threshold_usd``,
        ``available_at``, ``feed_era``, ``definition`` (``tape``) and ``cascade_id``; sorted by
        ``available_at``.

    Notes
    -----
    *Timing:* a session is known to be over one gap after its last event. ``available_at`` is
    that, or the receipt of its last event where that came later.
    """
    rule = rule or TapeRule()
    rows = sessions.reset_index(drop=True)
    out = attributes(rows)
    out = out.join(thresholds(rows, gap_seconds=gap_seconds, rule=rule))
    over = out["end"] + pd.Timedelta(seconds=gap_seconds)
    out["available_at"] = over.where(over >= out["known_at"], out["known_at"])
    naive = out["start"].dt.tz_localize(None)
    out["feed_era"] = np.where(naive < FEED_BREAK, "pre_2021_04_27", "throttled")
    out["definition"] = "tape"
    out["cascade_id"] = [
        f"tape:{base}:{side}:{start.isoformat()}"
        for base, side, start in zip(out["base"], out["side"], out["start"], strict=True)
    ]
    kept = (out["notional_usd"] >= out["threshold_usd"]) & (
        out["one_sidedness"] >= rule.min_one_sidedness
    )
    return out[kept].sort_values(["available_at", "cascade_id"], ignore_index=True)
