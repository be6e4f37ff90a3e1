from __future__ import annotations

import dataclasses
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from features.catalog import CATALOG
from models.dataset import Dataset
from models.settings import ModelSettings
from training.null_world import (
    NullRun,
    null_run,
    permute_labels,
    plant_labels,
    simulated_datasets,
)
from training.settings import TrainingSettings
from training.splits import walk_forward_folds

HEADS = {"evening": ("shift_up_5", "shift_down_5")}


def test_permuted_labels_keep_rate_and_runs_but_not_place(world: Any) -> None:
    labels = world.labels[["shift_up_5", "spike_1"]]
    moved = permute_labels(labels, seed=1)
    assert not moved.equals(labels)
    for name in labels:
        assert np.array_equal(np.sort(moved[name]), np.sort(labels[name]), equal_nan=True)
    # whole blocks travel: inside one, all rows are those of one old block in their order
    old = labels["spike_1"].to_numpy()
    first = moved["spike_1"].to_numpy()[:63]
    assert any(np.array_equal(first, old[i : i + 63], equal_nan=True) for i in range(0, 900, 63))


def test_a_forecaster_without_information_makes_no_claim(
    world: Any, dataset: Dataset, fake_lay: Any, quick: TrainingSettings
) -> None:
    folds = walk_forward_folds(world.days, first=date(2008, 1, 1), min_train=400)
    groups = {"a1": "breadth", "a2": "breadth", "b1": "events"}
    for seed in (1, 2, None):
        run = null_run(
            {"evening": dataset}, folds, groups, HEADS, quick, None, seed=seed, lay=fake_lay
        )
        assert len(run.skill) == 2 and len(run.groups) == 4
        assert run.skilful() == [] and run.useful() == []


def test_ranks_go_the_way_of_permuted_labels(
    dataset: Dataset, fake_lay: Any, quick: TrainingSettings, world: Any
) -> None:
    """Else a mover would know the true future of sessions whose labels come from elsewhere."""
    place = np.linspace(0.0, 1.0, len(world.days))
    marked = dataclasses.replace(
        dataset,
        labels=dataset.labels.assign(spike_1=place),
        ranks=dataset.ranks.assign(vix=place, variance=place, size=place),
    )
    seen: list[Dataset] = []

    def lay(shown: Dataset, **how: Any) -> Any:
        seen.append(shown)
        return fake_lay(shown, **how)

    folds = walk_forward_folds(world.days, first=date(2008, 1, 1), min_train=400)[:1]
    groups = {"a1": "breadth", "a2": "breadth", "b1": "events"}
    null_run({"evening": marked}, folds, groups, HEADS, quick, None, seed=5, lay=lay)
    for shown in seen:
        for name in shown.ranks:
            np.testing.assert_array_equal(shown.ranks[name], shown.labels["spike_1"])
        assert not np.array_equal(shown.ranks["size"], place)
    assert seen


def test_planted_labels_follow_prior_and_driver(world: Any) -> None:
    labels = world.labels[["spike_1"]]
    prior = labels * 0.0 + 0.2
    driver = world.features["a1"]
    planted = plant_labels(prior, labels, driver, log_odds=1.5, seed=1)
    assert planted.isna().equals(labels.isna())
    assert set(planted["spike_1"].dropna()) == {0.0, 1.0}
    z = driver / driver.std()
    high, low = (planted["spike_1"][part].mean() for part in (z > 1.0, z < -1.0))
    assert high > 3.0 * low
    still = plant_labels(prior, labels, driver, log_odds=0.0, seed=1)["spike_1"]
    error = 3.0 * still.std() / np.sqrt(still.notna().sum())
    assert abs(still.mean() - 0.2) < error


@pytest.mark.slow
def test_the_laboratory_claims_nothing_in_null_worlds_and_finds_what_is_planted(
    tmp_path: Path,
) -> None:
    heads = {"evening": ("shift_up_5",)}
    evening = simulated_datasets(tmp_path, heads, years=10, seed=11, link=0.0, paths=80)["evening"]
    folds = walk_forward_folds(
        evening.spine.index[evening.spine["vix_close"].notna()],
        first=date(2008, 1, 1),
        min_train=1100,
    )
    groups = {name: feature.group for name, feature in CATALOG.items()}
    model = ModelSettings(blocks=3, rounds=60, paths=80)

    def ask(dataset: Dataset, seed: int | None) -> NullRun:
        settings = TrainingSettings()
        return null_run({"evening": dataset}, folds, groups, heads, settings, model, seed=seed)

    nulls = [ask(evening, seed) for seed in (None, 1, 2)]
    crypto = ("liquidations", "crypto technicals", "closed window")
    assert [run.skilful() for run in nulls] == [[], [], []]
    assert [run.useful(crypto) for run in nulls] == [[], [], []]
    assert all(len(run.verdicts) > 8 for run in nulls)

    driver = evening.features["btc_casc_n_7d"]
    labels = plant_labels(evening.prior, evening.labels, driver, log_odds=1.2, seed=1)
    found = ask(dataclasses.replace(evening, labels=labels), None)
    assert found.skilful() == ["evening shift_up_5"]
    # five fits are too few for a family-wise verdict on a group; the interval names the right one
    gains = found.verdicts.dropna(subset=["gain"])
    assert gains.loc[gains["gain_lo"] > 0.0, "group"].tolist() == ["liquidations"]
    assert gains.loc[gains["gain"].astype(float).idxmax(), "group"] == "liquidations"
