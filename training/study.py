"""The Optuna study behind tuning: where it is kept, how trials run, what came of them.

With one worker the search is reproducible, and so is its continuation after a kill: each trial's
sampler is seeded with the number of finished trials, so it proposes what it would have proposed.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from features.errors import UsageError
from features.home import Home
from training.search_space import SPACE, default_parameters, suggest, with_parameters
from training.tuning_folds import TuningFolds, fold_ground, fold_losses, relative_loss
from training.walk_forward import default_lay
from training.workers import leave_with_parent, single_threaded_children

__all__ = ["Study", "open_study", "run_trials", "trial_table"]

Progress = Callable[[float, str], None]
STARTUP_TRIALS = 8
WARMUP_FOLDS = 2


@dataclass(frozen=True)
class Study:
    """Where a study is kept.

    Parameters
    ----------
    name : str
        Names the data, the folds, the default and the space: another search is another study.
    location : str
        ``journal:<path>`` or a database URL.
    label : str
        The location without what is secret or belongs to one machine.
    """

    name: str
    location: str
    label: str

    def load(self, *, fresh: bool = False) -> Any:
        """Open the study; `fresh` also settles trials that a dead process left behind."""
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        study = optuna.create_study(
            study_name=self.name,
            storage=self._storage(),
            direction="minimize",
            load_if_exists=True,
            pruner=optuna.pruners.MedianPruner(
                n_startup_trials=STARTUP_TRIALS, n_warmup_steps=WARMUP_FOLDS
            ),
        )
        if fresh and self.location.startswith("journal:"):
            # the home's lock says that no other process runs this journal
            for trial in study.get_trials(deepcopy=False):
                if trial.state == optuna.trial.TrialState.RUNNING:
                    study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
        return study

    def _storage(self) -> Any:
        from optuna.storages import JournalStorage, RDBStorage
        from optuna.storages.journal import JournalFileBackend

        if self.location.startswith("journal:"):
            return JournalStorage(JournalFileBackend(self.location.removeprefix("journal:")))
        # a machine that dies leaves its trial running; only finished ones are counted
        return RDBStorage(self.location)


def open_study(home: Home, name: str, *, storage: str | None = None) -> Study:
    """Name a study's place: a journal file in the home, or a database.

    Raises
    ------
    UsageError
        If `storage` is no URL.
    """
    if storage is None:
        folder = home.writable(home.mlruns / "tuning")
        return Study(name, f"journal:{folder / name}.journal", f"tuning/{name}.journal")
    scheme, found, rest = storage.partition("://")
    if not found:
        raise UsageError(
            f"`storage` must be a database URL such as postgresql://host/name, got {storage!r}."
        )
    # SQLAlchemy's own default is an older driver; ours is psycopg 3
    driver = "postgresql+psycopg" if scheme in ("postgresql", "postgres") else scheme
    return Study(name, f"{driver}://{rest}", f"{scheme}://{rest.rpartition('@')[2]}")


def run_trials(
    study: Study,
    dataset: Any,
    folds: TuningFolds,
    model: Any,
    *,
    trials: int,
    workers: int = 1,
    seed: int = 1,
    lay: Any = None,
    progress: Progress | None = None,
) -> None:
    """Run trials until the study has as many finished ones as wanted.

    Parameters
    ----------
    trials : int
        Finished (complete or pruned) trials wanted, those of earlier calls included.
    workers : int
        Processes; they see each other's results in the order of arrival.
    lay : callable, optional
        Stands in for `models.fitting.lay_ground`; needs ``workers=1``.
    """
    # one process makes the study and its first trial: two would race on a new database
    opened = study.load(fresh=True)
    work = (study, dataset, folds, model, trials, seed)
    ground = _grounds(dataset, folds, model, lay or default_lay())
    if _finished(opened) == 0:
        _one(opened, dataset, folds, model, ground, seed=seed)
    if workers == 1:
        _loop(*work, ground=ground, progress=progress)
        return
    context = multiprocessing.get_context("spawn")
    with (
        single_threaded_children(),
        ProcessPoolExecutor(workers, mp_context=context, initializer=leave_with_parent) as pool,
    ):
        waiting = [pool.submit(_loop, *work, number) for number in range(workers)]
        for future in as_completed(waiting):
            future.result()
            if progress is not None:
                progress(min(1.0, _finished(opened) / trials), "trials")


def trial_table(study: Study) -> pd.DataFrame:
    """List the trials.

    Returns
    -------
    DataFrame
        number, state, loss, default (whether it is the shipped setting), the searched settings,
        and ``fold_<k>``, the relative loss of each search fold (null from where it was pruned).
    """
    rows = []
    for trial in study.load().get_trials(deepcopy=False):
        state = trial.state.name.lower()
        if state not in ("complete", "pruned"):
            continue
        rows.append(
            {
                "number": trial.number,
                "state": state,
                "loss": trial.value if state == "complete" else None,
                "default": bool(trial.user_attrs.get("default", False)),
                **{name: trial.params[name] for name in SPACE},
                **{f"fold_{k}": v for k, v in enumerate(trial.user_attrs.get("folds", []))},
            }
        )
    return pd.DataFrame(rows)


def _grounds(dataset: Any, folds: TuningFolds, model: Any, lay: Any) -> Callable[[int], Any]:
    """Ground of each search fold, laid when it is first asked for; all trials stand on it."""

    @cache
    def ground(number: int) -> Any:
        return fold_ground(folds.search[number], dataset, model, folds.heads, lay)

    return ground


def _loop(
    study: Study,
    dataset: Any,
    folds: TuningFolds,
    model: Any,
    trials: int,
    seed: int,
    worker: int = 0,
    *,
    ground: Callable[[int], Any] | None = None,
    progress: Progress | None = None,
) -> None:
    opened = study.load()
    ground = ground or _grounds(dataset, folds, model, default_lay())
    while (done := _finished(opened)) < trials:
        if progress is not None:
            progress(done / trials, f"trial {done + 1} of {trials}")
        _one(opened, dataset, folds, model, ground, seed=seed + done + 1000 * worker)


def _one(
    opened: Any,
    dataset: Any,
    folds: TuningFolds,
    model: Any,
    ground: Callable[[int], Any],
    *,
    seed: int,
) -> None:
    import optuna

    opened.sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=STARTUP_TRIALS)
    first = _finished(opened) == 0
    if first:
        opened.enqueue_trial(default_parameters(model), skip_if_exists=False)
    trial = opened.ask()
    chosen = with_parameters(model, suggest(trial))
    trial.set_user_attr("default", first)
    losses: list[float] = []
    for step, fold in enumerate(folds.search):
        losses.append(relative_loss(fold_losses(fold, dataset, chosen, ground(step))))
        # folds are visited in one fixed order, so a step compares like with like
        trial.report(float(np.mean(losses)), step)
        trial.set_user_attr("folds", losses)
        if not first and trial.should_prune():
            opened.tell(trial, state=optuna.trial.TrialState.PRUNED)
            return
    opened.tell(trial, float(np.mean(losses)))


def _finished(opened: Any) -> int:
    return sum(
        trial.state.name in ("COMPLETE", "PRUNED") for trial in opened.get_trials(deepcopy=False)
    )
