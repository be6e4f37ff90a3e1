"""Fit the shift model of one head, every choice made on rows that the judged member has not seen.

The training span is cut into contiguous blocks. Member k is fitted on all but block k (purged) and
judged on it. What the members say about unseen rows chooses the weights of the offset's experts,
how much of the boosters' correction to keep, down to nothing, and whether to recalibrate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from models.blocks import block_folds
from models.boosters import Booster, Matrix, fit_booster
from models.calibration import calibration_term, fit_calibration
from models.heads import HeadKey
from models.logit import logit, sigmoid
from models.offset import (
    PRIOR,
    Expert,
    Offset,
    earned_trust,
    expert_names,
    fit_experts,
    lean_on_prior,
    stack_weights,
)
from models.scores import log_loss
from models.settings import ModelSettings
from models.shift import Columns, ShiftModel
from models.window import fit_window, window_columns

__all__ = ["SHARES", "Sample", "fit_shift"]

# How much of the boosters' correction may be kept.
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class Sample:
    """Training rows of one head, in session order.

    Parameters
    ----------
    x : DataFrame
        Features of the rows.
    inputs : DataFrame
        Structural inputs of the rows.
    prior : ndarray
        Path prior of the rows.
    log_variance : ndarray
        Log realised volatility over the horizon.
    y : ndarray
        Labels.
    where : ndarray of int
        Position of the rows in the moment's matrix.
    """

    x: pd.DataFrame
    inputs: pd.DataFrame
    prior: np.ndarray
    log_variance: np.ndarray
    y: np.ndarray
    where: np.ndarray


def fit_shift(
    key: HeadKey,
    sample: Sample,
    columns: Columns,
    matrix: Matrix,
    settings: ModelSettings,
    *,
    at: str = "evening",
) -> ShiftModel:
    """Fit one head.

    Parameters
    ----------
    sample : Sample
        Training rows; nothing else is read.
    columns, matrix
        Features of the moment and their binned values.

    Notes
    -----
    Timing: every choice (weights of the experts, share of the correction, calibration, ridge of
    the young features) is made on `sample`, so a scored year has no part in it.
    """
    gap = key.horizon + 1
    folds = block_folds(len(sample.y), settings.blocks, gap)
    names = expert_names(key)
    said = np.empty((len(sample.y), len(names)))
    experts = []
    for fit, held in folds:
        some = fit_experts(
            key,
            sample.inputs.iloc[fit],
            sample.prior[fit],
            sample.y[fit],
            sample.log_variance[fit],
        )
        inputs, prior = sample.inputs.iloc[held], sample.prior[held]
        for j, name in enumerate(names):
            said[held, j] = some[name].log_odds(inputs, prior)
        experts.append(some)
    weights = stack_weights(said, sample.y, penalty=settings.stack_penalty)
    alone = logit(sample.prior, clip=1e-4)
    trust = earned_trust(sample.y, key.horizon)
    shares = lean_on_prior(dict(zip(names, map(float, weights), strict=True)), trust)
    offsets = tuple(Offset(shares, {**some, PRIOR: Expert(None)}) for some in experts)
    unseen = trust * (said @ weights) + (1.0 - trust) * alone
    choice = {f"expert_{n}": log_loss(sample.y, sigmoid(said[:, j])) for j, n in enumerate(names)}
    boosters: list[Booster] = []
    corrections = np.zeros(len(sample.y))
    if columns.names:
        for k, (fit, held) in enumerate(folds):
            base = offsets[k].log_odds(sample.inputs.iloc[fit], sample.prior[fit])
            booster = fit_booster(
                matrix,
                sample.where[fit],
                sample.y[fit],
                base,
                settings,
                seed=settings.seed + k,
            )
            corrections[held] = booster.log_odds(matrix.asked[sample.where[held]])
            boosters.append(booster)
    losses = {s: log_loss(sample.y, sigmoid(unseen + s * corrections)) for s in SHARES}
    share = min(SHARES, key=lambda s: losses[s])
    choice |= {f"share_{s}": loss for s, loss in losses.items()}
    unseen = unseen + share * corrections
    later = folds[-1][1]
    calibration, compared = fit_calibration(
        unseen, sample.y, later=later, gap=gap, horizon=key.horizon
    )
    unseen = unseen + calibration_term(calibration, unseen)
    young = window_columns(sample.x, list(columns.young), at=at, horizon=key.horizon)
    window, tried = fit_window(sample.x, sample.y, unseen, young, gap)
    return ShiftModel(
        key=key,
        columns=columns,
        offsets=offsets,
        boosters=tuple(boosters) if share > 0 else (),
        share=share,
        calibration=calibration,
        window=window,
        choice=choice | compared | tried,
    )
