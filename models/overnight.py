"""Overnight part of each residual pair: its own where the open is believed, else a lent one."""

from __future__ import annotations

import numpy as np

__all__ = ["overnight_parts"]


def overnight_parts(pairs: np.ndarray, donors: np.ndarray, night: np.ndarray) -> np.ndarray:
    """Give each residual pair the scaled overnight return that goes with it.

    Parameters
    ----------
    pairs : ndarray, shape (n, 2)
        Residuals of return and log VIX of all sessions of the fit.
    donors : ndarray, shape (m, 2)
        Residuals of the sessions whose open is believed, in the order of sessions.
    night : ndarray, shape (m,)
        Their overnight returns, over the scale of the return.

    Returns
    -------
    ndarray, shape (n,)
        Overnight returns, over the scale of the return.

    Notes
    -----
    A regression hot deck. The overnight return is linear in both residuals, by least squares over
    the donors, plus what the nearest donor (Euclidean in the two residuals, the older one in a
    tie) had left over. A donor is its own nearest, so it keeps its own overnight return. The
    share of a crash that no donor resembles is that of the regression, and a return near zero,
    whose share is anything, lends nothing odd.
    """
    inputs = np.column_stack([np.ones(len(donors)), donors])
    weights = np.linalg.lstsq(inputs, night, rcond=None)[0]
    left = night - _linear(donors, weights)
    distance = (pairs[:, :1] - donors[None, :, 0]) ** 2
    distance += (pairs[:, 1:] - donors[None, :, 1]) ** 2
    return np.asarray(_linear(pairs, weights) + left[np.argmin(distance, axis=1)])


def _linear(x: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return np.asarray(weights[0] + weights[1] * x[:, 0] + weights[2] * x[:, 1])
