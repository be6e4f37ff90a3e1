from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from models.scores import brier
from training.diagnostics import alarms, brier_parts, claims, diagnose, lead_times
from training.evaluate import skill_table
from training.report import clean
from training.screen_evaluate import evaluate_screen
from training.settings import TrainingSettings
from training.strata import dated, event_windows, strata


def test_brier_parts_add_up() -> None:
    rng = np.random.default_rng(8)
    p = rng.uniform(size=500)
    y = (rng.uniform(size=500) < p).astype(float)
    parts = brier_parts(y, p)
    total = parts.reliability - parts.resolution + parts.uncertainty + parts.within_bins
    assert total == pytest.approx(brier(y, p))
    assert abs(parts.within_bins) < 0.01


def test_brier_parts_by_hand() -> None:
    # two bins of two: said 0.2, seen 0; said 0.8, seen 1
    y, p = np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.2, 0.2, 0.8, 0.8])
    parts = brier_parts(y, p, bins=2)
    assert parts.reliability == pytest.approx(0.04)
    assert parts.resolution == pytest.approx(0.25)
    assert parts.uncertainty == pytest.approx(0.25)
    assert parts.within_bins == pytest.approx(0.0)


def test_alarms_are_the_highest_tenth() -> None:
    p = np.arange(40) / 40.0
    assert np.flatnonzero(alarms(p)).tolist() == [36, 37, 38, 39]


def test_lead_times_by_hand() -> None:
    y = np.array([0, 1, 1, 1, 0, 0, 1, 0, 1, 1])
    alarm = np.array([1, 0, 1, 1, 0, 0, 0, 1, 0, 1], bool)
    # first episode: alarm on its second of three sessions; second: none; third: on its last
    assert lead_times(y, alarm) == pytest.approx([2.0, np.nan, 1.0], nan_ok=True)


def test_event_windows_by_hand() -> None:
    days = pd.bdate_range("2024-01-01", periods=6).as_unit("us")
    found = event_windows(days, 2, {"CPI": days[[3]]})
    # the window is the two sessions after: 1 and 2 see session 3, 3 itself does not
    assert found["CPI"].tolist() == [False, True, True, False, False, False]


def test_a_window_that_the_dates_do_not_reach_is_known_to_be_so() -> None:
    days = pd.bdate_range("2024-01-01", periods=8).as_unit("us")
    # dates from session 3 to 5: the windows of two sessions of 2 and 3 lie wholly inside
    assert dated(days, 2, days[[3, 5]]).tolist() == [False] * 2 + [True] * 2 + [False] * 4
    # a list that goes on beyond the last session
    after = days[[3]].append(pd.DatetimeIndex(["2024-03-01"]))
    assert dated(days, 2, after).tolist() == [False] * 2 + [True] * 6
    assert not dated(days, 2, days[:0]).any()


def test_sessions_without_dates_have_a_stratum_of_their_own(quick: TrainingSettings) -> None:
    rows = frame()
    days = pd.DatetimeIndex(rows["session"])
    spine = pd.DataFrame({"vix_close": 17.0}, index=days)
    late = days[300::21].append(pd.DatetimeIndex(["2030-01-02"]))
    table = strata(rows, spine, {"CPI": late, "PPI": days[:0]}, quick)
    n = table.set_index(["kind", "stratum"])["n"]
    assert n["CPI"]["no dates"] == 295 and n["CPI"].sum() == 600  # windows from session 295 see 300
    assert n["PPI"].to_dict() == {"no dates": 600}


def frame(n: int = 600) -> pd.DataFrame:
    rng = np.random.default_rng(9)
    p = rng.uniform(0.05, 0.6, n)
    return pd.DataFrame(
        {
            "session": pd.bdate_range("2010-01-01", periods=n).as_unit("us"),
            "at": "evening",
            "head": "shift_up",
            "horizon": 5,
            "y": (rng.uniform(size=n) < p).astype(float),
            "p": p,
            "prior": 0.3,
            "climatology": 0.3,
        }
    )


def test_strata_are_a_partition_and_small_ones_have_no_interval(quick: TrainingSettings) -> None:
    rows = frame()
    days = pd.DatetimeIndex(rows["session"])
    vix = np.tile([12.0, 17.0, 25.0, 40.0], 150)
    vix[:550] = 17.0
    spine = pd.DataFrame({"vix_close": vix}, index=days)
    table = strata(rows, spine, {"CPI": days[::21]}, quick)
    assert table.groupby("kind")["n"].sum().tolist() == [600, 600, 600]
    small = table[table["n"] < 63]
    assert len(small) and small["gain_lo"].isna().all()
    # each stratum's loss, weighted, is the whole
    whole = table[table["kind"] == "year"]
    y, p = rows["y"], rows["p"]
    expected = -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))
    assert np.average(whole["log_loss"], weights=whole["n"]) == pytest.approx(expected)


def test_diagnose_has_a_row_for_each_head() -> None:
    table = diagnose(frame())
    row = table.iloc[0]
    assert len(table) == 1
    assert row["hit_rate"] > row["false_alarm_rate"]
    assert 0.0 < row["precision"] <= 1.0


def test_claims_are_corrected_over_all_heads() -> None:
    skill = pd.DataFrame(
        {
            "at": "evening",
            "head": ["a", "b"],
            "horizon": 5,
            "gain": [0.1, 0.0],
            "p_value": [0.01, 0.5],
        }
    )
    table = claims(skill)
    assert table["p_holm"].tolist() == pytest.approx([0.02, 0.5])
    assert table["q_bh"].tolist() == pytest.approx([0.02, 0.5])


def test_the_screen_of_a_run_shows_every_head_in_eighty_columns(quick: TrainingSettings) -> None:
    oos = rows_for_screen()
    skill = skill_table(oos, quick)
    document = {
        "model_version": "2024-12-31-00000000",
        "until": "2024-12-31",
        "oos_path": "oos.parquet",
        "baselines": {
            "compared": ["climatology", "prior"],
            "left_out": [{"baseline": "gjr_garch", "why": "not installed"}],
        },
        "skill": clean(skill),
        "groups": [],
        "group_verdicts": [],
        "gates": [{"gate": "data", "passed": True, "detail": "unbroken " * 20}],
        "diagnostics": clean(diagnose(oos)),
        "strata": [
            {
                "at": "evening",
                "head": "shift_up",
                "horizon": 5,
                "kind": "year",
                "stratum": "2020",
                "n": 252,
                "base_rate": None,
                "gain": 0.1,
                "gain_lo": -0.2,
                "gain_hi": 0.3,
            }
        ],
        "claims": clean(claims(skill)),
    }
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(evaluate_screen(document, ("shift_up_5",)))
    text = console.export_text()
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    assert text.count("premium_failure") >= 2
    assert "2020" in text and "+0.100 [-0.200, +0.300]" in text
    assert "left out: gjr_garch: not installed" in text


def rows_for_screen() -> pd.DataFrame:
    rng = np.random.default_rng(2)
    parts = []
    for head, horizon in (("shift_up", 5), ("premium_failure", 21)):
        y = (rng.random(400) < 0.2).astype(float)
        p = 0.2 + 0.2 * (y - 0.2) + 0.05 * rng.standard_normal(400)
        parts.append(
            pd.DataFrame(
                {
                    "session": pd.bdate_range("2020-01-01", periods=400).as_unit("us"),
                    "at": "evening",
                    "head": head,
                    "horizon": horizon,
                    "y": y,
                    "p": np.clip(p, 0.01, 0.9),
                    "prior": 0.2,
                    "climatology": 0.2,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)
