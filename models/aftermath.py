"""What followed a cascade, and how many independent cases there are to learn it from."""

from __future__ import annotations

import numpy as np
import pandas as pd

__all__ = ["FALL", "HORIZON", "clusters", "outcomes", "too_few"]

HORIZON = 5
FALL = -0.03
POP, BACK, POP_SESSIONS = 1.15, 1.05, 2


def outcomes(spine: pd.DataFrame) -> pd.DataFrame:
    """Say what followed each session.

    Parameters
    ----------
    spine : DataFrame
        ``spx_close`` and ``vix_close`` on every exchange session.

    Returns
    -------
    DataFrame
        ``weakness``: 1 where one of the next five SPX closes lies 3 % or more under the session's.
        ``fleeting``: 1 where there was none, VIX closed 15 % up within two sessions and back within
        5 % of where it was by the fifth. Both null where a close is missing. ``end``: the session
        on which both are known.

    Notes
    -----
    *Timing:* closes after the session, none of its own but as the point to compare with.
    """
    spx, vix = (_ahead(spine[name].to_numpy(float)) for name in ("spx_close", "vix_close"))
    weak = spx.min(axis=1) <= 1.0 + FALL
    popped = np.maximum.accumulate(vix[:, :POP_SESSIONS] >= POP, axis=1)
    popped = np.column_stack([popped, *[popped[:, -1]] * (HORIZON - POP_SESSIONS)])
    back = (popped[:, :-1] & (vix[:, 1:] <= BACK)).any(axis=1)
    known = np.isfinite(spx).all(axis=1)
    both = known & np.isfinite(vix).all(axis=1)
    end = pd.Series(spine.index, index=spine.index).shift(-HORIZON)
    return pd.DataFrame(
        {
            "weakness": np.where(known, weak.astype(float), np.nan),
            "fleeting": np.where(both, (back & ~weak).astype(float), np.nan),
            "end": end,
        },
        index=spine.index,
    )


def _ahead(level: np.ndarray) -> np.ndarray:
    """Levels of the next sessions over the session's own, shape (sessions, horizon)."""
    padded = np.append(level, np.full(HORIZON, np.nan))
    following = np.column_stack([padded[k : k + len(level)] for k in range(1, HORIZON + 1)])
    return np.asarray(following / level[:, None])


def clusters(places: np.ndarray) -> np.ndarray:
    """Count through independent clusters: a new one starts where no outcome overlaps.

    Parameters
    ----------
    places : ndarray of int
        Positions of the sessions, ascending.
    """
    if not len(places):
        return np.zeros(0, dtype=int)
    return np.concatenate([[0], np.cumsum(np.diff(places) > HORIZON)])


def too_few(cluster: np.ndarray, weakness: np.ndarray, *, least: int, of_each: int) -> str | None:
    """Say why there is too little to learn from; None where there is enough.

    A cluster counts for the outcome of any of its sessions, so it may count for both.
    """
    weak, other = (len(set(cluster[weakness == value].tolist())) for value in (1.0, 0.0))
    total = len(set(cluster.tolist()))
    if total >= least and min(weak, other) >= of_each:
        return None
    return (
        f"too few events: {total} independent clusters of cascades, {weak} of them with weakness "
        f"and {other} without; at least {least} are needed, {of_each} of each"
    )
