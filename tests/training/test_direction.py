"""A planted lead is found, noise is not, and nothing looks past its fold."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from training.direction import FORWARD, REVERSE, added_skill, direction_table
from training.settings import TrainingSettings

N = 1500


@pytest.fixture(scope="module")
def setting() -> SimpleNamespace:
    rng = np.random.default_rng(8)
    days = pd.bdate_range("2015-01-01", periods=N, name="session").as_unit("us")
    control, cause, noise = rng.standard_normal((3, N))
    p = 1.0 / (1.0 + np.exp(1.2 - 0.6 * control - 1.0 * cause))
    y = pd.Series((rng.random(N) < p).astype(float), index=days)
    frame = pd.DataFrame({"control": control, "cause": cause, "noise": noise}, index=days)
    end = pd.Series(days, index=days).shift(-1)
    return SimpleNamespace(y=y.where(end.notna()), end=end, frame=frame)


def ask(setting: SimpleNamespace, extra: str, quick: TrainingSettings) -> dict[str, Any]:
    return added_skill(
        setting.y, setting.end, setting.frame[["control"]], setting.frame[[extra]], 1, quick
    )


def test_a_planted_lead_is_found_and_noise_is_not(
    setting: SimpleNamespace, quick: TrainingSettings
) -> None:
    found, nothing = ask(setting, "cause", quick), ask(setting, "noise", quick)
    assert found["gain_lo"] > 0.03
    assert nothing["gain_lo"] < 0.0 and abs(nothing["gain"]) < 0.01
    assert found["n"] == nothing["n"] > 1000


def test_what_the_controls_know_already_adds_nothing(
    setting: SimpleNamespace, quick: TrainingSettings
) -> None:
    copy = setting.frame[["control"]].rename(columns={"control": "again"})
    told = added_skill(setting.y, setting.end, setting.frame[["control"]], copy, 1, quick)
    assert abs(told["gain"]) < 0.005


def test_later_labels_change_no_earlier_fold(
    setting: SimpleNamespace, quick: TrainingSettings
) -> None:
    """The future turned round changes the scored truth of later years alone."""
    last_year = setting.y.index.year == setting.y.index.year.max()
    kept = setting.y.index[~last_year]
    short = added_skill(
        setting.y.loc[kept],
        setting.end.loc[kept],
        setting.frame.loc[kept, ["control"]],
        setting.frame.loc[kept, ["cause"]],
        1,
        quick,
    )
    turned = setting.y.mask(last_year)
    whole = added_skill(
        turned, setting.end, setting.frame[["control"]], setting.frame[["cause"]], 1, quick
    )
    assert whole["gain"] == pytest.approx(short["gain"], abs=1e-12)


def test_few_rows_and_absent_columns_are_an_answer(
    setting: SimpleNamespace, quick: TrainingSettings
) -> None:
    few = setting.frame.index[:300]
    told = added_skill(
        setting.y.loc[few],
        setting.end.loc[few],
        setting.frame.loc[few, ["control"]],
        setting.frame.loc[few, ["cause"]],
        1,
        quick,
    )
    assert told["gain"] is None and "too few rows" in told["note"]
    none = added_skill(
        setting.y, setting.end, setting.frame[["control"]], setting.frame[[]], 1, quick
    )
    assert none["note"] == "no such data"


def test_the_table_asks_both_ways_and_says_when_the_night_is_not_controlled_for(
    world: Any, quick: TrainingSettings
) -> None:
    from models.structural import structural_inputs

    rng = np.random.default_rng(2)
    features = pd.DataFrame(
        {"all_liq_day_z": rng.standard_normal(900), "all_liq_z": rng.standard_normal(900)},
        index=world.days,
    )
    data = SimpleNamespace(
        features=features,
        inputs=structural_inputs(world.spine),
        labels=world.labels,
        label_end=world.label_end,
    )
    table = direction_table({"evening": data, "preopen": data}, quick)
    assert set(table["question"]) == {FORWARD, REVERSE}
    night = table[table["at"] == "preopen"]
    assert night["note"].str.contains("index futures absent").all()
    assert (table["gain_lo"].dropna() < 0.02).all()
