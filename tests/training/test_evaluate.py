from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from models.scores import log_loss_rows, stationary_indices
from training.evaluate import (
    SKILL_COLUMNS,
    baselines_compared,
    best_baseline,
    gain,
    mean_block,
    skill_table,
)
from training.settings import TrainingSettings


def rows(n: int = 600, *, seed: int = 1, skill: float = 1.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    signal = rng.standard_normal(n)
    truth = 1.0 / (1.0 + np.exp(1.5 - signal))
    return pd.DataFrame(
        {
            "session": pd.bdate_range("2010-01-01", periods=n).as_unit("us"),
            "at": "evening",
            "head": "shift_up",
            "horizon": 5,
            "y": (rng.uniform(size=n) < truth).astype(float),
            "p": 1.0 / (1.0 + np.exp(1.5 - skill * signal)),
            "prior": 0.25,
            "climatology": 0.2,
            "b_noise": rng.uniform(0.1, 0.6, n),
        }
    )


def test_gain_by_hand() -> None:
    quick = TrainingSettings(bootstrap_repeats=200)
    ones = np.ones(100)
    won = gain(0.9 * ones, 0.6 * ones, 1.5 * ones, horizon=1, settings=quick)
    # (0.9 - 0.6) / 1.5 on every row: no draw can differ
    assert (won.mean, won.lo, won.hi) == pytest.approx((0.2, 0.2, 0.2))


def test_a_repeated_baseline_gains_nothing_and_claims_nothing() -> None:
    quick = TrainingSettings(bootstrap_repeats=200)
    rng = np.random.default_rng(3)
    loss = rng.uniform(0.1, 1.0, 300)
    won = gain(loss, loss * (1.0 - 2e-16), loss, horizon=1, settings=quick)
    assert (won.mean, won.lo, won.hi, won.p_value) == (0.0, 0.0, 0.0, 1.0)


def test_interval_is_that_of_a_row_by_row_bootstrap(quick: TrainingSettings) -> None:
    frame = rows()
    y = frame["y"].to_numpy()
    model, prior = (
        log_loss_rows(y, frame["p"].to_numpy()),
        log_loss_rows(y, frame["prior"].to_numpy()),
    )
    climatology = log_loss_rows(y, frame["climatology"].to_numpy())
    won = gain(prior, model, climatology, horizon=5, settings=quick)
    draws = [
        (prior[index].mean() - model[index].mean()) / climatology[index].mean()
        for index in stationary_indices(len(y), mean_block=21, repeats=200, seed=quick.seed)
    ]
    assert won.lo == pytest.approx(np.quantile(draws, 0.05))
    assert won.hi == pytest.approx(np.quantile(draws, 0.95))


def test_blocks_are_at_least_21_sessions_and_cover_the_overlap() -> None:
    settings = TrainingSettings()
    assert [mean_block(h, settings) for h in (1, 5, 10, 21)] == [21, 21, 21, 42]


def test_skill_can_be_recomputed_from_the_rows_alone(quick: TrainingSettings) -> None:
    frame = rows()
    table = skill_table(frame, quick)
    assert tuple(table.columns[: len(SKILL_COLUMNS)]) == SKILL_COLUMNS
    row = table.iloc[0]
    y = frame["y"].to_numpy()
    by_name = {
        name: float(-np.mean(y * np.log(frame[c]) + (1 - y) * np.log(1 - frame[c])))
        for name, c in (("climatology", "climatology"), ("prior", "prior"), ("noise", "b_noise"))
    }
    best = min(by_name, key=lambda name: by_name[name])
    assert row["best_baseline"] == best
    assert row["log_loss_best_baseline"] == pytest.approx(by_name[best])
    expected = (by_name[best] - row["log_loss"]) / by_name["climatology"]
    assert row["gain"] == pytest.approx(expected)
    assert row["gain_lo"] < row["gain"] < row["gain_hi"]
    assert row["from"] == "2010-01-01" and row["n"] == len(frame)


def test_a_baseline_with_a_hole_does_not_compete() -> None:
    frame = rows()
    frame["b_oracle"] = frame["y"].clip(0.01, 0.99)
    assert best_baseline(frame)[0] == "oracle"
    frame.loc[3, "b_oracle"] = np.nan
    assert best_baseline(frame)[0] != "oracle"


def test_p_value_is_small_with_skill_and_large_without(quick: TrainingSettings) -> None:
    good = skill_table(rows(skill=1.0), quick).iloc[0]
    bad = skill_table(rows(skill=-1.0), quick).iloc[0]
    assert good["p_value"] < 0.01 < 0.99 < bad["p_value"]


def test_one_class_has_no_auc_and_the_json_says_null(quick: TrainingSettings) -> None:
    from training.report import clean

    frame = rows(60)
    frame["y"] = 0.0
    record = clean(skill_table(frame, quick))[0]
    assert record["auc"] is None
    assert record["base_rate"] == 0.0


def test_the_baselines_compared_are_named_and_those_left_out_with_the_reason() -> None:
    frame = pd.DataFrame(columns=["session", "y", "p", "b_vix_spline", "b_gjr_garch"])
    named = baselines_compared(frame)
    assert named["compared"] == ["climatology", "prior", "vix_spline", "gjr_garch"]
    left = {row["baseline"]: row["why"] for row in named["left_out"]}
    assert set(left) == {"gjr_recalibrated", "markov_switching"}
    assert "not installed" in left["markov_switching"]
