"""A group is judged on fits that could learn from it, and on nothing else."""

from __future__ import annotations

import dataclasses
from datetime import date
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t

from models.dataset import Dataset
from training.ablation import (
    MIN_OWN_SESSIONS,
    NOT_TAKEN,
    ONE_FIT,
    OWN_SPAN,
    TOO_SHORT,
    WHOLE,
    group_jobs,
    group_table,
    own_span,
    young_groups,
)
from training.settings import TrainingSettings
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
    assert all(frame.index[0] == world.days[100] for frame in seen)
    old = next(job for job in jobs if job.tag == "breadth")
    assert old.since is None


def test_a_group_without_a_single_value_has_no_fit(world: SimpleNamespace) -> None:
    features = world.features.assign(b1=np.nan)
    jobs = group_jobs("evening", features, folds_of(world), COLUMNS, HEADS)
    assert {job.tag for job in jobs} == {WHOLE, "breadth"}


def refit(p: np.ndarray, y: np.ndarray) -> pd.DataFrame:
    days = pd.bdate_range("2020-01-01", periods=len(y))
    return pd.DataFrame(
        {"session": days, "at": "evening", "head": "spike", "horizon": 1, "y": y, "p": p}
    ).assign(prior=0.3, climatology=0.3, until=days[np.arange(len(y)) // 100 * 100])


def test_a_young_group_is_compared_with_the_fit_on_its_own_span(quick: TrainingSettings) -> None:
    rng = np.random.default_rng(3)
    y = (rng.random(600) < 0.3).astype(float)
    informed, blind = np.where(y > 0, 0.5, 0.2), np.full(600, 0.3)
    refits = {
        WHOLE: refit(blind, y),
        own_span("crypto"): refit(informed, y),
        "crypto": refit(blind, y),
        "breadth": refit(blind, y),
    }
    asked = [(group, "evening", "spike", 1) for group in ("crypto", "breadth", "stress")]
    table = group_table(refits, asked, quick).set_index("group")
    expected = np.mean(
        np.where(y > 0, np.log(0.5) - np.log(0.3), np.log(0.8) - np.log(0.7))
    ) / np.mean(np.where(y > 0, -np.log(0.3), -np.log(0.7)))
    assert np.isclose(float(table.loc["crypto", "gain"]), expected)
    assert table["note"].tolist() == [OWN_SPAN, NOT_TAKEN, TOO_SHORT]
    assert table["gain"].isna().tolist() == [False, True, True]
    # shown, however sure it looks, and never a verdict
    assert table.loc["crypto", "p_value"] < 0.01
    assert not table["useful"].any()


def test_holm_counts_the_questions_that_the_model_could_answer(quick: TrainingSettings) -> None:
    rng = np.random.default_rng(3)
    y = (rng.random(600) < 0.3).astype(float)
    informed, blind = np.where(y > 0, 0.5, 0.2), np.full(600, 0.3)
    noisy = np.clip(informed + 0.02 * rng.standard_normal(600), 0.01, 0.99)
    refits = {
        WHOLE: refit(informed, y),
        "breadth": refit(blind, y),
        "events": refit(noisy, y),
        own_span("crypto"): refit(informed, y),
        "crypto": refit(blind, y),
    }
    asked = [(group, "evening", "spike", 1) for group in ("breadth", "events", "crypto")]
    table = group_table(refits, asked, quick).set_index("group")
    # a family of two
    assert table.loc["breadth", "p_holm"] == 2 * table.loc["breadth", "p_value"]
    assert table["useful"].tolist() == [True, False, False]


def test_a_lucky_fit_is_no_group(quick: TrainingSettings) -> None:
    rng = np.random.default_rng(4)
    y = (rng.random(600) < 0.3).astype(float)
    informed, blind = np.where(y > 0, 0.5, 0.2), np.full(600, 0.3)
    # five folds of six took nothing from the group; the sixth was right on every row
    lucky = np.where(np.arange(600) < 500, blind, informed)
    refits = {WHOLE: refit(lucky, y), "breadth": refit(blind, y)}
    row = group_table(refits, [("breadth", "evening", "spike", 1)], quick).iloc[0]
    assert row["gain"] > 0.0
    # by hand: fold totals of the gain, t with five degrees of freedom
    saved = np.where(y > 0, np.log(lucky) - np.log(0.3), np.log1p(-lucky) - np.log(0.7))
    paid = np.where(y > 0, -np.log(0.3), -np.log(0.7))
    left = (saved - saved.sum() / paid.sum() * paid).reshape(6, 100).sum(axis=1)
    error = np.sqrt(6 / 5 * (left**2).sum()) / paid.sum()
    assert row["p_value"] == pytest.approx(t.sf(row["gain"] / error, 5))
    assert row["gain_lo"] == pytest.approx(row["gain"] - t.ppf(0.95, 5) * error)
    assert row["gain_lo"] < 0.0 and not row["useful"]


def test_one_fit_gives_no_interval(quick: TrainingSettings) -> None:
    y = (np.random.default_rng(5).random(90) < 0.3).astype(float)
    refits = {WHOLE: refit(np.full(90, 0.2), y), "breadth": refit(np.full(90, 0.3), y)}
    row = group_table(refits, [("breadth", "evening", "spike", 1)], quick).iloc[0]
    assert row["note"] == ONE_FIT and row["gain"] is None
