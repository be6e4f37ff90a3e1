"""How likely it is that the best of many trials is only the luckiest."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from features.errors import UsageError

__all__ = ["Overfitting", "overfitting_probability"]


@dataclass(frozen=True)
class Overfitting:
    """Probability of back-test overfitting.

    Parameters
    ----------
    probability : float
        Share of splits in which the trial that was best on one half lies at or below the median
        of all trials on the other half.
    splits : int
        Ways to split the blocks in halves.
    trials : int
        Trials compared.
    """

    probability: float
    splits: int
    trials: int


def overfitting_probability(losses: np.ndarray) -> Overfitting:
    """Combinatorially symmetric cross-validation of a table of losses.

    Parameters
    ----------
    losses : ndarray, shape (blocks, trials)
        Mean loss of each trial on each block of time, lower is better; an even number of blocks.

    Returns
    -------
    Overfitting

    Raises
    ------
    UsageError
        If the number of blocks is odd or below 4, there are fewer than 2 trials, or a loss is NaN.

    References
    ----------
    Bailey, Borwein, Lopez de Prado and Zhu, The probability of backtest overfitting, Journal of
    Computational Finance 20 (2017).
    """
    table = np.asarray(losses, dtype=float)
    blocks, trials = table.shape
    if blocks < 4 or blocks % 2 or trials < 2 or np.isnan(table).any():
        raise UsageError(
            "`losses` must have an even number of blocks, at least 4, at least 2 trials and no "
            f"NaN, got {blocks} blocks and {trials} trials."
        )
    below = 0
    halves = list(combinations(range(blocks), blocks // 2))
    for chosen in halves:
        inside = np.isin(np.arange(blocks), chosen)
        best = int(np.argmin(table[inside].mean(axis=0)))
        outside = table[~inside].mean(axis=0)
        # relative rank in (0, 1), 1 the best; ties count one half
        worse = (outside > outside[best]).sum() + 0.5 * ((outside == outside[best]).sum() - 1)
        below += (worse + 1.0) / (trials + 1.0) <= 0.5
    return Overfitting(below / len(halves), len(halves), trials)
