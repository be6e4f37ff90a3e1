"""Fit the shift model of one head, every choice made on rows that the judged member has not seen.

From the structural base (`models.base_fit`) each member is boosted on its own rows. Where the head
has a mover, half of the forecast is the moved path prior, and base and boosters are the other half.
What the members say about unseen rows chooses how much of the boosters' correction to keep, down to
nothing, and whether to recalibrate.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from models.base_fit import Base, Sample
from models.boosters import SHARES, Booster, Matrix, fit_booster
from models.calibration import calibration_term, fit_calibration
from models.columns import Columns
from models.heads import HeadKey
from models.logit import sigmoid
from models.mover import Mover, move_of
from models.offset import prior_log_odds
from models.scores import log_loss
from models.settings import ModelSettings
from models.shift import ShiftModel
from models.window import fit_window, window_columns

__all__ = ["fit_shift", "unboosted"]

# Weight of the moved path prior where a head is moved; the rest lies on offset and boosters.
MOVED = 0.5


def fit_shift(
    key: HeadKey,
    sample: Sample,
    base: Base,
    x: pd.DataFrame,
    columns: Columns,
    matrix: Matrix,
    settings: ModelSettings,
    moved: tuple[Mover, np.ndarray] | None = None,
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
    moved : (Mover, ndarray), optional
        Mover of the head's quantity, and its move of every row of `matrix` by the member that has
        not seen the row.

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
    mover, lean = _leaning(key, moved)
    own, start = 1.0 - abs(lean), base.unseen
    if moved is not None:
        prior = prior_log_odds(sample.prior)
        start = own * base.unseen + abs(lean) * prior + lean * moved[1][sample.where]
    losses = {s: log_loss(sample.y, sigmoid(start + s * own * corrections)) for s in SHARES}
    # a few years cannot tell the shares apart, and then all of the correction is the better guess
    pulled = {s: losses[s] + settings.share_penalty * (1.0 - s) ** 2 for s in SHARES}
    share = min(SHARES, key=lambda s: pulled[s]) if boosters else 0.0
    choice = {f"expert_{n}": loss for n, loss in base.losses.items()}
    choice |= {f"share_{s}": loss for s, loss in losses.items()}
    unseen = start + share * own * corrections
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
        lean=lean,
        mover=mover,
        calibration=calibration,
        window=window,
        choice=choice | compared | tried,
    )


def unboosted(key: HeadKey, base: Base, moved: tuple[Mover, np.ndarray] | None) -> ShiftModel:
    """Take the structural base without boosters, where too few sessions of the moment have a label.

    A mover learns from all sessions of the moment, so it may speak still.
    """
    mover, lean = _leaning(key, moved)
    return ShiftModel(
        key=key,
        columns=Columns((), np.empty(0), ()) if mover is None else mover.columns,
        offsets=base.offsets,
        boosters=(),
        share=0.0,
        lean=lean,
        mover=mover,
        calibration=None,
        window=None,
        choice={f"expert_{name}": loss for name, loss in base.losses.items()},
    )


def _leaning(key: HeadKey, moved: tuple[Mover, np.ndarray] | None) -> tuple[Mover | None, float]:
    """Mover of a head, and what its log odds gain by a move of one."""
    move = move_of(key)
    if moved is None or move is None:
        return None, 0.0
    return moved[0], MOVED * move[1]
