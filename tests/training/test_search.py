"""Tuning against a fit whose best setting is known."""

from __future__ import annotations

import io
import multiprocessing
import os
import signal
import time
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from features.home import Home
from models.dataset import Dataset
from models.ranks import AHEAD
from models.settings import ModelSettings
from training.screen import tuning_screen
from training.search_space import SPACE, default_parameters
from training.settings import TrainingSettings
from training.study import open_study, run_trials, trial_table
from training.tune import tune_dataset
from training.tuning_folds import TuningFolds, fold_ground

pytest.importorskip("optuna")
HEADS = ("shift_up_5", "shift_down_5")


def test_no_fold_trains_on_a_label_that_touches_its_test_block(
    dataset: Dataset, folds: TuningFolds
) -> None:
    for fold in folds.search:
        for name in HEADS:
            ends = dataset.label_end[name]
            shown = fold.labels[name].dropna().index
            test_end = ends.reindex(fold.test).max()
            clean = (ends.reindex(shown) < fold.test[0]) | (shown > test_end)
            assert clean.all()
            assert len(shown) > 200


def test_no_fold_trains_on_a_rank_that_reads_its_test_block(
    dataset: Dataset, folds: TuningFolds
) -> None:
    index = dataset.ranks.index
    for fold in folds.search:
        first, last = (index.get_loc(fold.test[i]) for i in (0, -1))
        for name, ahead in AHEAD.items():
            shown = np.flatnonzero(fold.ranks[name].notna())
            # neither a session of the block nor one that its labels read, and no embargoed one
            assert ((shown + ahead < first) | (shown > last + 21)).all()
            assert shown.size > 200
    for fold in folds.held:
        assert fold.ranks is dataset.ranks and fold.until < fold.test[0]


def test_the_ground_of_a_fold_knows_no_hidden_rank(dataset: Dataset, folds: TuningFolds) -> None:
    seen: list[Dataset] = []

    def lay(shown: Dataset, **_: Any) -> None:
        seen.append(shown)

    fold_ground(folds.search[2], dataset, ModelSettings(), HEADS, lay)
    assert seen[0].ranks is folds.search[2].ranks and seen[0].labels is folds.search[2].labels


def test_the_held_back_end_is_never_shown(folds: TuningFolds) -> None:
    first = folds.held[0].test[0]
    for fold in folds.search:
        assert fold.test[-1] < first
        assert fold.labels[list(HEADS)].dropna(how="all").index.max() < first


def search(home: Home, dataset: Dataset, folds: TuningFolds, oracle: Any, trials: int) -> Any:
    study = open_study(home, "s")
    run_trials(study, dataset, folds, ModelSettings(), trials=trials, lay=oracle, seed=3)
    return trial_table(study)


def test_first_trial_is_the_shipped_default(
    home: Home, dataset: Dataset, folds: TuningFolds, oracle: Any
) -> None:
    table = search(home, dataset, folds, oracle, 2)
    shipped = default_parameters(ModelSettings())
    assert {name: table.iloc[0][name] for name in SPACE} == pytest.approx(shipped)
    assert table["default"].tolist() == [True, False]


def test_a_search_goes_on_where_it_stopped_and_finds_the_same(
    home: Home, tmp_path: Any, dataset: Dataset, folds: TuningFolds, oracle: Any
) -> None:
    whole = search(home, dataset, folds, oracle, 6)
    other = Home(tmp_path / "other")
    search(other, dataset, folds, oracle, 3)
    # a process that died within a trial
    open_study(other, "s").load().ask()
    resumed = search(other, dataset, folds, oracle, 6)
    columns = ["loss", *SPACE]
    pd.testing.assert_frame_equal(whole[columns], resumed[columns])


def test_a_search_killed_from_outside_goes_on_as_if_it_had_not_been(
    home: Home, tmp_path: Any, dataset: Dataset, folds: TuningFolds, oracle: Any
) -> None:
    whole = search(home, dataset, folds, oracle, 6)
    other = Home(tmp_path / "other")

    def slow(*given: Any, **named: Any) -> Any:
        time.sleep(0.02)
        return oracle(*given, **named)

    for wanted in (1, 3):
        # forked, so that the small world need not be made again
        child = multiprocessing.get_context("fork").Process(
            target=search, args=(other, dataset, folds, slow, 6)
        )
        child.start()
        while len(trial_table(open_study(other, "s"))) < wanted:
            assert child.is_alive()
            time.sleep(0.01)
        time.sleep(0.03)
        assert child.pid is not None
        os.kill(child.pid, signal.SIGKILL)
        child.join()
        assert child.exitcode == -signal.SIGKILL
        assert len(trial_table(open_study(other, "s"))) < 6
    resumed = search(other, dataset, folds, oracle, 6)
    columns = ["loss", *SPACE]
    pd.testing.assert_frame_equal(whole[columns], resumed[columns])


def test_tuning_replaces_the_default_only_by_what_is_better_where_nobody_looked(
    home: Home, dataset: Dataset, oracle: Any
) -> None:
    settings = TrainingSettings(
        bootstrap_repeats=200, min_train_sessions=700, group_heads=("shift_up_5",)
    )
    report = tune_dataset(
        home, dataset, settings, ModelSettings(), data_hash="d", trials=6, lay=oracle
    )
    assert report.accepted
    assert report.held_lo > 0.0
    assert report.settings["lambda_l2"] == report.best["lambda_l2"]
    assert report.until < f"{dataset.spine.index[701]:%Y-%m-%d}"
    alone = tune_dataset(
        Home(home.root / "b"),
        dataset,
        settings,
        ModelSettings(),
        data_hash="d",
        trials=1,
        lay=oracle,
    )
    assert not alone.accepted
    assert alone.overfitting is None
    assert alone.settings == ModelSettings().to_json()


def test_what_a_search_found_fits_the_screen(home: Home, dataset: Dataset, oracle: Any) -> None:
    settings = TrainingSettings(
        bootstrap_repeats=200, min_train_sessions=700, group_heads=("shift_up_5",)
    )
    report = tune_dataset(
        home, dataset, settings, ModelSettings(), data_hash="d", trials=3, lay=oracle
    )
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(tuning_screen(report.to_json()))
    text = console.export_text()
    assert "3 trials" in text and "held-back gain over the default" in text
    assert all(name in text for name in SPACE)
    assert max(map(len, text.splitlines())) <= 80
    assert "table" not in report.summary() and report.summary()["trials"] == 3
