"""The look-ahead gate: rebuild what was trained on with the future cut away, and compare."""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.home import Home
from training.inputs import Inputs

__all__ = ["look_ahead_differences"]

CHECKED_SESSIONS = 4


def look_ahead_differences(home: Home, inputs: Inputs) -> tuple[list[str], str]:
    """Rebuild some sessions' rows at their own cut-off and compare them bit for bit.

    Returns
    -------
    (differences, checked) : tuple of list of str and str
        Names as ``moment session feature``, and in words what was compared.

    Notes
    -----
    *Timing:* the rebuilt row reads only what was available at that session's cut-off.
    """
    from features.moments import moments
    from features.pipeline import row
    from features.store import MarketStore

    store = MarketStore(home.market)
    known = moments(home)
    differences: list[str] = []
    rows = 0
    for at, dataset in inputs.datasets.items():
        index = dataset.features.index
        # the last one, and others spread over the later half, where most tables have data
        places = np.unique(
            np.linspace(len(index) // 2, len(index) - 1, CHECKED_SESSIONS).astype(int)
        )
        for session in index[places]:
            alone = row(store, session, known[at])
            trained = dataset.features.loc[session]
            same = _same(alone.reindex(trained.index), trained)
            differences += [f"{at} {session:%Y-%m-%d} {name}" for name in trained.index[~same]]
            rows += 1
    words = f"{rows} rows rebuilt at their own cut-off are the same bit for bit"
    return differences, words


def _same(a: pd.Series, b: pd.Series) -> np.ndarray:
    x, y = a.to_numpy(dtype=float), b.to_numpy(dtype=float)
    return np.asarray((x == y) | (np.isnan(x) & np.isnan(y)))
