"""Fit every fold of every moment, in parallel, and collect what was forecast out of sample.

A job is one fit. The moments of a fold, and its fits with all groups and without each, are one
worker's batch, so that what they stand on is laid once. Workers are fresh processes that receive
the data once; each fit uses one LightGBM thread, so results do not depend on how many there are.
"""

from __future__ import annotations

import dataclasses
import pickle
import tempfile
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from features.errors import DataError
from training.jobs import Job, Result
from training.workers import Crew

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
Batch = list[tuple[int, Job]]


def run_jobs(
    jobs: Sequence[Job],
    datasets: Mapping[str, Any],
    settings: Any,
    *,
    crew: Crew | None = None,
    lay: Lay | None = None,
    meanwhile: Callable[[], None] | None = None,
    seen: Callable[[Result], None] | None = None,
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
    crew : Crew, optional
        Who runs them; this process by default.
    lay : callable, optional
        Stands in for `models.fitting.lay_ground`.
    meanwhile : callable, optional
        Called once the jobs are handed over, before any result is waited for.
    seen : callable, optional
        Called with each result as it comes.
    progress : callable, optional
        Called with the fraction done and a word.

    Notes
    -----
    *Timing:* the forecaster of a job sees rows whose label ended by ``job.until`` only.
    """
    results: dict[int, Result] = {}
    total = max(1, len(jobs))
    batches: dict[Hashable, Batch] = {}
    for index, job in enumerate(jobs):
        batches.setdefault(job.batch(), []).append((index, job))
    # longest first, so that no worker idles at the end
    order = sorted(batches.values(), key=lambda b: _work(b, datasets), reverse=True)
    crew = crew or Crew()
    with _shared(_Shared(datasets, settings, lay), crew) as shared:
        coming = crew.completed(partial(_run, shared), order)
        if meanwhile is not None:
            meanwhile()
        for done in coming:
            for index, result in done:
                results[index] = result
                if seen is not None:
                    seen(result)
                if progress is not None:
                    progress(len(results) / total, f"{what} {result.job.at} {result.job.until:%Y}")
    return [results[i] for i in range(len(jobs))]


@dataclass(frozen=True)
class _Shared:
    """What every batch reads."""

    datasets: Mapping[str, Any]
    settings: Any
    lay: Lay | None


@contextmanager
def _shared(what: _Shared, crew: Crew) -> Iterator[_Shared | Path]:
    """Give what this process hands to a batch: itself, or the file that others read it from."""
    if crew.pool is None:
        yield what
        return
    with tempfile.TemporaryDirectory(prefix="stormpetrel-") as folder:
        path = Path(folder) / "shared.pickle"
        with path.open("wb") as stream:
            pickle.dump(what, stream, protocol=pickle.HIGHEST_PROTOCOL)
        yield path


@lru_cache(maxsize=1)
def _read(path: Path) -> _Shared:
    with path.open("rb") as stream:
        what: _Shared = pickle.load(stream)
    return what


def _run(shared: _Shared | Path, batch: Batch) -> list[tuple[int, Result]]:
    if isinstance(shared, Path):
        shared = _read(shared)
    lay = shared.lay or default_lay()
    done: list[tuple[int, Result]] = []
    grounds: dict[Hashable, Any] = {}
    for index, job in batch:
        dataset = _shown(shared.datasets[job.at], job)
        settings = shared.settings if job.settings is None else job.settings
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
    # taken as one block: `drop` would leave a block a column, and every later step slow
    kept = [name for name in dataset.features.columns if name not in set(job.drop)]
    features = dataset.features.loc[job.since :, kept]
    inputs = dataset.inputs.assign(**{IVTS: np.nan}) if IVTS in job.drop else dataset.inputs
    return dataclasses.replace(dataset, features=features, inputs=inputs)


def default_lay() -> Lay:
    """Return `lay_ground` of the models room; imported late, because it loads LightGBM."""
    from models.fitting import lay_ground

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
