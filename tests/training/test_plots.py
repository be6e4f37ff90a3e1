"""Every picture of a run is drawn, and says what its rows say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from training.plots import Pictures, draw_all
from training.plots_reasons import draw_reasons, explanation
from training.workers import crew

PNG = b"\x89PNG"


@pytest.fixture(scope="module")
def oos(world: Any) -> pd.DataFrame:
    rng = np.random.default_rng(4)
    days = world.days[300:800]
    parts = []
    for head, horizon in (("shift_up", 5), ("shift_up", 10)):
        y = (rng.random(len(days)) < 0.2).astype(float)
        p = np.clip(0.2 + 0.1 * y + 0.05 * rng.standard_normal(len(days)), 0.01, 0.99)
        parts.append(
            pd.DataFrame(
                {"session": days, "at": "evening", "head": head, "horizon": horizon, "y": y, "p": p}
            ).assign(prior=0.25, climatology=0.2, b_half=0.5)
        )
    return pd.concat(parts, ignore_index=True)


def test_every_picture_is_a_png(world: Any, oos: pd.DataFrame, tmp_path: Path) -> None:
    groups = pd.DataFrame(
        {
            "group": ["breadth", "events", "breadth"],
            "at": ["evening", "evening", "eve"],
            "head": ["shift_up", "shift_up", "spike"],
            "horizon": [5, 5, 1],
            "gain": [0.01, np.nan, -0.02],
            "gain_lo": [-0.01, np.nan, -0.03],
            "gain_hi": [0.02, np.nan, 0.01],
        }
    )
    study = pd.DataFrame(
        {
            "outcome": "vix_change_pct",
            "horizon": [1, 5],
            "events": 20,
            "effect": [0.1, -0.2],
            "effect_lo": [-1.0, -1.0],
            "effect_hi": [1.0, 1.0],
        }
    )
    together = groups.iloc[:1].drop(columns=["head", "horizon"])
    tables = {"groups": groups, "group_verdicts": together, "event_study": study}
    drawn = draw_all(tmp_path, oos, world.spine, tables, primary=("shift_up_5", "shift_up_10"))
    assert {path.stem for path in drawn} == {
        "reliability",
        "skill_by_year",
        "probability_timeline",
        "lead_time",
        "group_gains",
        "event_study",
    }
    assert all(path.read_bytes().startswith(PNG) for path in drawn)


@pytest.mark.parametrize("processes", [1, 2])
def test_pictures_hang_once_all_are_drawn(
    world: Any, oos: pd.DataFrame, tmp_path: Path, processes: int
) -> None:
    none = pd.DataFrame({"gain": []})
    tables = {"groups": none, "group_verdicts": none, "event_study": none}
    with crew(processes) as hands:
        pictures = Pictures(hands, tmp_path / "easel")
        pictures.draw(draw_all, oos, world.spine, tables, ("shift_up_5",))
        pictures.hang(tmp_path / "plots")
    assert not list((tmp_path / "easel").iterdir())
    assert len(list((tmp_path / "plots").glob("*.png"))) == 4


def test_reasons_show_features_alone_and_leave_a_silent_head_out(
    world: Any, tmp_path: Path
) -> None:
    rng = np.random.default_rng(4)
    days = world.days[-60:]
    loud = pd.DataFrame(rng.standard_normal((60, 3)), index=days, columns=["a1", "b1", "coherence"])
    silent = loud * 0.0
    what = explanation(loud, world.features)
    assert what.feature_names == ["a1", "b1"]
    np.testing.assert_array_equal(what.values, loud[["a1", "b1"]])
    np.testing.assert_array_equal(what.data, world.features.loc[days, ["a1", "b1"]])
    drawn = draw_reasons(tmp_path, {"up": loud, "down": silent}, world.features)
    assert {path.name for path in drawn} == {"shap_bar_up.png", "shap_beeswarm_up.png"}
    assert all(path.read_bytes().startswith(PNG) for path in drawn)
    again = draw_reasons(tmp_path / "again", {"up": loud}, world.features)
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in drawn]
