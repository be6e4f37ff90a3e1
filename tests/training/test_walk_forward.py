from __future__ import annotations

from datetime import date
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.errors import DataError
from models.heads import HeadKey
from training.jobs import Job, jobs_for
from training.splits import walk_forward_folds
from training.walk_forward import run_jobs, scored_rows


def folds_of(world: SimpleNamespace) -> list[Any]:
    return walk_forward_folds(world.days, first=date(2008, 1, 1), min_train=300)


def test_every_scored_row_was_forecast_by_a_model_that_had_not_seen_its_label(
    world: SimpleNamespace, fake_lay: Any
) -> None:
    folds = folds_of(world)
    results = run_jobs(jobs_for("evening", folds), {"evening": world}, None, lay=fake_lay)
    for fold, result in zip(folds, results, strict=True):
        rows = scored_rows(result.forecasts, world.labels)
        assert result.job.until < rows["session"].min()
        one = rows[(rows["head"] == "shift_up") & (rows["horizon"] == 5)]
        seen = world.labels["shift_up_5"][fold.train_mask(world.label_end["shift_up_5"])].dropna()
        # the forecast is the mean of exactly the purged training rows
        assert one["p"].iloc[0] == pytest.approx(seen.mean())


def test_cutting_the_future_away_changes_no_forecast(world: SimpleNamespace, fake_lay: Any) -> None:
    cut = folds_of(world)[1].test[-1]
    short = SimpleNamespace(**vars(world))
    short.features = world.features.loc[:cut]
    short.labels = world.labels.loc[:cut].where(world.label_end.loc[:cut] <= cut)
    short.label_end = world.label_end.loc[:cut]
    short.days = world.days[world.days <= cut]
    first = jobs_for("evening", folds_of(world)[:2])
    whole = run_jobs(first, {"evening": world}, None, lay=fake_lay)
    part = run_jobs(jobs_for("evening", folds_of(short)), {"evening": short}, None, lay=fake_lay)
    for a, b in zip(whole, part, strict=True):
        pd.testing.assert_frame_equal(a.forecasts, b.forecasts)


def test_results_come_in_the_order_of_the_jobs(world: SimpleNamespace, fake_lay: Any) -> None:
    jobs = jobs_for("evening", folds_of(world))
    told: list[float] = []
    results = run_jobs(
        jobs, {"evening": world}, None, lay=fake_lay, progress=lambda f, _: told.append(f)
    )
    assert [r.job for r in results] == jobs
    assert told == sorted(told) and told[-1] == 1.0


def test_the_caller_works_meanwhile_and_sees_each_result(
    world: SimpleNamespace, fake_lay: Any
) -> None:
    jobs, events = jobs_for("evening", folds_of(world)), []
    results = run_jobs(
        jobs,
        {"evening": world},
        None,
        lay=fake_lay,
        meanwhile=lambda: events.append("meanwhile"),
        seen=events.append,
    )
    assert events[0] == "meanwhile"
    assert sorted(map(id, events[1:])) == sorted(map(id, results))


def test_dropped_columns_and_heads_reach_the_fit(world: SimpleNamespace, fake_lay: Any) -> None:
    job = Job("evening", world.days[500], None, heads=("spike_1",), drop=("b1",), tag="b")
    world = SimpleNamespace(**vars(world))
    forecaster = run_jobs([job], {"evening": _data(world)}, None, lay=fake_lay)[0].forecaster
    assert forecaster.columns == ("a1", "a2")
    assert forecaster.keys == (HeadKey("spike", 1),)
    assert forecaster.light


def test_unscored_rows_are_left_out(world: SimpleNamespace) -> None:
    days = world.days[-8:]
    forecasts = pd.DataFrame(
        {
            "session": days,
            "at": "evening",
            "head": "breach",
            "horizon": 1,
            "p": [np.nan] + [0.2] * 7,
            "prior": 0.2,
            "climatology": 0.2,
        }
    )
    rows = scored_rows(forecasts, world.labels)
    # the first has no forecast, the last has no next close
    assert rows["session"].tolist() == list(days[1:-1])
    assert set(rows["y"]) <= {0.0, 1.0}


def test_a_final_fit_cannot_be_scored(world: SimpleNamespace) -> None:
    with pytest.raises(DataError, match="final fit"):
        scored_rows(None, world.labels)


def _data(world: SimpleNamespace) -> Any:
    from models.dataset import Dataset

    return Dataset(
        world.at,
        world.features,
        world.spine,
        world.labels,
        world.label_end,
        world.labels * 0.0,
        world.labels[[]].assign(vix=0.5, variance=0.5, size=0.5),
        world.labels[[]],
    )
