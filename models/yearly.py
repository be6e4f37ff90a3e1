"""What is refitted walk-forward, once a year on the years before: the path prior, and the rest."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from models.heads import head_keys
from models.paths import DEFAULT_PATHS, MIN_SESSIONS, PathPrior
from models.state import HISTORY

__all__ = ["MIN_HISTORY", "walk_forward_prior", "years"]

MIN_HISTORY = MIN_SESSIONS + HISTORY + 2


def years(
    index: pd.DatetimeIndex, *, min_sessions: int = MIN_HISTORY
) -> Iterator[tuple[pd.Timestamp, pd.DatetimeIndex]]:
    """Walk through the years that have enough history before them.

    Parameters
    ----------
    index : DatetimeIndex
        Sessions, rising.
    min_sessions : int
        Sessions of history before the first fit.

    Yields
    ------
    (last, now) : tuple
        Last session that a fit for the year may read, and the sessions of the year.
    """
    for year in sorted(set(index.year)):
        past, now = index[index.year < year], index[index.year == year]
        if len(past) >= min_sessions:
            yield past[-1], now


def walk_forward_prior(
    spine: pd.DataFrame,
    *,
    at: str = "evening",
    paths: int = DEFAULT_PATHS,
    seed: int = 20080915,
    min_sessions: int = MIN_HISTORY,
) -> pd.DataFrame:
    """Prior of every session, from a simulator fitted on earlier years only.

    Parameters
    ----------
    min_sessions : int
        Sessions of history before the first fit. Years before it are NaN.

    Notes
    -----
    Timing: sessions of year Y use the fit up to the last session of Y - 1.
    """
    index = pd.DatetimeIndex(spine.index)
    out = pd.DataFrame(np.nan, index=index, columns=[k.id for k in head_keys(at)])
    for last, now in years(index, min_sessions=min_sessions):
        prior = PathPrior.fit(spine, last, paths=paths, seed=seed)
        out.loc[now] = prior.probabilities(spine.loc[: now[-1]], now, at)
    return out
