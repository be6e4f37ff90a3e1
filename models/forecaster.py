"""All heads of one moment: fitted together, forecast together, explained exactly."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pandas as pd

from features.errors import DataError
from models.baselines import Baseline, fit_baselines
from models.blocks import block_folds
from models.boosters import Matrix
from models.coherence import coherent_log_odds
from models.dataset import Dataset, moment_inputs, training_rows
from models.heads import HEADS, HeadKey
from models.logit import logit, sigmoid
from models.novelty import Novelty
from models.paths import PathPrior
from models.settings import ModelSettings
from models.shift import Columns, Sample, ShiftModel, fit_shift
from models.variance import log_realised_ahead

__all__ = ["Forecaster", "HeadModel", "HeadOdds", "fit_forecaster"]

MIN_ROWS = 250
MIN_OF_EACH = 10
MIN_OF_EACH_MEMBER = 5
Z90 = 1.6448536269514722
Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class HeadModel:
    """One head: its shift model and its baselines.

    Where there is too little to fit, the shift model is absent and the path prior answers.
    """

    key: HeadKey
    shift: ShiftModel | None
    baselines: dict[str, Baseline]
    rows: int
    first: str
    last: str


@dataclass(frozen=True)
class HeadOdds:
    """Log odds of one head on some rows, and what they are made of.

    Parameters
    ----------
    asked : ndarray of bool
        False where the head is not scored or its prior is unknown.
    prior, base, correction, coherence : ndarray
        Path prior (probability), structural offset, boosters' part and coherence term (log odds).
    lo, hi : ndarray
        Ends of the interval, probabilities.
    """

    asked: np.ndarray
    prior: np.ndarray
    base: np.ndarray
    correction: np.ndarray
    coherence: np.ndarray
    lo: np.ndarray
    hi: np.ndarray

    @property
    def log_odds(self) -> np.ndarray:
        """Final log odds, NaN where not asked."""
        return np.where(self.asked, self.base + self.correction + self.coherence, np.nan)


@dataclass(frozen=True)
class Forecaster:
    """A fitted moment; plain data, so that it pickles to another process.

    Parameters
    ----------
    at : str
        Moment.
    until : str
        Last session that any part of the fit has read, ISO date.
    settings : ModelSettings
        Choices of the fit.
    prior : PathPrior
        Simulator fitted up to `until`; forecasts use this one.
    heads : dict of str to HeadModel
        By head id.
    novelty : Novelty
        Distance from the training rows.
    feature_names : tuple of str
        Columns of the feature table at the fit.
    """

    at: str
    until: str
    settings: ModelSettings
    prior: PathPrior
    heads: dict[str, HeadModel]
    novelty: Novelty
    feature_names: tuple[str, ...]

    def odds(
        self, features: pd.DataFrame, spine: pd.DataFrame, *, intervals: bool = True
    ) -> dict[str, HeadOdds]:
        """Forecast every head for the rows of a feature table.

        Parameters
        ----------
        features : DataFrame
            Rows to forecast, index session; absent columns count as null.
        spine : DataFrame
            History that reaches every row.
        """
        sessions = pd.DatetimeIndex(features.index)
        inputs = moment_inputs(spine, features).loc[sessions]
        priors = self.prior.probabilities(spine, sessions, self.at)
        parts: dict[HeadKey, tuple[np.ndarray, ...]] = {}
        for name, head in self.heads.items():
            prior = priors[name].to_numpy(float)
            asked = ~np.isnan(prior)
            base = np.full(len(sessions), np.nan)
            correction, spread = np.zeros(len(sessions)), np.zeros(len(sessions))
            if asked.any():
                x, some = features[asked], inputs[asked]
                if head.shift is None:
                    base[asked] = logit(prior[asked])
                else:
                    base[asked] = head.shift.base(some, prior[asked])
                    correction[asked] = head.shift.correction(x)
                    if intervals:
                        spread[asked] = _jackknife(head.shift.members(x, some, prior[asked]))
            parts[head.key] = (asked, prior, base, correction, spread)
        fixes = coherent_log_odds({k: v[2] + v[3] for k, v in parts.items()})
        out = {}
        for key, (asked, prior, base, correction, spread) in parts.items():
            centre = base + correction + fixes[key]
            out[key.id] = HeadOdds(
                asked,
                prior,
                base,
                correction,
                np.where(asked, fixes[key], 0.0),
                np.where(asked, sigmoid(centre - Z90 * spread), np.nan),
                np.where(asked, sigmoid(centre + Z90 * spread), np.nan),
            )
        return out

    def predict(
        self, dataset: Dataset, sessions: Iterable[pd.Timestamp], *, light: bool = False
    ) -> pd.DataFrame:
        """Forecast sessions of a dataset, long format.

        Parameters
        ----------
        sessions : iterable of Timestamp
            Sessions of the dataset's feature table.
        light : bool
            Leave out the interval and all baselines but the prior and climatology.

        Returns
        -------
        DataFrame
            Columns ``session, at, head, horizon, p, prior, climatology, lo, hi, base_log_odds``
            and ``b_<name>`` for every baseline; `p` is NaN where the head is not scored.
        """
        index = pd.DatetimeIndex(list(sessions))
        features = dataset.features.loc[index]
        spine = dataset.spine.loc[: index.max()]
        odds = self.odds(features, spine, intervals=not light)
        inputs = dataset.inputs.loc[index]
        frames = []
        for name, head in self.heads.items():
            part = odds[name]
            columns: dict[str, Any] = {
                "session": index,
                "at": self.at,
                "head": head.key.head,
                "horizon": head.key.horizon,
                "p": sigmoid(part.log_odds),
                "prior": part.prior,
                "climatology": head.baselines["climatology"].predict(inputs, part.prior),
                "lo": part.lo,
                "hi": part.hi,
                "base_log_odds": part.base,
            }
            if not light:
                for label, baseline in head.baselines.items():
                    values = baseline.predict(inputs, part.prior)
                    columns[f"b_{label}"] = np.where(part.asked, values, np.nan)
            frames.append(pd.DataFrame(columns))
        return pd.concat(frames, ignore_index=True)


def _jackknife(members: np.ndarray) -> np.ndarray:
    """Delete-a-block jackknife standard error of the members' mean, log odds."""
    k = members.shape[0]
    centre = members.mean(axis=0)
    return np.asarray(np.sqrt((k - 1) / k * np.sum((members - centre) ** 2, axis=0)))


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
    prior = PathPrior.fit(dataset.spine, until, paths=settings.paths)
    keys = list(heads) if heads is not None else dataset.keys()
    known = dataset.features.loc[:until]
    columns = Columns.choose(known, settings)
    moment = _Moment(dataset.at, columns, Matrix(columns.values(known), settings), settings, light)
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


def head_table(forecaster: Forecaster) -> Mapping[str, Any]:
    """Training span, rows and choices of every head, for the record."""
    return {
        name: {
            "rows": head.rows,
            "first": head.first,
            "last": head.last,
            "weights": head.shift.offsets[0].weights if head.shift else None,
            "window": head.shift is not None and head.shift.window is not None,
            "share": head.shift.share if head.shift else None,
        }
        for name, head in forecaster.heads.items()
    }
