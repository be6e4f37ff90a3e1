"""Terms of the path simulator: inputs of its three equations, and small computations on pools."""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.sessions import calendar
from models.heads import expected_move
from models.state import HISTORY, State, window_mean

__all__ = [
    "ahead",
    "mean_inputs",
    "recency",
    "ret_inputs",
    "scale_weights",
    "share_below",
    "turns",
    "vix_scale_inputs",
    "weighted",
]

TINY = 1e-12
# Sessions after which a session counts for half: four years.
HALF_LIFE = 1008.0


def ahead(x: np.ndarray) -> np.ndarray:
    """Value of the next row, NaN in the last."""
    return np.append(x[1:], np.nan)


def recency(ages: np.ndarray) -> np.ndarray:
    """Weight of sessions by how many sessions they are older than the newest.

    Notes
    -----
    The size of VIX changes and the shape of residuals drift over decades. Exponential weights
    follow them, as in RiskMetrics (Longerstaey and Spencer 1996), with a half-life of years.
    """
    return np.asarray(0.5 ** (np.asarray(ages, float) / HALF_LIFE))


def weighted(x: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted sum of columns, in column order."""
    # Not a BLAS product: its rounding changes with the number of rows.
    total = x[:, 0] * weights[0]
    for j in range(1, x.shape[1]):
        total = total + x[:, j] * weights[j]
    return np.asarray(total)


def ret_inputs(s: State, move_of_range: float) -> np.ndarray:
    """Stack the inputs of the return scale: VIX move, mean sizes of sessions, falls."""
    fall = np.maximum(-s.ret, 0.0)
    size = s.size(move_of_range)
    return np.column_stack(
        [
            np.full(len(s), 1e-2),
            expected_move(np.exp(s.log_vix)),
            window_mean(size, 5),
            window_mean(size, 21),
            fall,
            window_mean(fall, 5),
        ]
    )


def mean_inputs(s: State) -> np.ndarray:
    """Stack the inputs of the mean change of log VIX: level, its means, returns, days shut."""
    v = s.log_vix
    return np.column_stack(
        [
            np.ones(len(s)),
            v,
            window_mean(v, 5),
            window_mean(v, 21),
            window_mean(v, HISTORY),
            s.ret,
            window_mean(s.ret, 5),
            turns(s.sessions, 1)[:, 0],
        ]
    )


def turns(sessions: pd.DatetimeIndex, steps: int) -> np.ndarray:
    """Days to the next session: by how many they change from one close to the next.

    Returns
    -------
    ndarray, shape (sessions, steps)
        Step k leads from the (k-1)-th close after the session to the k-th. Two from a Thursday to
        a Friday, minus two from a Friday to a Monday, as the calendar was known on the session.

    Notes
    -----
    VIX spreads variance over calendar days, so it is low before a weekend and high after it
    (Fleming, Ostdiek and Whaley 1995).
    """
    ahead = calendar().foreseen(sessions, steps + 1)
    closes = np.column_stack([sessions.to_numpy().astype("datetime64[D]"), ahead])
    return np.diff(closes, n=2, axis=1).astype(float)


def vix_scale_inputs(s: State) -> np.ndarray:
    """Stack the inputs of the scale of log VIX changes: mean changes, rise above 21 sessions."""
    size = np.abs(s.d_log_vix)
    return np.column_stack(
        [
            np.full(len(s), 1e-2),
            window_mean(size, 5),
            window_mean(size, 21),
            size,
            np.maximum(s.log_vix - window_mean(s.log_vix, 21), 0.0),
        ]
    )


def scale_weights(x: np.ndarray, size: np.ndarray, counts: np.ndarray | None = None) -> np.ndarray:
    """Non-negative weights of a mean absolute size, by least squares on relative errors.

    Parameters
    ----------
    counts : ndarray, optional
        How much each row counts; alike by default.
    """
    from scipy.optimize import nnls

    root = 1.0 if counts is None else np.sqrt(counts)
    level = x.mean(axis=1) + TINY
    weights = np.full(x.shape[1], 1.0 / x.shape[1])
    for _ in range(3):
        per = root / level
        weights = nnls(x * per[:, None], size * per)[0]
        # An intercept of zero and all inputs zero would give a scale of zero.
        weights[0] = max(weights[0], 1e-3)
        level = weighted(x, weights)
    return np.asarray(weights)


def share_below(pool: np.ndarray, x: np.ndarray, counts: np.ndarray | None = None) -> np.ndarray:
    """Share of a pool below each value, never 0 or 1: half a member is added to each side.

    Parameters
    ----------
    pool : ndarray
        Values in any order.
    counts : ndarray, optional
        How much each member counts; alike by default. Together they are as many as Kish's
        effective size, ``sum(counts)**2 / sum(counts**2)``.
    """
    counts = np.ones(pool.size) if counts is None else counts
    order = np.argsort(pool, kind="stable")
    below = np.concatenate([[0.0], np.cumsum(counts[order])])
    size = below[-1] ** 2 / float(counts @ counts)
    share = below[np.searchsorted(pool[order], x, side="left")] / below[-1]
    return np.asarray((share * size + 0.5) / (size + 1.0))
