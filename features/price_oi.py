"""Cascades of hourly price and open interest, on arrays: flagged hours, and what each adds.

A row of the feature table needs the cascades of a year and a half, of which there are a few
hundred hours. So the trailing statistics are taken at the hours that pass the fixed floors, not at
all hours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from features.windows import Array, quiet

__all__ = ["Moves", "PriceOiRule", "Versions", "moves", "versions"]

# A normal variable's median absolute size over its standard deviation.
NORMAL_MEDIAN = 0.6745


@dataclass(frozen=True)
class PriceOiRule:
    """When an hourly bar is a cascade bar, and when two of them are one cascade.

    Parameters
    ----------
    min_move_bps : float
        Absolute floor of the excursion from the open: a quantile alone picks noise in quiet months.
    move_quantile : float
        The excursion must also reach this quantile of the trailing window.
    max_oi_change_pct : float
        Open interest must fall at least this much (a negative number), whatever the quantile says.
    oi_quantile : float
        ... and lie at or under this quantile of its own trailing window.
    window_hours, min_hours : int
        Length of the trailing window, and how many bars it needs before anything is flagged.
    merge_hours : int
        Cascade bars of one side whose opens lie at most this far apart are one cascade.
    """

    min_move_bps: float = 150.0
    move_quantile: float = 0.98
    max_oi_change_pct: float = -2.0
    oi_quantile: float = 0.02
    window_hours: int = 90 * 24
    min_hours: int = 30 * 24
    merge_hours: int = 2


@dataclass(frozen=True)
class Moves:
    """What every hour did, on consecutive hours; NaN where unknown.

    Parameters
    ----------
    falling : array of bool
        Whether the larger excursion was down, which hurts longs.
    move_bps : array
        Excursion from the open, positive.
    size : array
        Absolute log of the excursion.
    hourly : array
        Absolute close-to-close log return.
    oi_change_pct, oi_change_usd : array
        Change of open interest over the hour.
    reversal_share : array
        Share of the excursion that the close took back.
    """

    falling: NDArray[np.bool_]
    move_bps: Array
    size: Array
    hourly: Array
    oi_change_pct: Array
    oi_change_usd: Array
    reversal_share: Array


@dataclass(frozen=True)
class Versions:
    """Cascades as each of their bars left them, in order of time and side.

    Parameters
    ----------
    hour, start : array of int
        Place of the bar that made the version, and of the cascade's first bar.
    long : array of bool
        Whether longs are hurt.
    version : array of int
        1 at the first bar, growing with each further one.
    severity, move_bps, move_sigmas, oi_change_pct, oi_change_usd, reversal_share : array
        As known when the bar closed.
    """

    hour: NDArray[np.int64]
    start: NDArray[np.int64]
    long: NDArray[np.bool_]
    version: NDArray[np.int64]
    severity: Array
    move_bps: Array
    move_sigmas: Array
    oi_change_pct: Array
    oi_change_usd: Array
    reversal_share: Array

    def take(self, which: NDArray[Any]) -> Versions:
        """Keep some versions, by flag or place."""
        return Versions(*(getattr(self, one.name)[which] for one in fields(self)))

    @classmethod
    def join(cls, parts: Sequence[Versions]) -> Versions:
        """Put versions one after the other."""
        names = [one.name for one in fields(cls)]
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def moves(
    opened: Array, high: Array, low: Array, close: Array, before: Array, after: Array
) -> Moves:
    """Measure every hour.

    Parameters
    ----------
    opened, high, low, close : array
        Bars on consecutive hours.
    before, after : array
        Open interest in coins as each hour opened and as the next one did.
    """
    with quiet():
        change = (after / np.where(before > 0, before, np.nan) - 1.0) * 100.0
        down = (1.0 - low / opened) * 1e4
        up = (high / opened - 1.0) * 1e4
        falling = down >= up
        move = np.where(falling, down, up)
        extreme = np.where(falling, low, high)
        span = np.abs(opened - extreme)
        log_close = np.log(close)
        hourly = np.full(len(close), np.nan)
        hourly[1:] = np.abs(log_close[1:] - log_close[:-1])
        return Moves(
            falling,
            move,
            np.abs(np.log1p(np.where(falling, -1, 1) * move / 1e4)),
            hourly,
            change,
            (after - before) * close,
            np.abs(close - extreme) / np.where(span > 0, span, np.nan),
        )


def versions(m: Moves, rule: PriceOiRule) -> Versions:
    """Find the cascades; see `features.cascades.price_oi` for what they are."""
    hours = _flagged(m, rule)
    severity = _severity(m.move_bps, hours, rule)
    with quiet():
        sigma = _trailing(m.hourly, hours, rule, 0.5) / NORMAL_MEDIAN
        sigmas = m.size[hours] / np.where(sigma > 0, sigma, np.nan)
    parts = [
        _of_side(m, rule, side, hours[kept], severity[kept], sigmas[kept])
        for side, kept in ((True, m.falling[hours]), (False, ~m.falling[hours]))
    ]
    every = Versions.join(parts)
    return every.take(np.argsort(every.hour, kind="stable"))


def _flagged(m: Moves, rule: PriceOiRule) -> NDArray[np.int64]:
    hours = np.flatnonzero(
        (m.move_bps >= rule.min_move_bps) & (m.oi_change_pct <= rule.max_oi_change_pct)
    )
    hours = hours[m.move_bps[hours] >= _trailing(m.move_bps, hours, rule, rule.move_quantile)]
    return hours[
        m.oi_change_pct[hours] <= _trailing(m.oi_change_pct, hours, rule, rule.oi_quantile)
    ]


def _trailing(x: Array, hours: NDArray[np.int64], rule: PriceOiRule, share: float) -> Array:
    """Quantile of the window before each hour; NaN where too little of it is known."""
    out = np.full(len(hours), np.nan)
    windows = _windows(x, rule.window_hours)
    for i, hour in enumerate(hours.tolist()):
        known = windows[hour]
        known = known[~np.isnan(known)]
        if len(known) < rule.min_hours:
            continue
        place = share * (len(known) - 1)
        below = int(place)
        known.partition([below, min(below + 1, len(known) - 1)])
        out[i] = known[below]
        if below != place:
            out[i] = known[below] + (known[below + 1] - known[below]) * (place - below)
    return out


def _severity(move: Array, hours: NDArray[np.int64], rule: PriceOiRule) -> Array:
    """Share of the hours of the window before that moved less."""
    out = np.full(len(hours), np.nan)
    windows = _windows(move, rule.window_hours - 1)
    for i, hour in enumerate(hours.tolist()):
        past = windows[hour]
        known = int(np.count_nonzero(~np.isnan(past)))
        if known and known + 1 >= rule.min_hours:
            out[i] = np.count_nonzero(past < move[hour]) / known
    return out


def _windows(x: Array, width: int) -> Array:
    """Look at the `width` values before each hour."""
    return sliding_window_view(np.concatenate([np.full(width, np.nan), x]), width)


def _of_side(
    m: Moves,
    rule: PriceOiRule,
    hurts_longs: bool,
    hours: NDArray[np.int64],
    severity: Array,
    sigmas: Array,
) -> Versions:
    n = len(hours)
    start, version = hours.copy(), np.ones(n, dtype=np.int64)
    state = np.stack([severity, m.move_bps[hours], sigmas])
    largest = state.copy()
    kept = 1.0 + m.oi_change_pct[hours] / 100.0
    lost = m.oi_change_usd[hours]
    total, carried = lost.copy(), 0.0
    for i in range(1, n):
        if hours[i] - hours[i - 1] > rule.merge_hours:
            carried = 0.0
            continue
        start[i], version[i] = start[i - 1], version[i - 1] + 1
        # the largest excursion stands for the cascade; its neighbours keep their own versions
        largest[:, i] = np.fmax(largest[:, i - 1], state[:, i])
        kept[i] *= kept[i - 1]
        # a compensated sum, so that what a version holds does not hang on its order of size
        more = lost[i] - carried
        total[i] = total[i - 1] + more
        carried = total[i] - total[i - 1] - more
    shown = np.where(np.isnan(state), np.nan, largest)
    return Versions(
        hour=hours,
        start=start,
        long=np.full(n, hurts_longs),
        version=version,
        severity=shown[0],
        move_bps=shown[1],
        move_sigmas=shown[2],
        oi_change_pct=(kept - 1.0) * 100.0,
        oi_change_usd=total,
        reversal_share=m.reversal_share[hours],
    )
