"""Has the world moved: stability index, two-sample test that knows about persistence, ADWIN."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Ks", "adwin", "benjamini_hochberg", "effective_size", "ks_test", "psi"]

Array = NDArray[np.float64]

_ADWIN_MIN = 5


@dataclass(frozen=True)
class Ks:
    """Kolmogorov-Smirnov distance, its p-value, and the sizes that it was judged with."""

    distance: float
    p_value: float
    n_reference: float
    n_live: float


def psi(reference: Array, live: Array, *, bins: int) -> float:
    """Give the population stability index over quantile bins of the reference.

    Parameters
    ----------
    reference, live : Array
        Without NaN.
    bins : int

    Returns
    -------
    float
        ``sum (a - e) ln(a / e)``, empty bins counted as half an observation; NaN when a sample is
        empty.
    """
    if not len(reference) or not len(live):
        return float("nan")
    edges = np.unique(np.quantile(reference, np.linspace(0, 1, bins + 1)[1:-1]))
    expected = np.bincount(
        np.searchsorted(edges, reference, side="right"), minlength=len(edges) + 1
    )
    actual = np.bincount(np.searchsorted(edges, live, side="right"), minlength=len(edges) + 1)
    e = np.maximum(expected, 0.5) / len(reference)
    a = np.maximum(actual, 0.5) / len(live)
    return float(np.sum((a - e) * np.log(a / e)))


def effective_size(values: Array) -> float:
    """Count of independent observations that a persistent series is worth.

    Notes
    -----
    First-order: ``n (1 - r) / (1 + r)`` with the lag-one autocorrelation r, at least 2 and at
    most n. A year of VIX closes is worth a few observations, not 252.
    """
    n = len(values)
    if n < 3:
        return float(n)
    centred = values - values.mean()
    total = float(centred @ centred)
    if total == 0:
        return float(n)
    r = min(max(float(centred[1:] @ centred[:-1]) / total, 0.0), 0.999)
    return float(max(min(n * (1 - r) / (1 + r), n), 2.0))


def ks_test(reference: Array, live: Array) -> Ks:
    """Compare two samples with Kolmogorov's asymptotic law at their effective sizes.

    Parameters
    ----------
    reference, live : Array
        In order of time, without NaN.
    """
    from scipy.special import kolmogorov

    if not len(reference) or not len(live):
        return Ks(float("nan"), float("nan"), 0.0, 0.0)
    first, second = np.sort(reference), np.sort(live)
    grid = np.concatenate([first, second])
    distance = float(
        np.max(
            np.abs(
                np.searchsorted(first, grid, side="right") / len(first)
                - np.searchsorted(second, grid, side="right") / len(second)
            )
        )
    )
    n, m = effective_size(reference), effective_size(live)
    root = np.sqrt(n * m / (n + m))
    p_value = float(kolmogorov((root + 0.12 + 0.11 / root) * distance))
    return Ks(distance, p_value, n, m)


def benjamini_hochberg(p_values: Array, *, rate: float) -> NDArray[np.bool_]:
    """Mark the tests that hold at a false discovery rate; NaN never does."""
    out = np.zeros(len(p_values), dtype=bool)
    known = np.flatnonzero(np.isfinite(p_values))
    if not len(known):
        return out
    order = known[np.argsort(p_values[known], kind="stable")]
    limits = rate * np.arange(1, len(order) + 1) / len(order)
    holds = np.flatnonzero(p_values[order] <= limits)
    if len(holds):
        out[order[: holds[-1] + 1]] = True
    return out


def adwin(values: Array, *, delta: float) -> list[int]:
    """Find where the mean of a stream changed (Bifet and Gavalda 2007).

    Parameters
    ----------
    values : Array
        In order of time.
    delta : float
        Confidence: the smaller, the fewer false alarms.

    Returns
    -------
    list of int
        Places at which an alarm was raised; the window then forgets its older part.

    Notes
    -----
    Every cut of the window into two parts of at least five is tried at every step, which the
    published algorithm approximates with buckets; a few thousand outcomes need no buckets.
    """
    alarms: list[int] = []
    start = 0
    sums = np.concatenate([[0.0], np.cumsum(values)])
    squares = np.concatenate([[0.0], np.cumsum(np.square(values))])
    for end in range(1, len(values) + 1):
        fired = False
        while end - start >= 2 * _ADWIN_MIN:
            cut = _cut(sums[start : end + 1], squares[start : end + 1], delta)
            if cut is None:
                break
            start += cut
            fired = True
        if fired:
            alarms.append(end - 1)
    return alarms


def _cut(sums: Array, squares: Array, delta: float) -> int | None:
    n = len(sums) - 1
    left = np.arange(_ADWIN_MIN, n - _ADWIN_MIN + 1)
    right = n - left
    mean_left = (sums[left] - sums[0]) / left
    mean_right = (sums[n] - sums[left]) / right
    mean = (sums[n] - sums[0]) / n
    variance = max(float(squares[n] - squares[0]) / n - mean * mean, 0.0)
    harmonic = 1.0 / (1.0 / left + 1.0 / right)
    log_term = np.log(2.0 * np.log(n) / delta)
    bound = np.sqrt(2.0 / harmonic * variance * log_term) + 2.0 / 3.0 / harmonic * log_term
    beyond = np.flatnonzero(np.abs(mean_left - mean_right) > bound)
    return None if not len(beyond) else int(left[beyond[0]])
