"""Statistics of what lay behind chosen rows, with holes allowed.

An hourly history is long and a session looks at one hour of it, so these work at the rows asked
for instead of at all rows. Like `features.windows` they add up one lag after the other, so a value
does not depend on where the history was read from, nor on which other rows were asked for.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from features.windows import Array, quiet

__all__ = [
    "Rows",
    "at_rows",
    "tail_max",
    "tail_mean",
    "tail_min",
    "tail_rank",
    "tail_std",
    "tail_sum",
    "tail_z",
]

Rows = NDArray[np.int64]

# share of a window that must be known
COVER = 0.9


def at_rows(x: Array, rows: Rows, back: int = 0) -> Array:
    """Value `back` rows before each row; NaN outside the array and where the row is negative."""
    at = rows - back
    inside = (rows >= 0) & (at >= 0) & (at < len(x))
    out = np.full(len(rows), np.nan)
    out[inside] = x[at[inside]]
    return out


def _behind(x: Array, rows: Rows, n: int, step: int) -> tuple[Rows, Array]:
    """Places of the rows that exist, and the `n` values behind each of them, newest first."""
    there = np.flatnonzero((rows >= 0) & (rows < len(x)))
    at = rows[there][:, None] - step * np.arange(n)
    if not len(there) or at[:, -1].min() >= 0:
        return there, x[at] if len(x) else np.zeros((0, n))
    inside = at >= 0
    return there, np.where(inside, x[np.where(inside, at, 0)], np.nan)


def _total(values: Array) -> Array:
    """Sum of each line from its first value to its last, one addition after the other."""
    # a cumulative sum adds in order; a plain sum groups the terms by the shape of the array
    return np.cumsum(np.where(np.isfinite(values), values, 0.0), axis=1)[:, -1]


def _spread(there: Rows, values: Array, length: int, fill: float = np.nan) -> Array:
    out = np.full(length, fill)
    out[there] = values
    return out


def _enough(count: NDArray[np.int64], n: int, min_count: int | None) -> NDArray[np.bool_]:
    return count >= (min_count if min_count is not None else max(1, int(np.ceil(COVER * n))))


def tail_sum(x: Array, rows: Rows, n: int, *, min_count: int | None = None) -> Array:
    """Sum of the known ones of the last `n` values, the current one included.

    Parameters
    ----------
    x : array
        Values on a regular grid, NaN where unknown.
    rows : array of int
        Rows wanted; a negative one gives NaN.
    n : int
        Length of the window.
    min_count : int, optional
        How many must be known; nine in ten when not given.
    """
    there, values = _behind(x, rows, n, 1)
    count = np.isfinite(values).sum(axis=1)
    total = np.where(_enough(count, n, min_count), _total(values), np.nan)
    return _spread(there, total, len(rows))


def tail_mean(
    x: Array, rows: Rows, n: int, *, step: int = 1, min_count: int | None = None
) -> Array:
    """Mean of the known ones of `n` values, `step` rows apart."""
    there, values = _behind(x, rows, n, step)
    return _spread(there, _mean(values, n, min_count), len(rows))


def _mean(values: Array, n: int, min_count: int | None) -> Array:
    count = np.isfinite(values).sum(axis=1)
    return np.where(_enough(count, n, min_count), _total(values) / np.maximum(count, 1), np.nan)


def tail_std(x: Array, rows: Rows, n: int, *, step: int = 1, min_count: int | None = None) -> Array:
    """Sample standard deviation of the known ones of `n` values, `step` rows apart."""
    there, values = _behind(x, rows, n, step)
    return _spread(there, _std(values, _mean(values, n, min_count)), len(rows))


def _std(values: Array, mean: Array) -> Array:
    count = np.isfinite(values).sum(axis=1)
    around = _total((values - mean[:, None]) ** 2)
    known = (count > 1) & np.isfinite(mean)
    return np.where(known, np.sqrt(around / np.maximum(count - 1, 1)), np.nan)


def tail_z(x: Array, rows: Rows, n: int, *, step: int = 1, min_count: int | None = None) -> Array:
    """Deviation from the mean of `n` values, `step` rows apart, in their standard deviations."""
    there, values = _behind(x, rows, n, step)
    mean = _mean(values, n, min_count)
    spread = _std(values, mean)
    with quiet():
        z = (values[:, 0] - mean) / np.where(spread > 0, spread, np.nan)
    return _spread(there, z, len(rows))


def tail_rank(
    x: Array, rows: Rows, n: int, *, step: int = 1, min_count: int | None = None
) -> Array:
    """Share of the `n` values before the current one that are smaller (ties count one half)."""
    there, values = _behind(x, rows, n + 1, step)
    now, then = values[:, :1], values[:, 1:]
    below = (then < now).sum(axis=1) + 0.5 * (then == now).sum(axis=1)
    count = np.isfinite(then).sum(axis=1)
    known = _enough(count, n, min_count) & np.isfinite(now[:, 0])
    return _spread(there, np.where(known, below / np.maximum(count, 1), np.nan), len(rows))


def tail_max(x: Array, rows: Rows, n: int, *, min_count: int | None = None) -> Array:
    """Largest of the known ones of the last `n` values."""
    there, values = _behind(x, rows, n, 1)
    best = np.fmax.reduce(values, axis=1, initial=-np.inf)
    known = _enough(np.isfinite(values).sum(axis=1), n, min_count)
    return _spread(there, np.where(known, best, np.nan), len(rows))


def tail_min(x: Array, rows: Rows, n: int, *, min_count: int | None = None) -> Array:
    """Smallest of the known ones of the last `n` values."""
    return -tail_max(-x, rows, n, min_count=min_count)
