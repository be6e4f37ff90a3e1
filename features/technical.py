"""MACD, RSI and ATR on arrays, and the same on completed weeks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from features.windows import Array, ema, ema_weights, lag, on_observed, quiet

__all__ = [
    "MACD_ROWS",
    "WILDER_ROWS",
    "atr_pct",
    "macd",
    "macd_histogram",
    "macd_rows",
    "on_weeks",
    "rsi",
    "true_range",
    "wilder_rows",
]


def macd_rows(fast: int = 12, slow: int = 26, signal: int = 9) -> int:
    """Rows that a MACD histogram depends on."""
    return len(ema_weights(2 / (slow + 1))) + len(ema_weights(2 / (signal + 1))) - 1


def wilder_rows(n: int = 14) -> int:
    """Rows that a Wilder average of first differences depends on."""
    return len(ema_weights(1 / n)) + 1


MACD_ROWS = macd_rows()
WILDER_ROWS = wilder_rows()


def macd(x: Array, fast: int = 12, slow: int = 26) -> Array:
    """Fast less slow exponential average (Appel).

    Parameters
    ----------
    x : array
        Prices or log prices without holes.
    fast, slow : int
        Spans of the averages.

    Returns
    -------
    array
        In the unit of `x`; NaN until the slow average has stopped moving.
    """
    return ema(x, 2 / (fast + 1)) - ema(x, 2 / (slow + 1))


def macd_histogram(x: Array, fast: int = 12, slow: int = 26, signal: int = 9) -> Array:
    """MACD less its signal line.

    Returns
    -------
    array
        In the unit of `x`; NaN in the first `macd_rows` - 1 rows.
    """
    line = macd(x, fast, slow)
    return line - ema(line, 2 / (signal + 1))


def rsi(x: Array, n: int = 14) -> Array:
    """Relative strength index with Wilder's averages.

    Parameters
    ----------
    x : array
        Prices without holes.
    n : int
        Wilder's period.

    Returns
    -------
    array
        0 to 100; 50 where the price never moved; NaN in the first `wilder_rows` - 1 rows.
    """
    step = x - lag(x, 1)
    gain = ema(np.where(np.isnan(step), np.nan, np.maximum(step, 0.0)), 1 / n)
    loss = ema(np.where(np.isnan(step), np.nan, np.maximum(-step, 0.0)), 1 / n)
    with quiet():
        total = gain + loss
        return np.where(total > 0, 100.0 * gain / total, np.where(np.isnan(total), np.nan, 50.0))


def true_range(high: Array, low: Array, close: Array) -> Array:
    """Largest of high less low and the distances of both from the close before."""
    before = lag(close, 1)
    return np.maximum(high, before) - np.minimum(low, before)


def atr_pct(high: Array, low: Array, close: Array, n: int = 14) -> Array:
    """Average true range (Wilder) as a share of the close.

    Returns
    -------
    array
        A fraction; NaN in the first `wilder_rows` - 1 rows.
    """
    return ema(true_range(high, low, close), 1 / n) / close


def on_weeks(
    grid: pd.DatetimeIndex,
    ends_week: Array,
    op: Callable[[Array], Array],
    x: Array,
    *,
    rows: int,
) -> Array:
    """Apply `op` to the closes of completed weeks and show each value until the next week ends.

    Parameters
    ----------
    grid : DatetimeIndex
        Sessions.
    ends_week : array
        1 where the exchange calendar has no later session in the same week, else 0.
    op : callable
        Takes weekly values and returns as many.
    x : array
        Closes on the session grid.
    rows : int
        Weeks that a value of `op` depends on.

    Returns
    -------
    array
        On the session grid. A week counts from the close of its last session on, so the value
        on a Wednesday is the one of the Friday before.

    Notes
    -----
    *Timing:* the last session of a week is known from the calendar, not from the data: a label
    at the week's end never carries a later close back to its Monday.
    """
    last = np.flatnonzero(ends_week > 0)
    out = np.full(len(grid), np.nan)
    if not len(last):
        return out
    weekly = on_observed(op, x[last], rows=rows)
    place = np.searchsorted(last, np.arange(len(grid)), side="right") - 1
    out[place >= 0] = weekly[place[place >= 0]]
    return np.where(np.isfinite(x), out, np.nan)
