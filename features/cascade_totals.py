"""Cascade days from daily liquidation totals."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.cascade_frame import finish, need
from features.errors import DataError
from features.names import places
from features.windows import quiet

__all__ = ["FEED_BREAK", "TotalsRule", "cascade_days", "daily_totals", "feed_era"]

# Binance cut its public feed to one order per symbol and second on this UTC day, and the daily
# totals of every aggregator break there: levels before and after are two different quantities.
FEED_BREAK = pd.Timestamp("2021-04-27")


@dataclass(frozen=True)
class TotalsRule:
    """When a UTC day's liquidation totals are a cascade.

    Parameters
    ----------
    min_z : float
        Log of liquidations over perpetual volume, in trailing standard deviations.
    min_usd_full, min_usd_throttled : float
        Absolute floor in USD before and after the feed was throttled; two constants because the
        same day would report several times less in the throttled feed.
    window_days, min_days : int
        Trailing window inside one feed era, and how many days of it are needed.
    """

    min_z: float = 2.0
    min_usd_full: float = 50e6
    min_usd_throttled: float = 10e6
    window_days: int = 90
    min_days: int = 20


class _Hits(NamedTuple):
    """Cascade days of one coin in one era: rows of the table, their z and severity."""

    base: str
    era: str
    rows: NDArray[np.intp]
    z: NDArray[np.float64]
    severity: NDArray[np.float64]


def feed_era(dates: pd.Series) -> pd.Series:
    """Name the feed era of each UTC day: ``pre_2021_04_27`` or ``throttled``."""
    naive = pd.to_datetime(dates, utc=True).dt.tz_localize(None)
    return pd.Series(np.where(naive < FEED_BREAK, "pre_2021_04_27", "throttled"), index=dates.index)


def daily_totals(totals: pd.DataFrame, *, rule: TotalsRule | None = None) -> pd.DataFrame:
    """Cascade days from daily liquidation totals (definition ``totals``).

    Parameters
    ----------
    totals : DataFrame
        ``date`` (UTC day), ``long_usd``, ``short_usd``, ``perp_volume_usd``; ``base`` where there
        is more than one; ``feed_era``, ``oi_usd`` and ``available_at`` when known.
    rule : TotalsRule, optional
        Thresholds.

    Returns
    -------
    DataFrame
        `CASCADE_COLUMNS`, one row a cascade day. ``z`` is log(liquidations / volume) against the
        trailing window, ``severity`` the share of that window with a smaller ratio,
        ``oi_change_pct`` the day's change of total open interest.

    Notes
    -----
    *Timing:* day d is known on d + 1 at 00:05 UTC unless ``available_at`` says otherwise. Its
    window holds earlier days of the same feed era only: levels are never compared across
    2021-04-27, and the first `min_days` days of an era flag nothing.
    """
    frame = _by_day(totals)
    pieces = [
        _cascade_days(
            frame.take(h.rows), frame[frame["base"] == h.base], h.z, h.severity, h.base, h.era
        )
        for h in _found(frame, rule or TotalsRule())
    ]
    return finish(pieces, definition="totals", base=None, venue="")


def cascade_days(
    totals: pd.DataFrame, *, rule: TotalsRule | None = None
) -> tuple[pd.DatetimeIndex, pd.DatetimeIndex]:
    """Days that `daily_totals` would give and when each was available, in no order, at less cost.

    Parameters
    ----------
    totals : DataFrame
        As `daily_totals`, with ``available_at``.
    rule : TotalsRule, optional
        Thresholds.
    """
    frame = _by_day(totals)
    found = [h.rows for h in _found(frame, rule or TotalsRule())]
    rows = np.concatenate(found) if found else np.zeros(0, dtype=np.intp)
    dates, known = (pd.DatetimeIndex(frame[name]) for name in ("date", "available_at"))
    return dates.take(rows), known.take(rows)


def _by_day(totals: pd.DataFrame) -> pd.DataFrame:
    """Rows with all the columns that the search reads, by day."""
    need(totals, ["date", "long_usd", "short_usd", "perp_volume_usd"], "totals")
    frame = totals.copy()
    if "base" not in frame:
        frame["base"] = ""
    if "feed_era" not in frame:
        frame["feed_era"] = feed_era(frame["date"])
    frame["date"] = pd.to_datetime(frame["date"], utc=True).dt.as_unit("us")
    if frame.duplicated(["base", "date"]).any():
        raise DataError("totals has a day twice. Expected one row a base and UTC day.")
    return frame.sort_values("date")


def _found(frame: pd.DataFrame, rule: TotalsRule) -> Iterator[_Hits]:
    """Cascade days by coin and era."""
    total = (frame["long_usd"] + frame["short_usd"]).to_numpy(dtype=float)
    volume = frame["perp_volume_usd"].to_numpy(dtype=float)
    for (base, era), rows in sorted(places([frame["base"], frame["feed_era"]]).items()):
        hit, z, severity = _judged(total[rows], volume[rows], rule, era)
        if len(hit):
            yield _Hits(base, era, rows[hit], z, severity)


def _judged(
    total: NDArray[np.float64], volume: NDArray[np.float64], rule: TotalsRule, era: str
) -> tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.float64]]:
    """Places of the cascade days, with their z and severity."""
    with quiet():
        ratio = total / np.where(volume > 0, volume, np.nan)
        log_ratio = np.log(np.where(ratio > 0, ratio, np.nan))
    padded = np.concatenate([np.full(rule.window_days, np.nan), log_ratio])
    past = np.lib.stride_tricks.sliding_window_view(padded, rule.window_days)[: len(total)]
    # most days fall short of the floor: their windows need not be looked at
    floor = rule.min_usd_full if era == "pre_2021_04_27" else rule.min_usd_throttled
    large = np.flatnonzero((total >= floor) & np.isfinite(log_ratio))
    known = np.isfinite(past[large])
    count = known.sum(axis=1)
    z = np.full(len(large), np.nan)
    severity = np.full(len(large), np.nan)
    # windows without a hole go together; the others hold a different number of days each
    whole = np.flatnonzero((count >= rule.min_days) & (count == rule.window_days))
    days = large[whole]
    mean, spread = past[days].mean(axis=1), past[days].std(axis=1, ddof=1)
    with quiet():
        z[whole] = np.where(spread > 0, (log_ratio[days] - mean) / spread, np.nan)
    severity[whole] = (past[days] < log_ratio[days, None]).mean(axis=1)
    for i in np.flatnonzero((count >= rule.min_days) & (count < rule.window_days)):
        day = large[i]
        window = past[day][known[i]]
        deviation = window.std(ddof=1)
        z[i] = (log_ratio[day] - window.mean()) / deviation if deviation > 0 else np.nan
        severity[i] = float((window < log_ratio[day]).mean())
    hit = z >= rule.min_z
    return large[hit], z[hit], severity[hit]


def _cascade_days(
    part: pd.DataFrame,
    days: pd.DataFrame,
    z: NDArray[np.float64],
    severity: NDArray[np.float64],
    base: str,
    era: str,
) -> pd.DataFrame:
    total = part["long_usd"] + part["short_usd"]
    side = np.where(part["long_usd"] >= part["short_usd"], "long", "short")
    imbalance = (part["long_usd"] - part["short_usd"]) / total.where(total > 0)
    end = part["date"] + pd.Timedelta(days=1)
    known_at = part["available_at"] if "available_at" in part else end + pd.Timedelta(minutes=5)
    oi_change = pd.Series(np.nan, index=part.index)
    if "oi_usd" in days:
        held = days.set_index("date")["oi_usd"]
        yesterday = held.reindex(part["date"] - pd.Timedelta(days=1)).set_axis(part.index)
        oi_change = (part["oi_usd"] / yesterday.where(yesterday > 0) - 1.0) * 100.0
    return pd.DataFrame(
        {
            "cascade_id": [
                f"totals:{base}:{s}:{d:%Y-%m-%d}" for s, d in zip(side, part["date"], strict=True)
            ],
            "version": 1,
            "base": base,
            "side": side,
            "start": part["date"],
            "end": end,
            "available_at": known_at,
            "n_bars": 1,
            "notional_usd": total,
            "long_usd": part["long_usd"],
            "short_usd": part["short_usd"],
            "imbalance": imbalance,
            "one_sidedness": part[["long_usd", "short_usd"]].max(axis=1) / total.where(total > 0),
            "severity": severity,
            "z": z,
            "oi_change_pct": oi_change,
            "feed_era": era,
            "throttled": era == "throttled",
        }
    )
