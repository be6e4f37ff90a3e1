"""Terms of the simulator by hand: days shut, recency, and what a pool says."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from models.dynamics import Dynamics, usable
from models.path_terms import (
    HALF_LIFE,
    mean_inputs,
    recency,
    ret_inputs,
    scale_weights,
    share_below,
    turns,
    vix_scale_inputs,
)
from models.state import state
from models.walk import Draws


def test_turns_of_a_week_by_hand() -> None:
    week = pd.DatetimeIndex(["2024-07-08", "2024-07-09", "2024-07-10", "2024-07-11", "2024-07-12"])
    assert turns(week, 1)[:, 0].tolist() == [0.0, 0.0, 0.0, 2.0, -2.0]
    # Monday: three steps of one day each, Friday's close sees three, Monday's one again
    assert turns(week[:1], 5)[0].tolist() == [0.0, 0.0, 0.0, 2.0, -2.0]


def test_turns_know_holidays_and_no_disaster() -> None:
    # Thursday before Good Friday sees four days, as its Wednesday knew.
    wednesday = pd.DatetimeIndex(["2024-03-27"])
    assert turns(wednesday, 2)[0].tolist() == [3.0, -3.0]
    # The Monday before 11 September 2001 is a Monday like others.
    assert turns(pd.DatetimeIndex(["2001-09-10"]), 4)[0].tolist() == [0.0, 0.0, 0.0, 2.0]


def test_turns_do_not_depend_on_the_sessions_after() -> None:
    sessions = pd.DatetimeIndex(["2024-07-08", "2024-07-11", "2024-07-12"])
    np.testing.assert_array_equal(turns(sessions, 21)[:2], turns(sessions[:2], 21))


def test_a_session_counts_for_half_after_four_years() -> None:
    assert recency(np.array([0, 1008, 2016])).tolist() == [1.0, 0.5, 0.25]
    assert HALF_LIFE == 4 * 252


def test_counts_stand_for_rows_repeated() -> None:
    rng = np.random.default_rng(5)
    x = np.column_stack([np.full(300, 1e-2), rng.gamma(2.0, size=(300, 2))])
    size = rng.gamma(2.0, size=300)
    counts = rng.integers(1, 5, 300)
    repeated = np.repeat(np.arange(300), counts)
    np.testing.assert_allclose(
        scale_weights(x, size, counts.astype(float)),
        scale_weights(x[repeated], size[repeated]),
        rtol=1e-9,
    )


def test_share_of_a_pool_by_a_loop() -> None:
    rng = np.random.default_rng(6)
    pool, counts, asked = rng.normal(size=40), rng.random(40), rng.normal(size=15)
    size = counts.sum() ** 2 / (counts**2).sum()
    slow = [
        (sum(c for v, c in zip(pool, counts, strict=True) if v < x) / counts.sum() * size + 0.5)
        / (size + 1.0)
        for x in asked
    ]
    np.testing.assert_allclose(share_below(pool, asked, counts), slow, rtol=1e-12)
    alike = [(int((pool < x).sum()) + 0.5) / 41.0 for x in asked]
    np.testing.assert_allclose(share_below(pool, asked), alike, rtol=1e-12)


def test_pairs_are_drawn_as_often_as_they_count() -> None:
    pairs = np.column_stack([np.linspace(-1.0, 1.0, 8), np.arange(8.0)])
    counts = np.array([1.0, 0.0, 2.0, 4.0, 1.0, 0.5, 0.25, 1.25])
    drawn = Draws.make(pairs, counts, paths=4000, seed=3).vix
    shares = np.bincount(drawn.astype(int).ravel(), minlength=8) / drawn.size
    # each step is stratified, so shares of a step are off by a stratum at most
    np.testing.assert_allclose(shares, counts / counts.sum(), atol=1e-3)


def test_vix_changes_follow_the_recent_years_and_all_else_does_not(
    spine: pd.DataFrame,
) -> None:
    s = state(spine)
    rows = np.flatnonzero(usable(s)[1])
    law = Dynamics.fit(s, rows)
    change, x = np.diff(s.log_vix)[rows], mean_inputs(s)[rows]
    assert law.drift == pytest.approx(float(np.diff(np.log(spine["spx_close"]))[rows].mean()))
    reversion = np.linalg.solve(x.T @ x, x.T @ change)
    np.testing.assert_allclose(law.vix_mean, reversion, rtol=1e-6, atol=1e-9)
    counts = np.array([0.5 ** ((rows[-1] - row) / 1008.0) for row in rows])
    sizes = np.abs(change - x @ reversion)
    expected = scale_weights(vix_scale_inputs(s)[rows], sizes, counts)
    np.testing.assert_allclose(law.vix_scale, expected, rtol=1e-6, atol=1e-9)
    moves = np.abs(np.diff(np.log(spine["spx_close"]))[rows] - law.drift)
    inputs = ret_inputs(s, law.move_of_range)[rows]
    expected = scale_weights(inputs, moves)
    np.testing.assert_allclose(law.ret_scale, expected, rtol=1e-6, atol=1e-9)
    alike = scale_weights(vix_scale_inputs(s)[rows], sizes)
    assert np.abs(law.vix_scale / np.maximum(alike, 1e-9) - 1.0).max() > 0.01
