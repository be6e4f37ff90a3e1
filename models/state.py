"""What the path simulator and the structural inputs know at the close of t.

Every window is a sum of shifted columns, added in a fixed order. A running (online) mean would
carry its rounding along the history, and then the value at t would depend on where the history
starts; this one depends on the window alone, so a row alone equals the row in a batch bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.errors import UsageError

__all__ = ["HISTORY", "MAX_VIX_GAP", "REACH", "State", "lagged", "state", "window_mean"]

HISTORY = 63
MAX_VIX_GAP = 5
# Rows before a session that anything known of it can hang on: a window, a change before it, and the
# close that is carried over.
REACH = HISTORY + 1 + MAX_VIX_GAP + 1


def lagged(x: np.ndarray, k: int) -> np.ndarray:
    """Value of `k` rows before, NaN where there is none."""
    out = np.full(x.shape, np.nan)
    if k < x.shape[0]:
        out[k:] = x[: x.shape[0] - k]
    return out


def window_mean(x: np.ndarray, width: int, *, start: int = 0) -> np.ndarray:
    """Mean of the `width` rows that end `start` rows before each row; NaN if any is."""
    total = lagged(x, start)
    for k in range(start + 1, start + width):
        total = total + lagged(x, k)
    return np.asarray(total / width)


@dataclass(frozen=True)
class State:
    """Columns over the sessions of a spine, all known at the close of the row's session.

    Parameters
    ----------
    sessions : DatetimeIndex
        The rows.
    vix : ndarray
        VIX close as published, NaN where there is none.
    log_vix : ndarray
        Log of the VIX close, carried over at most five missing closes so that windows survive
        a holiday; `vix` says whether today's is real.
    d_log_vix, ret : ndarray
        Changes of log VIX and of log SPX from the session before.
    overnight, intraday : ndarray
        Log of open over previous close and of close over open; NaN where the open is unknown.
    true_range : ndarray
        Log of the highest over the lowest of high, low and previous close (Wilder 1978); NaN where
        unknown. It includes the gap at the open, as the return does. High over low does so only
        while the recorded open repeats the last close, which it did for most of history.
    rise, fall : ndarray
        Log of high and of low over open; NaN where unknown.
    """

    sessions: pd.DatetimeIndex
    vix: np.ndarray
    log_vix: np.ndarray
    d_log_vix: np.ndarray
    ret: np.ndarray
    overnight: np.ndarray
    intraday: np.ndarray
    true_range: np.ndarray
    rise: np.ndarray
    fall: np.ndarray

    def __len__(self) -> int:
        return len(self.sessions)

    def size(self, move_of_range: float) -> np.ndarray:
        """Size of each session in units of an absolute return.

        Parameters
        ----------
        move_of_range : float
            Mean absolute return over mean true range.

        Returns
        -------
        ndarray
            The range says more of a session's volatility than its two closes (Parkinson 1980;
            Alizadeh, Brandt and Diebold 2002). The absolute return where it is unknown.
        """
        known = ~np.isnan(self.true_range)
        return np.where(known, move_of_range * self.true_range, np.abs(self.ret))

    def rows(self, sessions: pd.DatetimeIndex) -> np.ndarray:
        """Row of each session.

        Raises
        ------
        UsageError
            If one of them is not there.
        """
        rows = self.sessions.get_indexer(sessions)
        if (rows < 0).any():
            first = sessions[rows < 0][0]
            raise UsageError(f"{first:%Y-%m-%d} is not in the spine. Give it the sessions to t.")
        return np.asarray(rows)

    def known(self) -> np.ndarray:
        """Whether VIX is real today and everything that a simulation looks back on is known."""
        known = ~np.isnan(self.vix) & ~np.isnan(window_mean(self.log_vix, HISTORY + 1))
        return known & ~np.isnan(window_mean(self.ret, 22))


def state(spine: pd.DataFrame) -> State:
    """Derive the state of every session of a spine.

    Raises
    ------
    UsageError
        If a needed column is missing.
    """
    needed = ["spx_open", "spx_high", "spx_low", "spx_close", "vix_close"]
    missing = [name for name in needed if name not in spine.columns]
    if missing:
        raise UsageError(f"`spine` lacks {missing}. Expected features.pipeline.spine.")
    opening, high, low, close, vix = (spine[name].to_numpy(float) for name in needed)
    filled = spine["vix_close"].astype(float).ffill(limit=MAX_VIX_GAP).to_numpy(float)
    log_vix = np.log(filled)
    before = lagged(close, 1)
    return State(
        sessions=pd.DatetimeIndex(spine.index),
        vix=vix,
        log_vix=log_vix,
        d_log_vix=log_vix - lagged(log_vix, 1),
        ret=np.log(close / before),
        overnight=np.log(opening / before),
        intraday=np.log(close / opening),
        true_range=np.log(np.maximum(high, before) / np.minimum(low, before)),
        rise=np.log(high / opening),
        fall=np.log(low / opening),
    )
