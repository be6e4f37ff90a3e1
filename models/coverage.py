"""Does the interval hold what came true? A stated proxy, as the true probability is never seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Coverage", "bin_coverage"]

Z90 = 1.6448536269514722


@dataclass(frozen=True)
class Coverage:
    """Coverage of 90 % intervals over the bins of a forecast.

    Parameters
    ----------
    share : float
        Share of bins whose observed rate lies where interval and sampling together allow: 0.9
        is expected of a right interval, more of a wide one.
    without : float
        The same share if the interval had no width: sampling alone.
    width : float
        Mean width of the intervals, probability.
    """

    share: float
    without: float
    width: float


def bin_coverage(
    y: np.ndarray, p: np.ndarray, lo: np.ndarray, hi: np.ndarray, *, horizon: int, bins: int = 10
) -> Coverage:
    """Compare said and seen over equal-count bins of the forecast.

    Parameters
    ----------
    y, p, lo, hi : ndarray
        Outcomes, forecasts and ends of the 90 % intervals, in session order.
    horizon : int
        Sessions that a label spans: neighbours tell the same case.

    Notes
    -----
    In a bin, observed less mean forecast has two sources: chance, whose variance is that of the
    mean of overlapping outcomes (Newey and West's, lag twice the horizon), and the error of the
    forecast, whose standard deviation is taken to be the bin's mean half width over 1.645, the
    same for all its rows. The bin is covered where the difference is within 1.645 of the two
    together.
    """
    y, p = np.asarray(y, float), np.asarray(p, float)
    half = (np.asarray(hi, float) - np.asarray(lo, float)) / 2.0
    if y.size == 0:
        return Coverage(float("nan"), float("nan"), float("nan"))
    parts = [part for part in np.array_split(np.argsort(p, kind="stable"), bins) if part.size]
    held, held_without = [], []
    for part in parts:
        inside = np.zeros(y.size)
        inside[part] = 1.0
        gap = abs(float(np.mean(y[part] - p[part])))
        chance = _mean_variance((y - np.mean(y[part])) * inside, part.size, 2 * horizon)
        # A bin without a single event has no spread of its own; its forecasts say what to expect.
        chance = max(chance, float(np.mean(p[part] * (1.0 - p[part]))) / part.size)
        error = (float(np.mean(half[part])) / Z90) ** 2
        held.append(gap <= Z90 * np.sqrt(chance + error))
        held_without.append(gap <= Z90 * np.sqrt(chance))
    return Coverage(float(np.mean(held)), float(np.mean(held_without)), float(2 * half.mean()))


def _mean_variance(residual: np.ndarray, count: int, lag: int) -> float:
    total = float(residual @ residual)
    for k in range(1, min(lag, residual.size - 1) + 1):
        weight = 1.0 - k / (lag + 1.0)
        total += 2.0 * weight * float(residual[k:] @ residual[:-k])
    return total / count**2
