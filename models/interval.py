"""The interval of a probability: a jackknife over members that each left a block of time out."""

from __future__ import annotations

import numpy as np

from models.logit import sigmoid

__all__ = ["LEVEL", "interval", "jackknife"]

LEVEL = 0.9


def jackknife(members: np.ndarray) -> np.ndarray:
    """Give half the width of the members' 90 % interval, by the delete-a-block jackknife.

    Parameters
    ----------
    members : ndarray, shape (k, rows)
        What each member says, in log odds.

    Returns
    -------
    ndarray, shape (rows,)
        Standard error of the members' mean times Student's quantile at k - 1 degrees of freedom:
        a handful of members knows its own spread badly.
    """
    from scipy.special import stdtrit

    k = members.shape[0]
    centre = members.mean(axis=0)
    error = np.sqrt((k - 1) / k * np.sum((members - centre) ** 2, axis=0))
    return np.asarray(stdtrit(k - 1, (1.0 + LEVEL) / 2.0) * error)


def interval(log_odds: np.ndarray, half: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the ends of the interval as probabilities; NaN where the log odds are."""
    return sigmoid(log_odds - half), sigmoid(log_odds + half)
