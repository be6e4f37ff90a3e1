"""The interval of a probability: what other samples and another model would have said.

Half its width in log odds joins two parts in quadrature: a jackknife over members that each left a
block of time out (sampling), and the distance between forecast and path prior (model: where the
two disagree, one of them is that far off). The coverage is measured, see docs/models.md.
"""

from __future__ import annotations

import numpy as np

from models.logit import logit, sigmoid

__all__ = ["LEVEL", "PRIOR_CLIP", "interval", "jackknife", "student_quantile"]

LEVEL = 0.9
# A share of 1,000 paths is no finer than this.
PRIOR_CLIP = 1e-3
# Student's quantile at (1 + LEVEL) / 2 by degrees of freedom: for the usual handful of members the
# scoring process need not load scipy.special, a tenth of its start.
_STUDENT = (
    float("nan"),
    6.313751514675037,
    2.9199855803537242,
    2.3533634348018233,
    2.1318467863266495,
    2.0150483733330233,
    1.9431802805153042,
    1.8945786050900062,
    1.8595480375308973,
    1.833112932656237,
)


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
    k = members.shape[0]
    centre = members.mean(axis=0)
    error = np.sqrt((k - 1) / k * np.sum((members - centre) ** 2, axis=0))
    return np.asarray(student_quantile(k - 1) * error)


def student_quantile(freedom: int) -> float:
    """Student's quantile of the interval's upper end."""
    if freedom < len(_STUDENT):
        return _STUDENT[freedom]
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1.0 + LEVEL) / 2.0))


def interval(
    log_odds: np.ndarray, sampling: np.ndarray, prior: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Give the ends of the interval as probabilities; NaN where the log odds are.

    Parameters
    ----------
    log_odds : ndarray
        The forecast.
    sampling : ndarray
        Half width from `jackknife`.
    prior : ndarray
        Path prior, probability.
    """
    half = np.hypot(sampling, log_odds - logit(prior, clip=PRIOR_CLIP))
    return sigmoid(log_odds - half), sigmoid(log_odds + half)
