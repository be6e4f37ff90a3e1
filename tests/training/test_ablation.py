"""A group is judged on fits that could learn from it, and on nothing else."""

from __future__ import annotations

import dataclasses
from datetime import date
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from models.dataset import Dataset
from training.ablation import MIN_OWN_SESSIONS, WHOLE, group_jobs, own_span, young_groups
from training.splits import walk_forward_folds
from training.walk_forward import run_jobs

COLUMNS = {"breadth": ("a1", "a2"), "crypto": ("b1",)}
HEADS = ("spike_1",)


def folds_of(world: SimpleNamespace, min_train: int = 300) -> list[Any]:
    return walk_forward_folds(world.days, first=date(2008, 1, 1), min_train=min_train)


def test_a_group_is_young_when_the_boosters_can_use_none_of_its_columns(
    world: SimpleNamespace,
) -> None:
    # b1 is known from row 400 of 900
    assert young_groups("evening", world.features, COLUMNS, min_share=0.6) == {"crypto"}
    assert young_groups("evening", world.features, COLUMNS, min_share=0.5) == frozenset()
    both = {"one": ("a1", "a2", "b1")}
    assert young_groups("evening", world.features, both, min_share=0.6) == frozenset()


def test_the_closed_window_is_heard_before_the_open_though_it_is_young(
    world: SimpleNamespace,
) -> None:
    features = world.features.rename(columns={"b1": "cw_b1"})
    columns = {"closed window": ("cw_b1",)}
    assert young_groups("preopen", features, columns, min_share=0.6) == frozenset()
    assert young_groups("evening", features, columns, min_share=0.6) == {"closed window"}


def test_both_sides_of_a_young_group_learn_from_its_own_span(
    world: SimpleNamespace, dataset: Dataset, fake_lay: Any
) -> None:
    features = world.features.assign(b1=world.features["a1"].where(world.days >= world.days[100]))
    folds = folds_of(world)
    jobs = group_jobs("evening", features, folds, COLUMNS, HEADS, young={"crypto"})
    assert any(job.tag == "crypto" for job in jobs)
    mine = [job for job in jobs if job.tag in ("crypto", own_span("crypto"))]
    assert {job.tag for job in mine} == {"crypto", own_span("crypto")}
    assert {job.since for job in mine} == {world.days[100]}
    assert {job.until for job in mine if job.drop} == {job.until for job in mine if not job.drop}
    for job in mine:
        assert features["b1"].loc[: job.until].notna().sum() >= MIN_OWN_SESSIONS
    seen: list[pd.DataFrame] = []

    def watch(dataset: Any, **kwargs: Any) -> Any:
        seen.append(dataset.features)
        return fake_lay(dataset, **kwargs)

    data = dataclasses.replace(dataset, features=features)
    run_jobs(mine[:2], {"evening": data}, None, lay=watch)
    assert seen and all(frame.index[0] == world.days[100] for frame in seen)
    old = next(job for job in jobs if job.tag == "breadth")
    assert old.since is None


def test_a_group_without_a_single_value_has_no_fit(world: SimpleNamespace) -> None:
    features = world.features.assign(b1=np.nan)
    jobs = group_jobs("evening", features, folds_of(world), COLUMNS, HEADS)
    assert {job.tag for job in jobs} == {WHOLE, "breadth"}
