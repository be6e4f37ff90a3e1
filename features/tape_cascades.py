"""Which sessions of the tape are cascades: large for their time, and one-sided."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.cascade_totals import FEED_BREAK
from features.tape import MICRO
from features.tape_attributes import attributes

__all__ = ["Past", "TapeRule", "closed_us", "select", "thresholds"]

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


def closed_us(sessions: pd.DataFrame, *, gap_seconds: int) -> NDArray[np.int64]:
    """When each session was known to be over: one gap after its end, or its last receipt."""
    ends = sessions["end_us"].to_numpy() + gap_seconds * MICRO
    return np.asarray(np.maximum(ends, sessions["known_us"].to_numpy()), dtype=np.int64)


class Past:
    """What each UTC day may compare its sessions with.

    Parameters
    ----------
    sessions : DataFrame
        Integer sessions (`features.tape.SESSION_COLUMNS`), in any order.
    gap_seconds : int
        Silence that ends a session.
    rule : TapeRule
        Thresholds.

    Notes
    -----
    *Timing:* a day counts sessions that had ended, and were known to have ended, at its midnight
    (UTC). It never reaches back across 2021-04-27, when a feed changed.
    """

    def __init__(self, sessions: pd.DataFrame, *, gap_seconds: int, rule: TapeRule) -> None:
        self.rule = rule
        self.gap_seconds = gap_seconds
        day = sessions["start_us"].to_numpy() // DAY_US
        closed = closed_us(sessions, gap_seconds=gap_seconds)
        dollars = sessions["cents"].to_numpy() / 100.0
        order = np.argsort(day, kind="stable")
        base = sessions["base"].to_numpy()[order]
        self._by_base = {}
        for name in dict.fromkeys(base.tolist()):
            rows = order[base == name]
            self._by_base[str(name)] = (day[rows], closed[rows], dollars[rows])
        self._sizes: dict[tuple[str, int], NDArray[np.float64]] = {}

    def sizes(self, base: str, day: int) -> NDArray[np.float64]:
        """Return the USD of the sessions that a day may look back on, ascending."""
        key = (base, day)
        if key not in self._sizes:
            self._sizes[key] = self._look_back(base, day)
        return self._sizes[key]

    def _look_back(self, base: str, day: int) -> NDArray[np.float64]:
        if base not in self._by_base:
            return np.zeros(0)
        days, closed, dollars = self._by_base[base]
        since = day - self.rule.window_days
        if day >= BREAK_DAY:
            since = max(since, BREAK_DAY)
        span = slice(np.searchsorted(days, since), np.searchsorted(days, day))
        return np.sort(dollars[span][closed[span] <= day * DAY_US])

    def threshold(self, base: str, day: int) -> float:
        """Return the USD that a session of a day must reach."""
        sizes, rule = self.sizes(base, day), self.rule
        if len(sizes) < rule.min_sessions:
            return rule.floor_usd
        # an order statistic: it does not depend on how a sum was rounded
        place = min(int(np.ceil(rule.quantile * len(sizes))), len(sizes)) - 1
        return max(rule.floor_usd, float(sizes[place]))


def thresholds(sessions: pd.DataFrame, past: Past) -> pd.DataFrame:
    """Give each session the threshold of its UTC day, and its rank among the sessions before.

    Parameters
    ----------
    sessions : DataFrame
        Integer sessions (`features.tape.SESSION_COLUMNS`).
    past : Past
        What they are compared with.

    Returns
    -------
    DataFrame
        ``threshold_usd``, ``n_past`` and ``severity`` (share of past sessions with less USD, null
        where there are none), on the index of `sessions`.
    """
    threshold = np.full(len(sessions), past.rule.floor_usd)
    count = np.zeros(len(sessions), dtype=np.int64)
    severity = np.full(len(sessions), np.nan)
    day = sessions["start_us"].to_numpy() // DAY_US
    dollars = sessions["cents"].to_numpy() / 100.0
    groups: dict[tuple[str, int], list[int]] = {}
    for row, key in enumerate(zip(sessions["base"].tolist(), day.tolist(), strict=True)):
        groups.setdefault(key, []).append(row)
    for (base, today), rows in groups.items():
        sizes = past.sizes(base, today)
        threshold[rows] = past.threshold(base, today)
        count[rows] = len(sizes)
        if len(sizes):
            severity[rows] = np.searchsorted(sizes, dollars[rows]) / len(sizes)
    return pd.DataFrame(
        {"threshold_usd": threshold, "n_past": count, "severity": severity}, index=sessions.index
    )


def select(
    sessions: pd.DataFrame,
    *,
    gap_seconds: int = 60,
    rule: TapeRule | None = None,
    past: Past | None = None,
) -> pd.DataFrame:
    """Return the cascades among sessions, with their attributes.

    Parameters
    ----------
    sessions : DataFrame
        Integer sessions.
    past : Past, optional
        What they are compared with; the sessions themselves when not given, which then must
        include those of `rule.window_days` before the span of interest.

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
    past = past or Past(sessions, gap_seconds=gap_seconds, rule=rule)
    # below the floor nothing is a cascade, and most sessions are
    large = sessions["cents"].to_numpy() / 100.0 >= rule.floor_usd
    rows = sessions[large].reset_index(drop=True)
    out = attributes(rows)
    out = out.join(thresholds(rows, past))
    over = pd.to_datetime(closed_us(rows, gap_seconds=gap_seconds), unit="us", utc=True)
    out["available_at"] = over.as_unit("us")
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
