"""Tuning against a fit whose best setting is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.home import Home
from models.dataset import Dataset
from models.settings import ModelSettings
from training.search_space import SPACE, default_parameters
from training.settings import TrainingSettings
from training.study import open_study, run_trials, trial_table
from training.tune import tune_dataset
from training.tuning_folds import TuningFolds, build_folds

pytest.importorskip("optuna")
HEADS = ("shift_up_5", "shift_down_5")


@pytest.fixture(scope="module")
def dataset(world: Any) -> Dataset:
    return Dataset(
        "evening",
        world.features,
        world.spine,
        world.labels,
        world.label_end,
        world.labels * 0.0 + 0.2,
        world.labels[[]],
    )


@dataclass
class Oracle:
    """Says the truth the more clearly, the nearer `lambda_l2` is to 50."""

    settings: ModelSettings
    keys: list[Any]

    def predict(self, dataset: Dataset, sessions: pd.DatetimeIndex, *, light: bool) -> pd.DataFrame:
        sharp = float(np.exp(-abs(np.log(self.settings.lambda_l2 / 50.0))))
        parts = []
        for key in self.keys:
            y = dataset.labels[key.id].reindex(sessions).fillna(0.5).to_numpy()
            parts.append(
                pd.DataFrame(
                    {
                        "session": sessions,
                        "at": dataset.at,
                        "head": key.head,
                        "horizon": key.horizon,
                        "p": 0.3 + 0.4 * sharp * (y - 0.5),
                        "prior": 0.3,
                        "climatology": 0.3,
                    }
                )
            )
        return pd.concat(parts, ignore_index=True)


def oracle(dataset: Dataset, *, settings: ModelSettings, heads: list[Any], **_: Any) -> Oracle:
    return Oracle(settings, heads)


@pytest.fixture(scope="module")
def folds(dataset: Dataset, world: Any) -> TuningFolds:
    return build_folds(dataset, last=world.days[700], heads=HEADS, embargo=21)


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


def test_the_held_back_end_is_never_shown(folds: TuningFolds) -> None:
    first = folds.held[0].test[0]
    for fold in folds.search:
        assert fold.test[-1] < first
        assert fold.labels[list(HEADS)].dropna(how="all").index.max() < first


def search(home: Home, dataset: Dataset, folds: TuningFolds, trials: int, **more: Any) -> Any:
    study = open_study(home, "s")
    run_trials(study, dataset, folds, ModelSettings(), trials=trials, fit=oracle, seed=3, **more)
    return trial_table(study)


def test_first_trial_is_the_shipped_default(
    home: Home, dataset: Dataset, folds: TuningFolds
) -> None:
    table = search(home, dataset, folds, 2)
    shipped = default_parameters(ModelSettings())
    assert {name: table.iloc[0][name] for name in SPACE} == pytest.approx(shipped)
    assert table["default"].tolist() == [True, False]


def test_a_search_goes_on_where_it_stopped_and_finds_the_same(
    home: Home, tmp_path: Any, dataset: Dataset, folds: TuningFolds
) -> None:
    whole = search(home, dataset, folds, 6)
    other = Home(tmp_path / "other")
    search(other, dataset, folds, 3)
    # a process that died within a trial
    open_study(other, "s").load().ask()
    resumed = search(other, dataset, folds, 6)
    columns = ["loss", *SPACE]
    pd.testing.assert_frame_equal(whole[columns], resumed[columns])


def test_tuning_replaces_the_default_only_by_what_is_better_where_nobody_looked(
    home: Home, dataset: Dataset
) -> None:
    settings = TrainingSettings(
        bootstrap_repeats=200, min_train_sessions=700, group_heads=("shift_up_5",)
    )
    report = tune_dataset(
        home, dataset, settings, ModelSettings(), data_hash="d", trials=6, fit=oracle
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
        fit=oracle,
    )
    assert not alone.accepted
    assert alone.overfitting is None
    assert alone.settings == ModelSettings().to_json()
