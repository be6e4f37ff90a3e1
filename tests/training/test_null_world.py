from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np

from models.dataset import Dataset
from training.null_world import null_run, permute_labels
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
