"""Labels against a slow loop over the table of heads, by hand, and under truncation."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from features.errors import UsageError
from models.heads import HEADS, HeadKey, band_bounds, expected_move, head_keys, parse_key
from models.labels import labels

SHORT = {
    "breach_1",
    "breach_down_1",
    "spike_1",
    "gap_down_1",
    "breach_open_1",
    "shift_up_5",
    "shift_down_5",
}


def _band(vix: float) -> int:
    return 0 if vix < 15 else 1 if vix < 20 else 2 if vix < 30 else 3


def _vol(close: np.ndarray, first: int, last: int) -> float:
    squares = [math.log(close[k] / close[k - 1]) ** 2 for k in range(first, last + 1)]
    return 100.0 * math.sqrt(252.0 * sum(squares) / len(squares))


def _slow(spine: pd.DataFrame, key: HeadKey, t: int) -> float:
    """Label at row t by the words of the table; NaN where a price is missing or not scored."""
    vix, close, opening = (spine[c].to_numpy() for c in ("vix_close", "spx_close", "spx_open"))
    h = key.horizon
    if t + h >= len(spine) or (math.isnan(vix[t]) and key.head != "expansion"):
        return math.nan
    move = vix[t] / math.sqrt(252.0) / 100.0
    if key.head in ("shift_up", "shift_down"):
        ahead = vix[t + 1 : t + h + 1]
        stuck = _band(vix[t]) == (3 if key.head == "shift_up" else 0)
        if np.isnan(ahead).any() or stuck:
            return math.nan
        sign = 1 if key.head == "shift_up" else -1
        return float(sum(sign * (_band(v) - _band(vix[t])) > 0 for v in ahead) >= 2)
    if key.head == "expansion":
        if t < 21:
            return math.nan
        ahead_vol, past_vol = _vol(close, t + 1, t + h), _vol(close, t - 20, t)
        known = not math.isnan(ahead_vol + past_vol)
        return float(ahead_vol > 1.5 * past_vol) if known else math.nan
    if key.head == "premium_failure":
        ahead_vol = _vol(close, t + 1, t + h)
        return math.nan if math.isnan(ahead_vol) else float(ahead_vol > vix[t])
    if key.head == "spike":
        return math.nan if math.isnan(vix[t + 1]) else float(vix[t + 1] >= 1.10 * vix[t])
    whole = math.log(close[t + 1] / close[t])
    night, day = math.log(opening[t + 1] / close[t]), math.log(close[t + 1] / opening[t + 1])
    answer = {
        "breach": (whole, abs(whole) > move),
        "breach_down": (whole, whole < -move),
        "gap_down": (night, night < -0.5 * move),
        "breach_open": (day, abs(day) > 0.75 * move),
    }[key.head]
    return math.nan if math.isnan(answer[0]) else float(answer[1])


def _steps(vix: list[float]) -> pd.DataFrame:
    index = pd.bdate_range("2020-01-06", periods=len(vix), name="session", unit="us")
    return pd.DataFrame(
        {"spx_open": 100.0, "spx_close": 100.0, "vix_close": vix}, index=index, dtype=float
    )


def test_labels_equal_a_slow_loop_even_around_missing_prices(spine: pd.DataFrame) -> None:
    part = spine.iloc[:500].copy()
    rng = np.random.Generator(np.random.PCG64(5))
    for column in ("vix_close", "spx_close", "spx_open"):
        part.loc[part.index[rng.integers(60, 460, 4)], column] = np.nan
    y, _ = labels(part)
    for key in head_keys("evening"):
        expected = np.array([_slow(part, key, t) for t in range(len(part))])
        np.testing.assert_array_equal(y[key.id].to_numpy(), expected, err_msg=key.id)
        assert np.isnan(expected).any()
        assert set(expected[~np.isnan(expected)]) == {0.0, 1.0}, key.id


def test_a_shift_needs_two_closes_and_somewhere_to_go() -> None:
    y, _ = labels(_steps([18, 20, 18, 18, 19.99, 20, 18, 14.99, 14.99, 15, 15]))
    # The next five of row 0 hold 20.00 twice (bands include their lower edge).
    assert y["shift_up_5"].iloc[0] == 1.0
    assert y["shift_up_5"].iloc[1] == 0.0
    assert y["shift_down_5"].iloc[0] == 0.0
    assert y["shift_down_5"].iloc[3] == 1.0
    assert y["shift_down_5"].iloc[2] == 0.0  # one close below 15 only
    crisis, _ = labels(_steps([30, 31, 29, 29, 30, 40, 40]))
    assert np.isnan(crisis["shift_up_5"].iloc[0])
    assert crisis["shift_down_5"].iloc[0] == 1.0
    calm, _ = labels(_steps([14.99, 16, 16, 10, 10, 10, 10]))
    assert np.isnan(calm["shift_down_5"].iloc[0])
    assert calm["shift_up_5"].iloc[0] == 1.0


def test_thresholds_at_the_edge_follow_the_inequalities() -> None:
    spine = _steps([20.0, 22.0, 24.19])
    y, _ = labels(spine)
    assert y["spike_1"].tolist()[:2] == [1.0, 0.0]
    move = 20.0 / math.sqrt(252.0) / 100.0
    assert expected_move(np.array([20.0]))[0] == pytest.approx(move)
    for factor, expected in ((1.001, 1.0), (0.999, 0.0)):
        spine = _steps([20.0, 20.0])
        spine.loc[spine.index[1], "spx_close"] = 100.0 * math.exp(-factor * move)
        spine.loc[spine.index[1], "spx_open"] = 100.0 * math.exp(-factor * move / 2)
        row = labels(spine)[0].iloc[0]
        assert row["breach_1"] == row["breach_down_1"] == row["gap_down_1"] == expected
        assert row["breach_open_1"] == 0.0  # half a move from open to close


def test_band_bounds_by_hand() -> None:
    lower, upper = band_bounds(np.array([14.99, 15.0, 20.0, 30.0, np.nan]))
    assert lower.tolist()[:4] == [0.0, 15.0, 20.0, 30.0]
    assert upper.tolist()[:4] == [15.0, 20.0, 30.0, math.inf]
    assert np.isnan([lower[4], upper[4]]).all()


def test_end_is_the_session_that_completes_the_label(spine: pd.DataFrame) -> None:
    y, end = labels(spine.iloc[:60])
    for key in head_keys("evening"):
        assert end[key.id].iloc[10] == spine.index[10 + key.horizon]
        assert end[key.id].isna().sum() == key.horizon
        assert y[key.id].iloc[60 - key.horizon :].isna().all()


@pytest.mark.parametrize("cut", [100, 233, 399])
def test_labels_that_end_by_u_do_not_change_when_later_rows_are_dropped(
    spine: pd.DataFrame, cut: int
) -> None:
    whole, end = labels(spine.iloc[:450])
    short, short_end = labels(spine.iloc[: cut + 1])
    for name in whole:
        done = (end[name] <= spine.index[cut]).to_numpy()
        pd.testing.assert_series_equal(whole[name][done], short[name].iloc[: done.sum()])
        assert short_end[name].notna().sum() == done.sum()


def test_nothing_at_or_before_t_but_its_own_past_enters(spine: pd.DataFrame) -> None:
    """Prices after the end of a label do not move it."""
    part = spine.iloc[:120].copy()
    before, end = labels(part)
    part.iloc[80:] *= 3.0
    after, _ = labels(part)
    for name in before:
        done = (end[name] < part.index[80]).to_numpy()
        pd.testing.assert_series_equal(before[name][done], after[name][done])
        assert not before[name].equals(after[name])


def test_head_keys_of_the_moments() -> None:
    evening = {k.id for k in head_keys("evening")}
    long = ("shift_up", "shift_down", "expansion", "premium_failure")
    assert evening == {f"{n}_{h}" for n in long for h in (5, 10, 21)} | {
        k for k in SHORT if k.endswith("_1")
    }
    assert {k.id for k in head_keys("eve")} == {k.id for k in head_keys("preopen")} == SHORT
    assert {n for n, head in HEADS.items() if head.needs_open} == {"gap_down", "breach_open"}


def test_parse_key_round_trips_and_refuses() -> None:
    for key in head_keys("evening"):
        assert parse_key(key.id) == key
    with pytest.raises(UsageError, match="shift_up_6"):
        parse_key("shift_up_6")


def test_a_spine_without_a_column_is_refused(spine: pd.DataFrame) -> None:
    with pytest.raises(UsageError, match="spx_open"):
        labels(spine.drop(columns="spx_open"))
