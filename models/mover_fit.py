"""Fit a mover from ranks; how much of it is kept is chosen on rows that the judged member lacks."""

from __future__ import annotations

import numpy as np

from models.blocks import block_folds
from models.boosters import Booster, Matrix, fit_booster
from models.columns import Columns
from models.logit import sigmoid
from models.mover import Mover
from models.ranks import REACH
from models.scores import log_loss
from models.settings import ModelSettings

__all__ = ["SHARES", "fit_mover"]

# How much of what boosters say may be kept.
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
MIN_ROWS = 250


def fit_mover(
    quantity: str, ranks: np.ndarray, columns: Columns, matrix: Matrix, settings: ModelSettings
) -> tuple[Mover, np.ndarray] | None:
    """Fit one mover, or None where too few ranks are known or no share of it helps.

    Parameters
    ----------
    ranks : ndarray
        Rank of every row of `matrix`, NaN where it is not known.
    columns, matrix
        Features of the moment and their binned values.

    Returns
    -------
    (mover, unseen)
        `unseen` is its move of every row of `matrix`, by the member that has not seen the row;
        by all of them where its rank is not known.

    Notes
    -----
    Timing: how much is kept is chosen on blocks of the same rows, each judged by the member that
    was fitted without it and without the sessions that its ranks reach into.
    """
    rows = np.flatnonzero(~np.isnan(ranks))
    if rows.size < MIN_ROWS or not columns.names:
        return None
    y, gap = ranks[rows], REACH[quantity] + 1
    boosters: list[Booster] = []
    held_out = np.zeros(rows.size)
    for k, (fit, held) in enumerate(block_folds(rows.size, settings.blocks, gap)):
        start, seed = np.zeros(fit.size), settings.seed + k
        booster = fit_booster(matrix, rows[fit], y[fit], start, settings, seed=seed, shares=True)
        held_out[held] = booster.log_odds(matrix.asked[rows[held]])
        boosters.append(booster)
    losses = {s: log_loss(y, sigmoid(s * held_out)) for s in SHARES}
    share = min(SHARES, key=lambda s: losses[s])
    if share == 0.0:
        return None
    mover = Mover(columns, tuple(boosters), share, {f"share_{s}": v for s, v in losses.items()})
    unseen = np.zeros(len(ranks))
    unseen[rows] = mover.scale * held_out
    rest = np.flatnonzero(np.isnan(ranks))
    if rest.size:
        told = [booster.log_odds(matrix.asked[rest]) for booster in boosters]
        unseen[rest] = mover.scale * np.mean(told, axis=0)
    return mover, unseen
