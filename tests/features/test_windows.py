"""Window arithmetic: parity with pandas, edges, holes, and independence of where a read begins."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features import tails, windows

VALUES = np.random.default_rng(3).normal(100.0, 7.0, 400)


@pytest.mark.parametrize("n", [2, 5, 63])
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (windows.rolling_sum, lambda r: r.sum()),
        (windows.rolling_mean, lambda r: r.mean()),
        (windows.rolling_std, lambda r: r.std()),
        (windows.rolling_max, lambda r: r.max()),
        (windows.rolling_min, lambda r: r.min()),
    ],
)
def test_rolling_equals_pandas(ours, theirs, n):
    expected = theirs(pd.Series(VALUES).rolling(n)).to_numpy()
    np.testing.assert_allclose(ours(VALUES, n), expected, rtol=1e-9)


def test_a_window_of_n_needs_n_values():
    assert np.isnan(windows.rolling_sum(VALUES[:4], 5)).all()
    assert np.isfinite(windows.rolling_sum(VALUES[:5], 5)).tolist() == [False] * 4 + [True]


def test_ema_is_the_plain_recursion_once_its_start_has_no_weight():
    plain = pd.Series(VALUES).ewm(alpha=0.1, adjust=False).mean().to_numpy()
    ours = windows.ema(VALUES, 0.1)
    assert np.isnan(ours[: len(windows.ema_weights(0.1)) - 1]).all()
    np.testing.assert_allclose(ours[200:], plain[200:], atol=1e-3 * 7.0)
    assert windows.ema_weights(0.1).sum() == pytest.approx(1.0, abs=1e-15)


OPERATIONS = {
    "sum": lambda x: windows.rolling_sum(x, 21),
    "std": lambda x: windows.rolling_std(x, 21),
    "z": lambda x: windows.rolling_z(x, 21),
    "ema": lambda x: windows.ema(x, 0.3),
    "rank": lambda x: windows.rolling_rank(x, 21),
    "since": lambda x: windows.rows_since((x > 105.0).astype(float), 21),
    "tail sum": lambda x: tails.tail_sum(x, np.arange(len(x)), 21, min_count=21),
    "tail z": lambda x: tails.tail_z(x, np.arange(len(x)), 21, min_count=21),
    "tail std": lambda x: tails.tail_std(x, np.arange(len(x)), 21, min_count=21),
    "tail rank": lambda x: tails.tail_rank(x, np.arange(len(x)), 21, min_count=21),
}


@pytest.mark.parametrize("name", OPERATIONS)
@given(skip=st.integers(0, 300), cut=st.integers(0, 50))
@settings(max_examples=25, deadline=None)
def test_a_value_has_the_same_bits_wherever_the_read_begins_and_ends(name, skip, cut):
    whole = OPERATIONS[name](VALUES)
    part = OPERATIONS[name](VALUES[skip : len(VALUES) - cut])
    known = np.isfinite(part)
    assert known.any()
    assert (part[known] == whole[skip : len(VALUES) - cut][known]).all()


def test_one_row_asked_alone_has_the_bits_of_the_row_asked_with_all():
    every = tails.tail_mean(VALUES, np.arange(len(VALUES)), 100)
    for row in (99, 250, 399):
        assert tails.tail_mean(VALUES, np.array([row]), 100)[0] == every[row]


def test_rank_counts_smaller_values_before_and_half_the_ties():
    x = np.array([3.0, 1.0, 2.0, 2.0, 5.0])
    # before the last: 3 1 2 2, all smaller; before the fourth: 3 1 2, one smaller, one tie
    assert windows.rolling_rank(x, 4)[-1] == 1.0
    assert windows.rolling_rank(x, 3)[3] == pytest.approx(1.5 / 3)


def test_rows_since_and_its_cap():
    flags = np.array([0, 1, 0, 0, 0, 0, 1], dtype=float)
    assert windows.rows_since(flags, 3).tolist()[2:] == [1.0, 2.0, 3.0, 3.0, 0.0]
    assert np.isnan(windows.rows_since(np.array([0, np.nan, 0, 0.0]), 3)[-1])


def test_a_window_steps_over_single_holes_but_never_bridges_a_gap():
    x = np.arange(60, dtype=float)
    x[20] = np.nan
    mean = windows.on_observed(lambda v: windows.rolling_mean(v, 10), x, rows=10)
    assert np.isnan(mean[20])
    assert mean[21] == pytest.approx(np.mean([11, 12, 13, 14, 15, 16, 17, 18, 19, 21]))
    x[30:40] = np.nan
    mean = windows.on_observed(lambda v: windows.rolling_mean(v, 10), x, rows=10)
    assert np.isnan(mean[40:47]).all()
    assert np.isfinite(mean[49])


def test_tails_tolerate_one_hole_in_ten_and_no_more():
    x = np.ones(20)
    x[3] = np.nan
    assert tails.tail_sum(x, np.array([9]), 10)[0] == 9.0
    x[4] = np.nan
    assert np.isnan(tails.tail_sum(x, np.array([9]), 10)[0])
    assert np.isnan(tails.tail_sum(x, np.array([-1]), 3)[0])


def test_the_mean_of_the_known_is_that_of_each_window_alone():
    holes = np.where(np.random.default_rng(4).random(400) < 0.2, np.nan, VALUES)
    told = windows.known_mean(holes, 24, min_count=19)
    np.testing.assert_array_equal(
        told, tails.tail_mean(holes, np.arange(len(holes)), 24, min_count=19)
    )
    for row in (30, 222, 399):
        own = holes[row - 23 : row + 1]
        own = own[np.isfinite(own)]
        expected = own.mean() if len(own) >= 19 else np.nan
        np.testing.assert_allclose(told[row], expected, rtol=1e-12)
    assert np.isnan(told[:18]).all()


@pytest.mark.parametrize("length", [21, 22, 60, 400])
@pytest.mark.parametrize("name", ["sum", "std", "ema"])
def test_all_lags_at_once_are_the_lags_one_by_one_to_the_last_bit(monkeypatch, name, length):
    operation = OPERATIONS[name] if name != "ema" else lambda x: windows.ema(x, 0.5)
    at_once = operation(VALUES[:length])
    monkeypatch.setattr(windows, "_AT_ONCE", 0)
    np.testing.assert_array_equal(operation(VALUES[:length]), at_once)
