from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from features.catalog import CATALOG
from models.dataset import Dataset
from models.settings import ModelSettings
from training.null_world import null_run, permute_labels, simulated_datasets
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
    world: Any, dataset: Dataset, fake_fit: Any, quick: TrainingSettings
) -> None:
    folds = walk_forward_folds(world.days, first=date(2008, 1, 1), min_train=400)
    groups = {"a1": "breadth", "a2": "breadth", "b1": "events"}
    for seed in (1, 2, None):
        run = null_run(
            {"evening": dataset}, folds, groups, HEADS, quick, None, seed=seed, fit=fake_fit
        )
        assert len(run.skill) == 2 and len(run.groups) == 4
        assert run.skilful() == [] and run.useful() == []


@pytest.mark.slow
def test_the_shipped_laboratory_claims_nothing_in_small_null_worlds(tmp_path: Path) -> None:
    heads = {"evening": ("shift_up_5",)}
    world = simulated_datasets(tmp_path, heads, years=9, seed=11, link=0.0, paths=80)
    prices = world["evening"].spine
    folds = walk_forward_folds(
        prices.index[prices["vix_close"].notna()], first=date(2008, 1, 1), min_train=1100
    )
    groups = {name: feature.group for name, feature in CATALOG.items()}
    model = ModelSettings(blocks=3, rounds=30, paths=80)
    settings = TrainingSettings()
    asked = [null_run(world, folds, groups, heads, settings, model, seed=s) for s in (None, 1, 2)]
    crypto = ("liquidations", "crypto technicals", "closed window")
    assert [run.skilful() for run in asked] == [[], [], []]
    assert [run.useful(crypto) for run in asked] == [[], [], []]
    assert all(len(run.groups) > 8 for run in asked)
