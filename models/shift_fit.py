"""Fit the shift model of one head, every choice made on rows that the judged member has not seen.

From the structural base (`models.base_fit`) each member is boosted on its own rows. What the
members say about unseen rows chooses how much of the boosters' correction to keep, down to nothing,
and whether to recalibrate.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from models.base_fit import Base, Sample
from models.boosters import Booster, Matrix, fit_booster
from models.calibration import calibration_term, fit_calibration
from models.heads import HeadKey
from models.logit import sigmoid
from models.scores import log_loss
from models.settings import ModelSettings
from models.shift import Columns, ShiftModel
from models.window import fit_window, window_columns

__all__ = ["SHARES", "fit_shift", "unboosted"]

# How much of the boosters' correction may be kept.
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)


def fit_shift(
    key: HeadKey,
    sample: Sample,
    base: Base,
    x: pd.DataFrame,
    columns: Columns,
    matrix: Matrix,
    settings: ModelSettings,
    *,
    at: str = "evening",
) -> ShiftModel:
    """Fit one head.

    Parameters
    ----------
    sample, base
        Training rows, nothing else is read; and their structural base.
    x : DataFrame
        Young features of the rows.
    columns, matrix
        Features of the moment and their binned values.

    Notes
    -----
    Timing: every choice (weights of the experts, share of the correction, calibration, ridge of
    the young features) is made on `sample`, so a scored year has no part in it.
    """
    gap = key.horizon + 1
    boosters: list[Booster] = []
    corrections = np.zeros(len(sample.y))
    if columns.names:
        for k, (fit, held) in enumerate(base.folds):
            booster = fit_booster(
                matrix,
                sample.where[fit],
                sample.y[fit],
                base.starts[k],
                settings,
                seed=settings.seed + k,
            )
            corrections[held] = booster.log_odds(matrix.asked[sample.where[held]])
            boosters.append(booster)
    losses = {s: log_loss(sample.y, sigmoid(base.unseen + s * corrections)) for s in SHARES}
    share = min(SHARES, key=lambda s: losses[s])
    choice = {f"expert_{n}": loss for n, loss in base.losses.items()}
    choice |= {f"share_{s}": loss for s, loss in losses.items()}
    unseen = base.unseen + share * corrections
    later = base.folds[-1][1]
    calibration, compared = fit_calibration(
        unseen, sample.y, later=later, gap=gap, horizon=key.horizon
    )
    unseen = unseen + calibration_term(calibration, unseen)
    young = window_columns(x, list(columns.young), at=at, horizon=key.horizon)
    window, tried = fit_window(x, sample.y, unseen, young, gap)
    return ShiftModel(
        key=key,
        columns=columns,
        offsets=base.offsets,
        boosters=tuple(boosters) if share > 0 else (),
        share=share,
        calibration=calibration,
        window=window,
        choice=choice | compared | tried,
    )


def unboosted(key: HeadKey, base: Base) -> ShiftModel:
    """Take the structural base as it is, where too few sessions have the moment to add to it."""
    return ShiftModel(
        key=key,
        columns=Columns((), np.empty(0), ()),
        offsets=base.offsets,
        boosters=(),
        share=0.0,
        calibration=None,
        window=None,
        choice={f"expert_{name}": loss for name, loss in base.losses.items()},
    )
