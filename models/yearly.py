"""What is refitted walk-forward, once a year on the years before: the path prior, and the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

import numpy as np
import pandas as pd

from models.heads import head_keys
from models.paths import DEFAULT_PATHS, MIN_SESSIONS, PathPrior
from models.state import HISTORY

__all__ = ["MIN_HISTORY", "Each", "Year", "walk_forward_prior", "year_by_year", "years"]

MIN_HISTORY = MIN_SESSIONS + HISTORY + 2

#: Last session that a fit for the year may read, and the sessions of the year.
Year = tuple[pd.Timestamp, pd.DatetimeIndex]
#: `map`, or what deals the years to processes.
Each = Callable[[Callable[[Year], pd.DataFrame], Sequence[Year]], Iterable[pd.DataFrame]]


def years(index: pd.DatetimeIndex, *, min_sessions: int = MIN_HISTORY) -> Iterator[Year]:
    """Walk through the years that have enough history before them.

    Parameters
    ----------
    index : DatetimeIndex
        Sessions, rising.
    min_sessions : int
        Sessions of history before the first fit.

    Yields
    ------
    Year
    """
    for year in sorted(set(index.year)):
        past, now = index[index.year < year], index[index.year == year]
        if len(past) >= min_sessions:
            yield past[-1], now


def year_by_year(
    spine: pd.DataFrame,
    columns: Sequence[str],
    told: Callable[[Year], pd.DataFrame],
    *,
    min_sessions: int,
    each: Each,
) -> pd.DataFrame:
    """Put together what is told of each year; NaN where there is too little history before it."""
    index = pd.DatetimeIndex(spine.index)
    out = pd.DataFrame(np.nan, index=index, columns=list(columns))
    for year in each(told, list(years(index, min_sessions=min_sessions))):
        out.loc[year.index, year.columns] = year
    return out


def walk_forward_prior(
    spine: pd.DataFrame,
    *,
    at: str = "evening",
    paths: int = DEFAULT_PATHS,
    seed: int = 20080915,
    min_sessions: int = MIN_HISTORY,
    each: Each = map,
) -> pd.DataFrame:
    """Prior of every session, from a simulator fitted on earlier years only.

    Parameters
    ----------
    min_sessions : int
        Sessions of history before the first fit. Years before it are NaN.
    each : callable
        Maps over the years, which do not depend on each other.

    Notes
    -----
    Timing: sessions of year Y use the fit up to the last session of Y - 1.
    """
    told = partial(_prior_of_year, spine, at, paths, seed)
    columns = [k.id for k in head_keys(at)]
    return year_by_year(spine, columns, told, min_sessions=min_sessions, each=each)


def _prior_of_year(spine: pd.DataFrame, at: str, paths: int, seed: int, year: Year) -> pd.DataFrame:
    last, now = year
    prior = PathPrior.fit(spine, last, paths=paths, seed=seed)
    return prior.probabilities(spine.loc[: now[-1]], now, at)
