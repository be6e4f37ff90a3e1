from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from training import gates
from training.evaluate import skill_table
from training.gates import Gate
from training.judge import decide
from training.promote import Champion
from training.settings import TrainingSettings


def oos(n: int = 800, *, skill: float = 1.0, seed: int = 2, shift: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    parts = []
    for horizon in (5, 10):
        signal = rng.standard_normal(n)
        y = (rng.uniform(size=n) < 1.0 / (1.0 + np.exp(1.5 - signal))).astype(float)
        parts.append(
            pd.DataFrame(
                {
                    "session": pd.bdate_range("2010-01-01", periods=n).as_unit("us"),
                    "at": "evening",
                    "head": "shift_up",
                    "horizon": horizon,
                    "y": y,
                    "p": 1.0 / (1.0 + np.exp(1.5 - skill * signal - shift)),
                    "prior": y.mean(),
                    "climatology": y.mean(),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def test_baseline_gate_opens_with_skill_and_closes_without(quick: TrainingSettings) -> None:
    opened = gates.baseline_gate(skill_table(oos(skill=1.0), quick), quick)
    assert opened.passed
    assert "shift_up_5 +" in opened.detail and "over climatology" in opened.detail
    assert not gates.baseline_gate(skill_table(oos(skill=-0.3), quick), quick).passed


def test_baseline_gate_needs_every_primary_head(quick: TrainingSettings) -> None:
    frame = oos()
    only = frame[frame["horizon"] == 5]
    answer = gates.baseline_gate(skill_table(only, quick), quick)
    assert not answer.passed
    assert "shift_up_10" in answer.detail


def test_champion_gate_without_champion_is_open(quick: TrainingSettings) -> None:
    assert gates.champion_gate(oos(), None, quick).passed


def test_champion_gate_opens_for_an_equal_and_closes_for_a_worse(quick: TrainingSettings) -> None:
    standing = oos(skill=1.0)
    assert gates.champion_gate(standing, standing, quick, champion="a").passed
    worse = gates.champion_gate(oos(skill=0.3), standing, quick, champion="a")
    assert not worse.passed
    assert "against a: shift_up_5 -" in worse.detail


def test_a_fallback_champion_is_judged_by_its_prior(quick: TrainingSettings) -> None:
    theirs = oos(skill=1.0)
    # as a fallback it answers 'prior', which is far worse than its own p
    mine = oos(skill=0.5)
    assert not gates.champion_gate(mine, theirs, quick, champion="a").passed
    answer = gates.champion_gate(mine, theirs, quick, champion="a", champion_is_fallback=True)
    assert answer.passed


def test_calibration_gate(quick: TrainingSettings) -> None:
    assert gates.calibration_gate(oos(skill=1.0), quick).passed
    shifted = gates.calibration_gate(oos(skill=1.0, shift=1.0), quick)
    assert not shifted.passed
    assert "limit" in shifted.detail


def test_data_gate_names_what_is_missing(quick: TrainingSettings, world: SimpleNamespace) -> None:
    last = world.days[-1]
    assert gates.data_gate(world.spine, last, quick).passed
    later = gates.data_gate(world.spine, last + pd.Timedelta(days=1), quick)
    assert not later.passed and "last SPX close" in later.detail
    holed = world.spine.copy()
    holed.loc[world.days[-10], "vix_close"] = np.nan
    answer = gates.data_gate(holed, last, quick)
    assert not answer.passed and f"{world.days[-10]:%Y-%m-%d}" in answer.detail


def test_features_gate() -> None:
    assert gates.features_gate(["a", "b"], ["b", "a", "c"]).passed
    assert "z" in gates.features_gate(["a", "z"], ["a"]).detail


def test_stability_gate(quick: TrainingSettings) -> None:
    new = pd.DataFrame({"shift_up_5": [0.3, 0.2, 0.1, 0.0]}, index=list("abcd"))
    assert gates.stability_gate(None, new, quick).passed
    assert gates.stability_gate(new * 2.0, new, quick).passed
    turned = pd.DataFrame({"shift_up_5": [0.0, 0.1, 0.2, 0.3]}, index=list("abcd"))
    assert not gates.stability_gate(turned, new, quick).passed


def test_look_ahead_gate() -> None:
    assert gates.look_ahead_gate([], checked="4 rows").detail == "4 rows"
    assert not gates.look_ahead_gate(["evening 2020-01-02 rsi"], checked="").passed


FALLBACK = Champion("v", "bundles/v", None, True, "2020-01-02")
MODEL = Champion("v", "bundles/v", None, False, "2020-01-02")


@pytest.mark.parametrize(
    ("closed", "champion", "expected"),
    [
        ([], None, (True, False)),
        ([], MODEL, (True, False)),
        (["beats_baseline"], None, (True, True)),
        (["beats_baseline"], FALLBACK, (True, True)),
        (["beats_baseline"], MODEL, (False, False)),
        (["beats_champion"], MODEL, (False, False)),
        # a look-ahead is no matter of skill: not even a fallback serves from it
        (["look_ahead"], None, (False, False)),
        (["data", "beats_baseline"], None, (False, False)),
    ],
)
def test_decision(
    closed: list[str], champion: Champion | None, expected: tuple[bool, bool]
) -> None:
    names = ["beats_champion", "beats_baseline", "calibration", "look_ahead", "data", "features"]
    answers = [Gate(name, name not in closed, "") for name in names]
    assert decide(answers, champion) == expected
