"""Fit a mover from ranks; how much of it is kept is chosen on rows that the judged member lacks."""

from __future__ import annotations

import numpy as np

from models.blocks import block_folds
from models.boosters import MIN_ROWS, SHARES, Booster, Matrix, fit_booster
from models.columns import Columns
from models.logit import sigmoid
from models.mover import Mover
from models.ranks import AHEAD
from models.scores import log_loss
from models.settings import ModelSettings

__all__ = ["fit_mover"]


def fit_mover(
    quantity: str, ranks: np.ndarray, columns: Columns, matrix: Matrix, settings: ModelSettings
) -> tuple[Mover, np.ndarray]:
    """Fit one mover; it has no boosters where too few ranks are known or no share of them helps.

    Parameters
    ----------
    ranks : ndarray
        Rank of every row of `matrix`, NaN where it is not known.
    columns, matrix
        Features of the moment and their binned values.

    Returns
    -------
    (mover, unseen)
        `unseen` is its move of every row of `matrix`, by the member that was fitted without the
        block in which the row lies.

    Notes
    -----
    Timing: how much is kept is chosen on blocks of the same rows, each judged by the member that
    was fitted without it and without the sessions that its ranks reach into.
    """
    rows = np.flatnonzero(~np.isnan(ranks))
    none = Mover(quantity, Columns((), np.empty(0), ()), (), 0.0, {}), np.zeros(len(ranks))
    if rows.size < MIN_ROWS or not columns.names:
        return none
    y, gap = ranks[rows], AHEAD[quantity] + 1
    boosters: list[Booster] = []
    held_out = np.zeros(len(ranks))
    # rows without a rank lie in the block of the ranks around them, the last ones in the last
    folds = block_folds(rows.size, settings.blocks, gap)
    bounds = [0, *(int(rows[held[0]]) for _, held in folds[1:]), len(ranks)]
    for k, (fit, _) in enumerate(folds):
        start, seed = np.zeros(fit.size), settings.seed + k
        booster = fit_booster(matrix, rows[fit], y[fit], start, settings, seed=seed, shares=True)
        block = slice(bounds[k], bounds[k + 1])
        held_out[block] = booster.log_odds(matrix.asked[block])
        boosters.append(booster)
    losses = {s: log_loss(y, sigmoid(s * held_out[rows])) for s in SHARES}
    share = min(SHARES, key=lambda s: losses[s])
    if share == 0.0:
        return none
    record = {f"share_{s}": loss for s, loss in losses.items()}
    mover = Mover(quantity, columns, tuple(boosters), share, record)
    return mover, mover.scale * held_out
