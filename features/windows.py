"""Window arithmetic whose value depends on its own window alone, to the last bit.

A running sum carries the rounding of everything before it, so the same session computed from a
short read and from a long one would differ in the last digits. Every operation here adds up its
window afresh, lag by lag and always in the same order. That is what makes a row of yesterday and
the same row of a table built years later the same bytes, and what lets one row be computed from
a short read of the store.

All functions take and return float arrays of one length; the first rows, where the window is not
full, are NaN. A NaN inside a window makes the value NaN: take the holes out with `on_observed`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

__all__ = [
    "START_WEIGHT",
    "Array",
    "Flags",
    "change",
    "ema",
    "ema_weights",
    "fir",
    "known_mean",
    "lag",
    "observed_span",
    "on_observed",
    "quiet",
    "rolling_any",
    "rolling_count",
    "rolling_max",
    "rolling_mean",
    "rolling_min",
    "rolling_rank",
    "rolling_std",
    "rolling_sum",
    "rolling_z",
    "rows_since",
]

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

# what is left of the weight of everything older when an exponential average is cut off
START_WEIGHT = 1e-6
# full windows up to which all lags are laid out at once: a step a lag would cost more in calls
_AT_ONCE = 2048


def quiet() -> np.errstate:
    """Let NaN pass through comparisons, logs and divisions without a warning."""
    return np.errstate(divide="ignore", invalid="ignore", over="ignore")


def lag(x: Array, n: int) -> Array:
    """Value `n` rows earlier."""
    if n == 0:
        return x.astype(float, copy=True)
    out = np.full(len(x), np.nan)
    if n < len(x):
        out[n:] = x[:-n]
    return out


def change(x: Array, n: int) -> Array:
    """Difference to the value `n` rows earlier."""
    return x - lag(x, n)


def _lags(x: Array, n: int) -> Array:
    """Look at the rows with a full window: one line a lag, the current values first."""
    return sliding_window_view(x, len(x) - n + 1)[::-1]


def _added(lines: Array) -> Array:
    """Sum of lines from the first to the last, one addition after the other."""
    if lines.shape[1] == 1:  # NumPy would add a lone column up in pairs
        return np.asarray(0.0 + np.add.accumulate(lines, axis=0)[-1])
    return np.asarray(np.add.reduce(lines, axis=0, initial=0.0))


def fir(x: Array, weights: Array) -> Array:
    """Weighted sum of the current and earlier values; ``weights[0]`` belongs to the current one.

    Parameters
    ----------
    x : array of n
        Values, oldest first.
    weights : array of w
        One weight a lag.

    Returns
    -------
    array of n
        NaN in the first ``w - 1`` rows.
    """
    n, w = len(x), len(weights)
    out = np.full(n, np.nan)
    if n < w:
        return out
    if n - w < _AT_ONCE:
        out[w - 1 :] = _added(_lags(x, w) * weights[:, None])
        return out
    total = np.zeros(n - w + 1)
    part = np.empty(n - w + 1)
    for k in range(w):
        np.multiply(x[w - 1 - k : n - k], weights[k], out=part)
        total += part
    out[w - 1 :] = total
    return out


def ema_weights(alpha: float, *, start_weight: float = START_WEIGHT) -> Array:
    """Weights of an exponential average, cut where less than `start_weight` is left, summing to 1.

    Parameters
    ----------
    alpha : float
        Weight of the newest value: ``2 / (span + 1)``, or ``1 / n`` for Wilder's average.
    start_weight : float
        Share of the total weight that lies beyond the cut.
    """
    length = int(np.ceil(np.log(start_weight) / np.log1p(-alpha)))
    weights = alpha * (1.0 - alpha) ** np.arange(length)
    return weights / weights.sum()


def ema(x: Array, alpha: float) -> Array:
    """Exponential average over the window of `ema_weights`; NaN until that window is full."""
    return fir(x, ema_weights(alpha))


def rolling_sum(x: Array, n: int) -> Array:
    """Sum of the last `n` values."""
    out = np.full(len(x), np.nan)
    if len(x) < n:
        return out
    if len(x) - n < _AT_ONCE:
        out[n - 1 :] = _added(_lags(x, n))
        return out
    total = np.zeros(len(x) - n + 1)
    for k in range(n):
        total += x[n - 1 - k : len(x) - k]
    out[n - 1 :] = total
    return out


def known_mean(x: Array, n: int, *, min_count: int) -> Array:
    """Mean of the known ones of the last `n` values, where there are at least `min_count`."""
    known = np.isfinite(x)
    values = np.where(known, x, 0.0)
    total, count = values.copy(), known.astype(np.int64)
    for k in range(1, n):
        total[k:] += values[:-k]
        count[k:] += known[:-k]
    return np.where(count >= min_count, total / np.maximum(count, 1), np.nan)


def rolling_mean(x: Array, n: int) -> Array:
    """Mean of the last `n` values."""
    return rolling_sum(x, n) / n


def rolling_std(x: Array, n: int) -> Array:
    """Sample standard deviation (n - 1) of the last `n` values, by two passes."""
    mean = rolling_mean(x, n)
    out = np.full(len(x), np.nan)
    if len(x) < n:
        return out
    if len(x) - n < _AT_ONCE:
        parts = _lags(x, n) - mean[n - 1 :]
        out[n - 1 :] = np.sqrt(_added(np.square(parts, out=parts)) / (n - 1))
        return out
    total = np.zeros(len(x) - n + 1)
    part = np.empty(len(x) - n + 1)
    for k in range(n):
        np.subtract(x[n - 1 - k : len(x) - k], mean[n - 1 :], out=part)
        total += np.square(part, out=part)
    out[n - 1 :] = np.sqrt(total / (n - 1))
    return out


def rolling_z(x: Array, n: int) -> Array:
    """Deviation from the mean of the last `n` values in their standard deviations."""
    with quiet():
        spread = rolling_std(x, n)
        return (x - rolling_mean(x, n)) / np.where(spread > 0, spread, np.nan)


def _fold(x: Array, n: int, pick: np.ufunc) -> Array:
    out = np.full(len(x), np.nan)
    if len(x) < n:
        return out
    best = x[n - 1 :].astype(float, copy=True)
    for k in range(1, n):
        pick(best, x[n - 1 - k : len(x) - k], out=best)
    out[n - 1 :] = best
    return out


def rolling_max(x: Array, n: int) -> Array:
    """Largest of the last `n` values."""
    return _fold(x, n, np.maximum)


def rolling_min(x: Array, n: int) -> Array:
    """Smallest of the last `n` values."""
    return _fold(x, n, np.minimum)


def rolling_count(flag: Array, n: int) -> Array:
    """How many of the last `n` flags (0 or 1) are set."""
    return rolling_sum(flag, n)


def rolling_any(flag: Array, n: int) -> Array:
    """1 where any of the last `n` flags is set, else 0."""
    return rolling_max(flag, n)


def rolling_rank(x: Array, n: int, *, min_count: int | None = None) -> Array:
    """Share of the `n` values before the current one that are smaller (ties count one half).

    Parameters
    ----------
    x : array
        Values; NaN values are left out of the comparison.
    n : int
        Length of the window before the current row.
    min_count : int, optional
        How many known values the window must hold; all `n` when not given.

    Returns
    -------
    array
        Between 0 and 1; the current value is not compared with itself.
    """
    need = n if min_count is None else min_count
    # ranks are counts, so pandas' running window is exact here where its running sums are not
    window = pd.Series(x).rolling(n + 1, min_periods=need + 1)
    below = window.rank().to_numpy() - 1.0
    others = window.count().to_numpy() - 1.0
    known = np.isfinite(x) & (others >= need)
    return np.where(known, below / np.where(known, others, 1.0), np.nan)


def rows_since(flag: Array, limit: int) -> Array:
    """Rows since the flag was last set (0 when it is set now); `limit` when it was not within it.

    NaN until `limit` rows exist and where a flag inside the window is unknown.
    """
    out = np.full(len(flag), np.nan)
    if len(flag) < limit:
        return out
    seen = np.full(len(flag) - limit + 1, float(limit))
    unknown = np.zeros(len(seen), dtype=bool)
    for k in range(limit - 1, -1, -1):
        part = flag[limit - 1 - k : len(flag) - k]
        seen = np.where(part > 0, float(k), seen)
        unknown |= np.isnan(part)
    out[limit - 1 :] = np.where(unknown, np.nan, seen)
    return out


def observed_span(rows: int) -> int:
    """Grid rows over which `rows` observed values may at most be spread before the value is null.

    One value in ten may be missing, and at least two.
    """
    return rows + max(2, rows // 10)


def on_observed(op: Callable[..., Array], *series: Array, rows: int) -> Array:
    """Apply `op` to the rows where every series is known, and put the result back on the grid.

    Parameters
    ----------
    op : callable
        Takes the compressed series and returns one array of their length.
    series : arrays of n
        Values on one regular grid, NaN where there was no observation.
    rows : int
        How many observed rows a value of `op` depends on.

    Returns
    -------
    array of n
        NaN at unobserved rows, and where the `rows` observations are spread over more than
        `observed_span` grid rows: a window never bridges a hole in silence.
    """
    known = np.isfinite(series[0])
    for other in series[1:]:
        known &= np.isfinite(other)
    at = np.flatnonzero(known)
    out = np.full(len(series[0]), np.nan)
    if not len(at):
        return out
    value = op(*[s[at] for s in series])
    if rows > 1:
        first = np.full(len(at), -(10**9))
        if len(at) >= rows:
            first[rows - 1 :] = at[: len(at) - rows + 1]
        value = np.where(at - first < observed_span(rows), value, np.nan)
    out[at] = value
    return out
