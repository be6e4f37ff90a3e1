"""Measures of a profit series: risk, drawdown, and how much luck the best of many needs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from models.scores import stationary_indices
from training.backtest.accounts import BOOKS

__all__ = [
    "book_returns",
    "deflated_sharpe",
    "excess_returns",
    "paired_gain",
    "summary",
    "time_under_water",
]

Array = NDArray[np.float64]

_YEAR = 252
_EULER = 0.5772156649015329


def summary(daily: pd.DataFrame, start_cents: int) -> dict[str, Any]:
    """Summarise a replay.

    Parameters
    ----------
    daily : pd.DataFrame
        By session, cents: `equity`, `risk` (open maximum loss) and `cash` (interest).
    start_cents : int
        Equity before the first session.

    Returns
    -------
    dict
        Percentages; CVaR is the mean of the worst 5 % of daily returns. `sharpe` is of returns
        in excess of the interest on cash.
    """
    equity, risk = daily["equity"], daily["risk"]
    level = np.concatenate([[float(start_cents)], equity.to_numpy(dtype=float)])
    returns = level[1:] / level[:-1] - 1
    excess = excess_returns(daily, start_cents)
    years = len(returns) / _YEAR
    peak = np.maximum.accumulate(level)
    worst = np.sort(returns)[: max(int(np.ceil(0.05 * len(returns))), 1)]
    size = float(excess.std(ddof=1)) if len(excess) > 1 else 0.0
    return {
        "profit_cents": int(equity.iloc[-1] - start_cents),
        "annual_return_pct": round(float(((level[-1] / level[0]) ** (1 / years) - 1) * 100), 3),
        "annual_vol_pct": round(size * np.sqrt(_YEAR) * 100, 3),
        "sharpe": None if size == 0 else round(float(excess.mean() / size * np.sqrt(_YEAR)), 3),
        "max_drawdown_pct": round(float((level / peak - 1).min() * 100), 3),
        "cvar95_daily_pct": round(float(worst.mean() * 100), 3),
        "time_under_water_sessions": time_under_water(level),
        "mean_open_risk_pct": round(float((risk / equity).mean() * 100), 3),
    }


def book_returns(daily: pd.DataFrame, books: Sequence[str]) -> Array:
    """Give the daily profit of some books as fractions of the equity before.

    Parameters
    ----------
    daily : pd.DataFrame
        By session, cents: a column for every book, and `equity`.
    books : sequence of str
        Which columns to add.
    """
    before = daily["equity"] - daily[list(BOOKS)].sum(axis=1)
    return np.asarray(daily[list(books)].sum(axis=1) / before, dtype=float)


def excess_returns(daily: pd.DataFrame, start_cents: int) -> Array:
    """Give daily returns less the interest on cash, fractions of the equity before.

    Parameters
    ----------
    daily : pd.DataFrame
        By session, cents: `equity` and `cash`.
    start_cents : int
        Equity before the first session.
    """
    level = np.concatenate([[float(start_cents)], daily["equity"].to_numpy(dtype=float)])
    return np.asarray((np.diff(level) - daily["cash"].to_numpy(dtype=float)) / level[:-1])


def time_under_water(level: Array) -> int:
    """Longest run of sessions below an earlier peak."""
    below = level < np.maximum.accumulate(level)
    longest = run = 0
    for wet in below:
        run = run + 1 if wet else 0
        longest = max(longest, run)
    return longest


def paired_gain(
    ours: Array, theirs: Array, *, draws: int = 1000, block: int = 21, seed: int = 0
) -> dict[str, float]:
    """Give the mean daily difference a year with its 90 % interval, percent of equity.

    Parameters
    ----------
    ours, theirs : Array
        Profits of the same sessions, fractions of each account's equity before: two accounts that
        grow apart are not compared in dollars.
    draws, block, seed : int
        Bootstrap repetitions, mean block length, and seed.
    """
    gap = np.asarray(ours, dtype=float) - np.asarray(theirs, dtype=float)
    index = _resamples(len(gap), block, draws, seed)
    means = gap[index].mean(axis=1) * _YEAR
    low, high = np.quantile(means, [0.05, 0.95])
    return {
        "annual_pct": round(float(gap.mean() * _YEAR) * 100, 3),
        "low_pct": round(float(low) * 100, 3),
        "high_pct": round(float(high) * 100, 3),
    }


@lru_cache(maxsize=2)
def _resamples(length: int, block: int, draws: int, seed: int) -> NDArray[np.intp]:
    """Draw once: every comparison of a report resamples the same sessions."""
    return stationary_indices(length, mean_block=block, repeats=draws, seed=seed)


def deflated_sharpe(daily: Array, sharpes: Array) -> float | None:
    """Probability that the true Sharpe ratio exceeds what the best of many trials has by luck.

    Parameters
    ----------
    daily : Array
        Daily returns of the chosen trial.
    sharpes : Array
        Daily Sharpe ratios of all trials, the chosen one included.

    Returns
    -------
    float or None
        None when there is no variation.

    References
    ----------
    Bailey and Lopez de Prado, The deflated Sharpe ratio, Journal of Portfolio Management 40 (2014).
    """
    size = float(daily.std(ddof=1))
    trials, spread = len(sharpes), float(np.std(sharpes, ddof=1)) if len(sharpes) > 1 else 0.0
    if size == 0:
        return None
    ratio = float(daily.mean()) / size
    z = (daily - daily.mean()) / daily.std()
    skew, kurtosis = float((z**3).mean()), float((z**4).mean())
    lucky = 0.0
    if trials > 1:
        lucky = spread * (
            (1 - _EULER) * float(ndtri(1 - 1 / trials))
            + _EULER * float(ndtri(1 - 1 / (trials * np.e)))
        )
    noise = np.sqrt(max(1 - skew * ratio + (kurtosis - 1) / 4 * ratio**2, 1e-12))
    return round(float(ndtr((ratio - lucky) * np.sqrt(len(daily) - 1) / noise)), 4)
