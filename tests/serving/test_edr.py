from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from serving.edr import edr_table, expected_ranges
from serving.settings import EdrSettings

SETTINGS = EdrSettings(window=100, min_sessions=20, coverage_sessions=40)


def market(n: int = 400) -> pd.DataFrame:
    rng = np.random.default_rng(8)
    vix = 17 + 3 * np.sin(np.arange(n) / 30)
    close = 4000 * np.exp(np.cumsum(rng.normal(0, vix / 100 / np.sqrt(252))))
    days = pd.bdate_range("2020-01-01", periods=n)
    return pd.DataFrame({"spx": close, "vix": vix, "vix9d": vix - 1, "vix1d": np.nan}, index=days)


def test_the_dossier_s_figures() -> None:
    flat = np.full(30, 7138.0)
    wanted = expected_ranges(
        flat, np.full(30, 17.95), np.full(30, 17.0), np.full(30, 12.0), settings=SETTINGS
    )
    assert wanted["edr_vix"][-1] == pytest.approx(17.95 / np.sqrt(252))
    assert wanted["edr_1d"][-1] == pytest.approx(12 / np.sqrt(252))
    # a flat index has no historical volatility: 0.1 x 17 / 0.6
    assert wanted["edr_blend"][-1] == pytest.approx(1.7 / 0.6 / np.sqrt(252))
    assert expected_ranges(
        flat, np.full(30, 14.92), flat, flat, settings=SETTINGS
    )["edr_vix"][-1] == pytest.approx(0.94, abs=0.001)  # fmt: skip


def test_nothing_looks_ahead() -> None:
    frame = market()
    whole = edr_table(frame, frame.index[-60:], settings=SETTINGS)
    for day in frame.index[-60:]:
        known = frame.loc[:day]
        assert edr_table(known, [day], settings=SETTINGS)[day] == whole[day]


def test_the_calibrated_range_is_the_conformal_quantile_of_its_band() -> None:
    frame = market()
    vix, close = frame["vix"].to_numpy(), frame["spx"].to_numpy()
    day = len(frame) - 1
    band = np.searchsorted([15, 20, 30], vix, side="right")
    ratio = [
        abs(np.log(close[s + 1] / close[s])) * 100 / (vix[s] / np.sqrt(252))
        for s in range(day)
        if band[s] == band[day]
    ][-SETTINGS.window :]
    order = min(int(np.ceil((len(ratio) + 1) * 0.8)), len(ratio))
    expected = sorted(ratio)[order - 1] * vix[day] / np.sqrt(252)
    got = edr_table(frame, [frame.index[-1]], settings=SETTINGS)[frame.index[-1]][3]
    assert got.name == "edr_cal" and got.pct == pytest.approx(expected)
    assert got.coverage is not None and 0.65 <= got.coverage <= 0.95


def test_unknown_inputs_give_null() -> None:
    frame = market()
    got = {
        e.name: e for e in edr_table(frame, [frame.index[-1]], settings=SETTINGS)[frame.index[-1]]
    }
    assert got["edr_1d"].pct is None and got["edr_1d"].coverage is None
    assert got["edr_1d"].points(4000) is None
