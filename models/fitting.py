"""Fit all heads of one moment together, one after another or in several processes."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pandas as pd

from features.errors import DataError
from models.baselines import fit_baselines
from models.blocks import block_folds
from models.boosters import Matrix
from models.dataset import Dataset, training_rows
from models.forecaster import Forecaster, HeadModel
from models.heads import HEADS, HeadKey
from models.novelty import Novelty
from models.paths import PathPrior
from models.settings import ModelSettings
from models.shift import Columns
from models.shift_fit import Sample, fit_shift
from models.variance import log_realised_ahead

__all__ = ["fit_forecaster"]

MIN_ROWS = 250
MIN_OF_EACH = 10
MIN_OF_EACH_MEMBER = 5
Progress = Callable[[float, str], None]


def fit_forecaster(
    dataset: Dataset,
    *,
    until: pd.Timestamp,
    settings: ModelSettings | None = None,
    processes: int = 1,
    heads: Sequence[HeadKey] | None = None,
    light: bool = False,
    progress: Progress | None = None,
) -> Forecaster:
    """Fit every head of a moment on what was known at the close of `until`.

    Parameters
    ----------
    dataset : Dataset
        Rows after `until` are never read.
    until : Timestamp
        Rows train whose label is complete by this session.
    processes : int
        Worker processes; the result does not depend on it.
    heads : sequence of HeadKey, optional
        Some of the moment's heads; all by default.
    light : bool
        Fit only the two baselines that `predict(light=True)` needs.
    progress : callable, optional
        Called with the fraction done and a word.

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
    prior = PathPrior.fit(dataset.spine, until, paths=settings.paths, blocks=settings.blocks)
    keys = list(heads) if heads is not None else dataset.keys()
    known = dataset.features.loc[:until]
    columns = Columns.choose(known, settings)
    matrix = Matrix(columns.drawn(known, seed=settings.seed), settings, columns.values(known))
    moment = _Moment(dataset.at, columns, matrix, settings, light)
    jobs = [(key, *_head_sample(dataset, key, until, settings)) for key in keys]
    fitted: dict[str, HeadModel] = {}
    if processes > 1:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(
            processes, mp_context=context, initializer=_start, initargs=(moment,)
        ) as pool:
            results: Iterable[HeadModel] = pool.map(_fit_in_worker, jobs)
            for done, model in enumerate(results, 1):
                fitted[model.key.id] = model
                _tell(progress, done, len(jobs), model.key)
    else:
        with _one_thread():
            for done, job in enumerate(jobs, 1):
                model = _fit_head(moment, job)
                fitted[model.key.id] = model
                _tell(progress, done, len(jobs), model.key)
    return Forecaster(
        at=dataset.at,
        until=f"{until:%Y-%m-%d}",
        settings=settings,
        prior=prior,
        heads=fitted,
        novelty=Novelty.fit(dataset.inputs.loc[:until]),
        feature_names=tuple(dataset.features.columns),
    )


def _tell(progress: Progress | None, done: int, total: int, key: HeadKey) -> None:
    if progress is not None:
        progress(done / total, key.id)


@dataclass(frozen=True)
class _Moment:
    at: str
    columns: Columns
    matrix: Matrix
    settings: ModelSettings
    light: bool


_Job = tuple[HeadKey, pd.DatetimeIndex, Sample]
_worker: list[_Moment] = []


def _start(moment: _Moment) -> None:
    _worker[:] = [moment]


def _fit_in_worker(job: _Job) -> HeadModel:
    with _one_thread():
        return _fit_head(_worker[0], job)


def _one_thread() -> AbstractContextManager[Any]:
    # Matrices are small; several BLAS threads for them cost more than they bring, and rounding
    # must not depend on their number.
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    return cast("AbstractContextManager[Any]", threadpool_limits(limits=1, user_api="blas"))


def _head_sample(
    dataset: Dataset, key: HeadKey, until: pd.Timestamp, settings: ModelSettings
) -> tuple[pd.DatetimeIndex, Sample]:
    rows = training_rows(dataset, key, until)
    rows = rows[rows.isin(dataset.features.index)]
    if HEADS[key.head].needs_open:
        rows = rows[-settings.open_rows :]
    ahead = pd.Series(log_realised_ahead(dataset.spine, key.horizon), index=dataset.spine.index)
    sample = Sample(
        x=dataset.features.loc[rows],
        inputs=dataset.inputs.loc[rows],
        prior=dataset.prior.loc[rows, key.id].to_numpy(float),
        log_variance=ahead.loc[rows].to_numpy(float),
        y=dataset.labels.loc[rows, key.id].to_numpy(float),
        where=np.asarray(dataset.features.index.get_indexer(rows)),
    )
    return rows, sample


def _fit_head(moment: _Moment, job: _Job) -> HeadModel:
    key, rows, sample = job
    shift = None
    if _enough(sample.y, moment.settings.blocks, key.horizon + 1):
        shift = fit_shift(key, sample, moment.columns, moment.matrix, moment.settings, at=moment.at)
    return HeadModel(
        key=key,
        shift=shift,
        baselines=fit_baselines(key, sample.inputs, sample.prior, sample.y, light=moment.light),
        rows=len(rows),
        first=f"{rows[0]:%Y-%m-%d}" if len(rows) else "",
        last=f"{rows[-1]:%Y-%m-%d}" if len(rows) else "",
    )


def _enough(y: np.ndarray, blocks: int, gap: int) -> bool:
    """Whether every member, which leaves a block out, still sees both outcomes often enough."""
    if y.size < MIN_ROWS:
        return False
    members = [y[fit] for fit, _ in block_folds(y.size, blocks, gap)]
    return _rarer(y) >= MIN_OF_EACH and min(map(_rarer, members)) >= MIN_OF_EACH_MEMBER


def _rarer(y: np.ndarray) -> int:
    ones = int(y.sum())
    return min(ones, y.size - ones)
