"""Fit every fold of every moment, in parallel, and collect what was forecast out of sample.

A job is one fit. The moments of a fold, and its fits with all groups and without each, are one
worker's batch, so that what they stand on is laid once. Workers are fresh processes that receive
the data once; each fit uses one LightGBM thread, so results do not depend on how many there are.
"""

from __future__ import annotations

import dataclasses
import multiprocessing
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from features.errors import DataError
from training.jobs import Job, Result
from training.workers import leave_with_parent, single_threaded_children

__all__ = [
    "BASE_COLUMNS",
    "baseline_columns",
    "default_lay",
    "run_jobs",
    "scored_rows",
]

Progress = Callable[[float, str], None]

BASE_COLUMNS = ("session", "at", "head", "horizon", "y", "p", "prior", "climatology")
INTERVAL = ("lo", "hi")
BASELINE_PREFIX = "b_"


Lay = Callable[..., Any]

_SHARED: dict[str, Any] = {}


def run_jobs(
    jobs: Sequence[Job],
    datasets: Mapping[str, Any],
    settings: Any,
    *,
    processes: int = 1,
    lay: Lay | None = None,
    progress: Progress | None = None,
    what: str = "fitting",
) -> list[Result]:
    """Run jobs and return their results in the order of `jobs`.

    Parameters
    ----------
    jobs : sequence of Job
    datasets : mapping of str to Dataset
        One for each moment.
    settings : ModelSettings
        Shared model settings.
    processes : int
        Worker processes; 1 runs in this one.
    lay : callable, optional
        Stands in for `models.bundle.lay_ground`; needs ``processes=1``.
    progress : callable, optional
        Called with the fraction done and a word.

    Notes
    -----
    *Timing:* the forecaster of a job sees rows whose label ended by ``job.until`` only.
    """
    results: dict[int, Result] = {}
    total = max(1, len(jobs))
    batches: dict[Hashable, list[tuple[int, Job]]] = {}
    for index, job in enumerate(jobs):
        batches.setdefault(job.batch(), []).append((index, job))
    # longest first, so that no worker idles at the end
    order = sorted(batches.values(), key=lambda b: _work(b, datasets), reverse=True)
    with _executor(processes, datasets, settings, lay) as submit:
        for index, result in submit(order):
            results[index] = result
            if progress is not None:
                progress(len(results) / total, f"{what} {result.job.at} {result.job.until:%Y}")
    return [results[i] for i in range(len(jobs))]


Batch = list[tuple[int, Job]]


@contextmanager
def _executor(
    processes: int, datasets: Mapping[str, Any], settings: Any, lay: Lay | None
) -> Iterator[Callable[[list[Batch]], Iterator[tuple[int, Result]]]]:
    if processes <= 1 or lay is not None:
        _share(datasets, settings, lay)
        try:
            yield lambda work: (done for batch in work for done in _run(batch))
        finally:
            _SHARED.clear()
        return
    # spawn: a forked OpenMP runtime can hang, a fresh process cannot
    context = multiprocessing.get_context("spawn")
    with (
        single_threaded_children(),
        ProcessPoolExecutor(
            processes, mp_context=context, initializer=_start, initargs=(datasets, settings)
        ) as pool,
    ):

        def submit(work: list[Batch]) -> Iterator[tuple[int, Result]]:
            waiting = [pool.submit(_run, batch) for batch in work]
            try:
                for future in as_completed(waiting):
                    yield from future.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

        yield submit


def _start(datasets: Mapping[str, Any], settings: Any) -> None:
    leave_with_parent()
    _share(datasets, settings, None)


def _share(datasets: Mapping[str, Any], settings: Any, lay: Lay | None) -> None:
    _SHARED.update(datasets=dict(datasets), settings=settings, lay=lay)


def _run(batch: Batch) -> list[tuple[int, Result]]:
    lay = _SHARED["lay"] or default_lay()
    done: list[tuple[int, Result]] = []
    grounds: dict[Hashable, Any] = {}
    for index, job in batch:
        dataset = _shown(_SHARED["datasets"][job.at], job)
        settings = _SHARED["settings"] if job.settings is None else job.settings
        name = job.ground()
        if name not in grounds:
            grounds[name] = lay(
                dataset,
                until=job.until,
                settings=settings,
                heads=_head_keys(job),
                light=job.light,
                beside=tuple(grounds.values()),
            )
        forecaster = grounds[name].fit(dataset.features, settings)
        forecasts = None
        if job.test is not None:
            forecasts = forecaster.predict(dataset, job.test, light=job.light)
            if job.keep is not None:
                _write_fold(job.keep, job, forecaster)
        done.append((index, Result(job, forecasts, forecaster if job.test is None else None)))
    return done


def _work(batch: Batch, datasets: Mapping[str, Any]) -> int:
    """Training rows of all heads of all fits."""
    from models.heads import head_keys

    return sum(
        len(datasets[job.at].features.loc[job.since : job.until])
        * len(job.heads or head_keys(job.at))
        for _, job in batch
    )


def _shown(dataset: Any, job: Job) -> Any:
    """Rows and columns that a job may see."""
    from models.dataset import IVTS

    if not job.drop and job.since is None:
        return dataset
    features = dataset.features.loc[job.since :].drop(columns=list(job.drop))
    inputs = dataset.inputs.assign(**{IVTS: np.nan}) if IVTS in job.drop else dataset.inputs
    return dataclasses.replace(dataset, features=features, inputs=inputs)


def default_lay() -> Lay:
    """Return `lay_ground` of the models room; imported late, because it loads LightGBM."""
    from models.bundle import lay_ground

    return lay_ground


def _head_keys(job: Job) -> list[Any] | None:
    if job.heads is None:
        return None
    from models.heads import parse_key

    return [parse_key(name) for name in job.heads]


def _write_fold(folder: Path, job: Job, forecaster: Any) -> None:
    from models.bundle import write_bundle

    write_bundle(folder, {job.at: forecaster})


def scored_rows(forecasts: pd.DataFrame | None, labels: pd.DataFrame) -> pd.DataFrame:
    """Join forecasts with what came true and keep the rows that can be scored.

    Parameters
    ----------
    forecasts : DataFrame
        Long: session, at, head, horizon, p, prior, climatology and ``b_*`` baselines.
    labels : DataFrame, shape (sessions, heads)
        1.0 or 0.0, NaN where not scored.

    Returns
    -------
    DataFrame
        `BASE_COLUMNS`, the interval's ends, then one column for each baseline, sorted by head,
        horizon, session.
    """
    if forecasts is None:
        raise DataError("a final fit has no forecasts to score. Score the results of its folds.")
    ids = pd.Index(forecasts["head"].astype(str) + "_" + forecasts["horizon"].astype(str))
    row = labels.index.get_indexer(pd.DatetimeIndex(forecasts["session"]))
    column = labels.columns.get_indexer(ids)
    values = labels.to_numpy(dtype=float)
    y = np.where((row >= 0) & (column >= 0), values[row, column], np.nan)
    out = forecasts.assign(y=y)
    out = out[out["y"].notna() & out["p"].notna()]
    interval = [name for name in INTERVAL if name in forecasts.columns]
    columns = [*BASE_COLUMNS, *interval, *baseline_columns(forecasts)]
    out = out[columns].sort_values(["at", "head", "horizon", "session"], kind="stable")
    return out.reset_index(drop=True)


def baseline_columns(frame: pd.DataFrame) -> list[str]:
    """Names of the baseline columns beyond the prior and climatology, in order."""
    return [str(c) for c in frame.columns if str(c).startswith(BASELINE_PREFIX)]
