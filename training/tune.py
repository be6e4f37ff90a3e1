"""Tuning: a search over small trees, judged where no trial has looked.

Trials are compared on purged folds of the span before the first scored year. The first trial is
the shipped default. The best trial replaces it only if it is better on held-back folds, with the
whole interval of the difference above 0.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from features.errors import UsageError
from features.home import Home
from training.alone import alone
from training.atomic import write_json
from training.evaluate import gain
from training.inputs import check_until, gather
from training.overfitting import overfitting_probability
from training.search_space import SPACE, default_parameters, with_parameters
from training.settings import TrainingSettings, load_settings
from training.splits import walk_forward_folds
from training.study import Study, open_study, run_trials, trial_table
from training.tuning_folds import TuningFolds, build_folds, fold_ground, fold_losses
from training.walk_forward import default_lay

__all__ = ["TuneReport", "tune", "tune_dataset"]

Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class TuneReport:
    """What tuning found.

    Parameters
    ----------
    accepted : bool
        Whether the winner replaces the default.
    settings : dict
        Model settings to use: the winner's where accepted, else the default's.
    best, default : dict
        Searched values of the best trial and of the default.
    best_loss, default_loss : float
        Mean over heads of log loss as a share of climatology's, on the search folds.
    held_gain, held_lo, held_hi : float
        Gain of the winner over the default on the held-back folds (share of climatology).
    overfitting : float or None
        Probability of back-test overfitting over the completed trials; None below two.
    reproducible : bool
        False where several workers shared the study.
    """

    study: str
    storage: str
    until: str
    span: dict[str, str]
    heads: list[str]
    trials: int
    completed: int
    pruned: int
    accepted: bool
    settings: dict[str, Any]
    best: dict[str, Any]
    default: dict[str, Any]
    best_loss: float
    default_loss: float
    held_gain: float
    held_lo: float
    held_hi: float
    overfitting: float | None
    overfitting_splits: int
    reproducible: bool
    table: list[dict[str, Any]]

    def to_json(self) -> dict[str, Any]:
        """Return all fields; the trial table is one list."""
        return asdict(self)

    def summary(self) -> dict[str, Any]:
        """Return all fields but the trial table."""
        return {name: value for name, value in asdict(self).items() if name != "table"}


def tune(
    home: Home,
    *,
    until: Any,
    trials: int = 30,
    workers: int = 1,
    storage: str | None = None,
    at: str = "evening",
    seed: int = 1,
    progress: Progress | None = None,
) -> TuneReport:
    """Search model settings on the span before the first scored year.

    Parameters
    ----------
    home : Home
    until : date-like
        Last session read; the search itself ends where the first scored fold's knowledge ends.
    trials : int
        Finished trials wanted in the study; a study that has them already only reports.
    workers : int
        1 is reproducible; more share the study and are not.
    storage : str, optional
        Database URL for several machines. A journal file under ``mlruns/tuning`` by default. With
        either, a killed search goes on where it stopped.
    at : str
        Moment whose shift heads are tuned.
    seed : int
        Seed of the sampler.

    Returns
    -------
    TuneReport
        Also written to ``mlruns/tuning/<study>.json``.

    Raises
    ------
    UsageError
        If `trials` or `workers` is below 1, or the dates are impossible.
    DataError
        If the span is too short to tune on.
    RefusedError
        If a retrain or another search holds the home for longer than ``lock_wait_seconds``.
    """
    if trials < 1 or workers < 1:
        raise UsageError(f"`trials` and `workers` must be 1 or more, got {trials} and {workers}.")
    settings = load_settings(home)
    day, spine = check_until(home, until)
    tell = progress or _silent
    from models.settings import ModelSettings

    model = ModelSettings.from_json(home.config_section("models"))
    with alone(home, settings, tell):
        inputs = gather(home, day, spine, (at,), progress=lambda f, w: tell(0.1 * f, w))
        report = tune_dataset(
            home,
            inputs.datasets[at],
            settings,
            model,
            data_hash=inputs.data_hash,
            trials=trials,
            workers=workers,
            storage=storage,
            seed=seed,
            progress=lambda f, w: tell(0.1 + 0.9 * f, w),
        )
        write_json(home.mlruns / "tuning" / f"{report.study}.json", report.to_json())
    return report


def tune_dataset(
    home: Home,
    dataset: Any,
    settings: TrainingSettings,
    model: Any,
    *,
    data_hash: str,
    trials: int,
    workers: int = 1,
    storage: str | None = None,
    seed: int = 1,
    lay: Any = None,
    progress: Progress | None = None,
) -> TuneReport:
    """Search on a dataset that stands already; see `tune`.

    Parameters
    ----------
    lay : callable, optional
        Stands in for `models.fitting.lay_ground`; needs ``workers=1``.
    """
    sessions = pd.DatetimeIndex(dataset.spine.index[dataset.spine["vix_close"].notna()])
    first = walk_forward_folds(
        sessions,
        first=settings.first_test,
        min_train=settings.min_train_sessions,
        embargo=settings.embargo_sessions,
    )[0]
    heads = tuple(name for name in settings.group_heads if name in dataset.labels.columns)
    folds = build_folds(
        dataset, last=first.until, heads=heads, embargo=settings.cv_embargo_sessions
    )
    name = _study_name(dataset.at, data_hash, folds, model, seed)
    study = open_study(home, name, storage=storage)
    tell = progress or _silent
    run_trials(
        study,
        dataset,
        folds,
        model,
        trials=trials,
        workers=workers,
        seed=seed,
        lay=lay,
        progress=lambda f, w: tell(0.9 * f, w),
    )
    tell(0.92, "held-back folds")
    return _report(study, dataset, folds, settings, model, workers=workers, lay=lay)


def _report(
    study: Study,
    dataset: Any,
    folds: TuningFolds,
    settings: TrainingSettings,
    model: Any,
    *,
    workers: int,
    lay: Any,
) -> TuneReport:
    table = trial_table(study)
    done = table[table["state"] == "complete"]
    best = done.iloc[int(done["loss"].to_numpy(dtype=float).argmin())]
    shipped = done[done["number"] == done["number"].min()].iloc[0]
    chosen = {name: best[name].item() for name in SPACE}
    grounds = [
        (fold, fold_ground(fold, dataset, model, folds.heads, lay or default_lay()))
        for fold in folds.held
    ]
    tuned, default = (
        pd.concat([fold_losses(f, dataset, with_parameters(model, p), g) for f, g in grounds])
        for p in (chosen, default_parameters(model))
    )
    won = _paired(tuned, default, settings, folds.heads)
    accepted = bool(best["number"] != shipped["number"] and won.lo > 0.0)
    blocks = done[[c for c in done.columns if c.startswith("fold_")]].to_numpy(dtype=float).T
    risk = overfitting_probability(blocks) if len(done) > 1 else None
    picked = with_parameters(model, chosen) if accepted else model
    return TuneReport(
        study=study.name,
        storage=study.label,
        until=f"{folds.last:%Y-%m-%d}",
        span={
            "first": f"{folds.first:%Y-%m-%d}",
            "search_last": f"{folds.search_last:%Y-%m-%d}",
            "last": f"{folds.last:%Y-%m-%d}",
        },
        heads=list(folds.heads),
        trials=len(table),
        completed=len(done),
        pruned=int((table["state"] == "pruned").sum()),
        accepted=accepted,
        settings=picked.to_json(),
        best=chosen,
        default=default_parameters(model),
        best_loss=float(best["loss"]),
        default_loss=float(shipped["loss"]),
        held_gain=won.mean,
        held_lo=won.lo,
        held_hi=won.hi,
        overfitting=risk.probability if risk else None,
        overfitting_splits=risk.splits if risk else 0,
        reproducible=workers == 1,
        table=json.loads(table.to_json(orient="records")),
    )


def _paired(
    tuned: pd.DataFrame, default: pd.DataFrame, settings: TrainingSettings, heads: tuple[str, ...]
) -> Any:
    # heads of one session move together: average them before the blocks are drawn
    both = tuned.merge(default, on=["session", "head"], suffixes=("", "_default"))
    daily = both.groupby("session")[["loss", "loss_default", "climatology"]].mean().sort_index()
    horizon = max(int(name.rpartition("_")[2]) for name in heads)
    return gain(
        daily["loss_default"].to_numpy(),
        daily["loss"].to_numpy(),
        daily["climatology"].to_numpy(),
        horizon=horizon,
        settings=settings,
    )


def _study_name(at: str, data_hash: str, folds: TuningFolds, model: Any, seed: int) -> str:
    parts = [
        at,
        data_hash,
        model.to_json(),
        list(folds.heads),
        f"{folds.first:%Y-%m-%d} {folds.search_last:%Y-%m-%d} {folds.last:%Y-%m-%d}",
        {name: asdict(span) for name, span in SPACE.items()},
        seed,
    ]
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
    return f"{at}-{digest[:12]}"


def _silent(fraction: float, what: str) -> None:
    return None
