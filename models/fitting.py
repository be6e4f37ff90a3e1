"""Fit all heads of one moment together.

A fit has two parts. The ground (path prior, structural bases, baselines, ranks, novelty) depends on
prices and labels alone, so it is learnt from all sessions since the first that has the moment,
whether they have it or not. Boosters and movers stand on it and learn from those that do. So the
refits of a fold, without a feature group or with other boosters, share one ground.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import pandas as pd

from features.errors import DataError
from models.base_fit import Base, Sample, at_moment, fit_base
from models.baselines import Baseline, fit_baselines
from models.blocks import block_folds
from models.boosters import MIN_ROWS, Matrix
from models.columns import Columns
from models.dataset import Dataset, training_rows
from models.forecaster import Forecaster, HeadModel
from models.heads import HEADS, HeadKey
from models.mover import Mover, move_of
from models.mover_fit import fit_mover
from models.novelty import Novelty
from models.paths import PathPrior
from models.ranks import ranks_within
from models.settings import ModelSettings
from models.shift_fit import fit_shift, unboosted
from models.variance import log_realised_ahead

__all__ = ["Ground", "fit_forecaster", "lay_ground"]

MIN_OF_EACH = 10
MIN_OF_EACH_MEMBER = 5

# By quantity: its mover, and how far that moves every row of the feature table.
_Moved = dict[str, tuple[Mover, np.ndarray]]


@dataclass(frozen=True)
class _HeadGround:
    key: HeadKey
    sample: Sample
    base: Base | None
    baselines: dict[str, Baseline]


@dataclass(frozen=True)
class Ground:
    """What every fit of a moment up to one session stands on.

    Parameters
    ----------
    at : str
        Moment.
    until : Timestamp
        Last session that may be known.
    prior : PathPrior
        Fitted up to `until`.
    heads : tuple
        Training rows, structural base (none where too few rows) and baselines of each head.
    ranks : DataFrame
        Where what came stands among the prior's paths, as far as it had come at `until`.
    novelty : Novelty
        Distance from the training rows.
    """

    at: str
    until: pd.Timestamp
    prior: PathPrior
    heads: tuple[_HeadGround, ...]
    ranks: pd.DataFrame
    novelty: Novelty

    def fit(self, features: pd.DataFrame, settings: ModelSettings) -> Forecaster:
        """Fit the movers and the boosters of every head on it.

        Parameters
        ----------
        features : DataFrame
            Table of the dataset that the ground was laid from, with any of its columns.
        settings : ModelSettings
            May differ from the ground's in what the boosters read: rounds, leaves, rates, shares.
        """
        known = features.loc[: self.until]
        columns = Columns.choose(known, settings)
        matrix = Matrix(columns.drawn(known, seed=settings.seed), settings, columns.values(known))
        young = known[list(columns.young)]
        with _one_thread():
            moved = self._movers(known.index, columns, matrix, settings)
            heads = {
                head.key.id: _fit_head(self.at, head, young, columns, matrix, settings, moved)
                for head in self.heads
            }
        return Forecaster(
            at=self.at,
            until=f"{self.until:%Y-%m-%d}",
            settings=settings,
            prior=self.prior,
            heads=heads,
            novelty=self.novelty,
            feature_names=tuple(features.columns),
        )

    def _movers(
        self,
        sessions: pd.Index,
        columns: Columns,
        matrix: Matrix,
        settings: ModelSettings,
    ) -> _Moved:
        """Fit the mover of every quantity that a head of the ground asks about."""
        asked = [move[0] for head in self.heads if (move := move_of(head.key)) is not None]
        ranks = self.ranks.reindex(sessions)
        return {
            name: fit_mover(name, ranks[name].to_numpy(float), columns, matrix, settings)
            for name in dict.fromkeys(asked)
        }


def lay_ground(
    dataset: Dataset,
    *,
    until: pd.Timestamp,
    settings: ModelSettings | None = None,
    heads: Sequence[HeadKey] | None = None,
    light: bool = False,
    beside: Sequence[Ground] = (),
) -> Ground:
    """Fit what does not depend on the features, on what was known at the close of `until`.

    Parameters
    ----------
    dataset : Dataset
        Rows after `until` are never read.
    until : Timestamp
        Rows train whose label is complete by this session.
    heads : sequence of HeadKey, optional
        Some of the moment's heads; all by default.
    light : bool
        Fit only the two baselines that `predict(light=True)` needs.
    beside : sequence of Ground
        Laid already from the same prices, `until`, `settings` and `light`, at other moments or with
        other features: their path prior is taken, and what was fitted on the same rows.

    Raises
    ------
    DataError
        If no session of the feature table is at or before `until`.
    """
    settings = settings or ModelSettings()
    if not (dataset.features.index <= until).any():
        raise DataError(
            f"no feature row at or before {until:%Y-%m-%d}. Import earlier data or choose a later "
            "date."
        )
    if beside:
        prior = beside[0].prior
    else:
        prior = PathPrior.fit(dataset.spine, until, paths=settings.paths, blocks=settings.blocks)
    laid = [head for other in beside for head in other.heads]
    with _one_thread():
        grounds = tuple(
            _head_ground(dataset, key, until, settings, laid, light=light)
            for key in (dataset.keys() if heads is None else heads)
        )
    ranks = ranks_within(dataset.ranks, np.asarray(dataset.ranks.index <= until))
    novelty = Novelty.fit(dataset.inputs.loc[:until])
    return Ground(dataset.at, until, prior, grounds, ranks, novelty)


def fit_forecaster(
    dataset: Dataset,
    *,
    until: pd.Timestamp,
    settings: ModelSettings | None = None,
    heads: Sequence[HeadKey] | None = None,
    light: bool = False,
) -> Forecaster:
    """Fit every head of a moment on what was known at the close of `until`; see `lay_ground`."""
    settings = settings or ModelSettings()
    ground = lay_ground(dataset, until=until, settings=settings, heads=heads, light=light)
    return ground.fit(dataset.features, settings)


def _one_thread() -> AbstractContextManager[Any]:
    # Matrices are small; several BLAS threads for them cost more than they bring, and rounding
    # must not depend on their number.
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    return cast("AbstractContextManager[Any]", threadpool_limits(limits=1, user_api="blas"))


def _head_ground(
    dataset: Dataset,
    key: HeadKey,
    until: pd.Timestamp,
    settings: ModelSettings,
    laid: Sequence[_HeadGround],
    *,
    light: bool,
) -> _HeadGround:
    rows = training_rows(dataset, key, until)
    rows = rows[rows >= dataset.features.index[0]]
    if HEADS[key.head].needs_open:
        rows = rows[-settings.open_rows :]
    ahead = pd.Series(log_realised_ahead(dataset.spine, key.horizon), index=dataset.spine.index)
    sample = Sample(
        rows=rows,
        inputs=dataset.inputs.loc[rows],
        prior=dataset.prior.loc[rows, key.id].to_numpy(float),
        log_variance=ahead.loc[rows].to_numpy(float),
        y=dataset.labels.loc[rows, key.id].to_numpy(float),
        where=np.asarray(dataset.features.index.get_indexer(rows)),
    )
    for other in laid:
        if other.key == key and other.sample.tells_the_same(sample):
            return replace(other, sample=sample)
    folds = block_folds(len(sample.y), settings.blocks, key.horizon + 1)
    return _HeadGround(
        key=key,
        sample=sample,
        base=fit_base(key, sample, settings) if _enough(sample.y, folds) else None,
        baselines=fit_baselines(key, sample.inputs, sample.prior, sample.y, light=light),
    )


def _fit_head(
    at: str,
    head: _HeadGround,
    young: pd.DataFrame,
    columns: Columns,
    matrix: Matrix,
    settings: ModelSettings,
    movers: _Moved,
) -> HeadModel:
    rows, shift = head.sample.rows, None
    if head.base is not None:
        sample, base = at_moment(head.sample, head.base)
        move = move_of(head.key)
        moved = None if move is None else movers[move[0]]
        if _enough(sample.y, base.folds):
            x = young.iloc[sample.where]
            shift = fit_shift(head.key, sample, base, x, columns, matrix, settings, moved, at=at)
        else:
            shift = unboosted(head.key, base, moved)
    return HeadModel(
        key=head.key,
        shift=shift,
        baselines=head.baselines,
        rows=len(rows),
        first=f"{rows[0]:%Y-%m-%d}" if len(rows) else "",
        last=f"{rows[-1]:%Y-%m-%d}" if len(rows) else "",
    )


def _enough(y: np.ndarray, folds: Sequence[tuple[np.ndarray, np.ndarray]]) -> bool:
    """Whether every member sees both outcomes often enough, and has rows to be judged on."""
    if y.size < MIN_ROWS:
        return False
    members = [_rarer(y[fit]) if held.size else 0 for fit, held in folds]
    return _rarer(y) >= MIN_OF_EACH and min(members) >= MIN_OF_EACH_MEMBER


def _rarer(y: np.ndarray) -> int:
    ones = int(y.sum())
    return min(ones, y.size - ones)
