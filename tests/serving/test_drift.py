from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from river.drift import ADWIN

from serving.alarms import drift_rows
from serving.drift import adwin, benjamini_hochberg, effective_size, ks_test, psi
from serving.settings import MonitorSettings


def river_alarms(values: np.ndarray, delta: float) -> list[int]:
    detector = ADWIN(delta=delta, clock=1, grace_period=10)
    out = []
    for place, value in enumerate(values):
        detector.update(float(value))
        if detector.drift_detected:
            out.append(place)
    return out


@pytest.mark.parametrize("shift", [0.3, 0.5, 0.8])
def test_adwin_finds_a_shift_where_river_does(shift: float) -> None:
    rng = np.random.default_rng(3)
    values = np.concatenate([rng.normal(0, 0.3, 300), rng.normal(shift, 0.3, 300)])
    ours, theirs = adwin(values, delta=0.002), river_alarms(values, 0.002)
    assert ours and theirs
    assert ours[0] >= 300 and theirs[0] >= 300
    assert ours[0] <= theirs[0] + 5  # every cut is tried, so never much later than the buckets


def test_adwin_is_silent_on_a_calibrated_stream_as_river_is() -> None:
    rng = np.random.default_rng(4)
    p = rng.uniform(0.05, 0.6, 1000)
    residual = (rng.uniform(size=1000) < p) - p
    assert adwin(residual, delta=0.002) == river_alarms(residual, 0.002) == []


def test_psi_by_hand() -> None:
    reference = np.repeat([0.0, 1.0], 50)
    live = np.repeat([0.0, 1.0], [20, 80])
    # bins hold 0.5/0.5 against 0.2/0.8: (-.3) ln .4 + (.3) ln 1.6
    expected = -0.3 * np.log(0.4) + 0.3 * np.log(1.6)
    assert psi(reference, live, bins=2) == pytest.approx(expected)
    assert psi(reference, reference, bins=2) == 0.0


def test_ks_agrees_with_scipy_on_independent_samples() -> None:
    from scipy.stats import ks_2samp

    rng = np.random.default_rng(1)
    a, b = rng.normal(0, 1, 400), rng.normal(0.15, 1, 300)
    ours, theirs = ks_test(a, b), ks_2samp(a, b)
    assert ours.distance == pytest.approx(theirs.statistic, abs=1e-12)
    assert ours.p_value == pytest.approx(theirs.pvalue, abs=0.03)


def test_persistence_is_no_drift() -> None:
    rng = np.random.default_rng(2)
    alarms = 0
    for _ in range(60):
        walk = np.zeros(1323)
        for i in range(1, len(walk)):
            walk[i] = 0.97 * walk[i - 1] + rng.normal()
        alarms += ks_test(walk[:1260], walk[1260:]).p_value < 0.05
    assert alarms <= 9  # a test that took the rows for independent rejects nearly always
    assert effective_size(walk) < 60


def test_benjamini_hochberg_by_hand() -> None:
    p = np.array([0.001, 0.04, 0.03, 0.20, np.nan])
    # limits of the four known at 5 %: .0125 .025 .0375 .05; 0.03 and 0.04 lie above theirs
    assert benjamini_hochberg(p, rate=0.05).tolist() == [True, False, False, False, False]
    assert benjamini_hochberg(p, rate=0.10).tolist() == [True, True, True, False, False]


def test_a_moved_and_a_lost_column_are_found_and_a_still_one_is_not() -> None:
    rng = np.random.default_rng(6)
    old = pd.DataFrame(rng.normal(size=(1000, 3)), columns=["still", "moved", "lost"])
    new = pd.DataFrame(rng.normal(size=(63, 3)), columns=["still", "moved", "lost"])
    new["moved"] += 1.5
    new["lost"] = np.nan
    rows = drift_rows(old, new, MonitorSettings())
    assert {row["name"]: row["drifted"] for row in rows} == {
        "still": False, "moved": True, "lost": True,
    }  # fmt: skip
