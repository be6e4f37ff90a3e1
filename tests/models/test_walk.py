"""The simulation's kernel against a slow loop, and what it takes a session's size to be."""

from __future__ import annotations

import dataclasses
import math
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from features.sessions import calendar
from models.dynamics import Dynamics
from models.paths import PathPrior
from models.simulate import PathOdds
from models.state import state


def _slow(
    prior: PathPrior, spine: pd.DataFrame, session: pd.Timestamp, path: int, steps: int
) -> tuple[list[float], list[float]]:
    """One path, every window taken anew from the whole history."""
    past = spine.loc[:session].iloc[-90:]
    close, vix = past["spx_close"].tolist(), past["vix_close"].tolist()
    high, low = past["spx_high"].tolist(), past["spx_low"].tolist()
    law, draws = prior.dynamics, prior.draws()
    log_vix = [math.log(v) for v in vix]
    returns = [math.log(b / a) for a, b in pairwise(close)]
    sizes = [
        law.move_of_range * math.log(max(high[i], close[i - 1]) / min(low[i], close[i - 1]))
        for i in range(1, len(close))
    ]

    def mean(values: list[float], width: int) -> float:
        return sum(values[-width:]) / width

    following = [session, *calendar().sessions(session)[1 : steps + 3]]
    shut = [(b - a).days for a, b in pairwise(following)]
    total, out_ret, out_vix = 0.0, [], []
    for k in range(steps):
        falls = [max(-r, 0.0) for r in returns]
        changes = [b - a for a, b in pairwise(log_vix)]
        moves = [abs(c) for c in changes]
        scale = np.dot(
            law.ret_scale,
            [
                0.01,
                math.exp(log_vix[-1]) / math.sqrt(252) / 100,
                mean(sizes, 5),
                mean(sizes, 21),
                falls[-1],
                mean(falls, 5),
            ],
        )
        centre = np.dot(
            law.vix_mean,
            [
                1.0,
                log_vix[-1],
                mean(log_vix, 5),
                mean(log_vix, 21),
                mean(log_vix, 63),
                returns[-1],
                mean(returns, 5),
                shut[k + 1] - shut[k],
            ],
        )
        spread = np.dot(
            law.vix_scale,
            [
                0.01,
                mean(moves, 5),
                mean(moves, 21),
                moves[-1],
                max(log_vix[-1] - mean(log_vix, 21), 0.0),
            ],
        )
        step = law.drift + float(scale) * draws.ret[k, path]
        log_vix.append(log_vix[-1] + float(centre) + float(spread) * draws.vix[k, path])
        returns.append(step)
        sizes.append(abs(step))
        total += step
        out_ret.append(total)
        out_vix.append(log_vix[-1])
    return out_ret, out_vix


@pytest.mark.parametrize("row", [400, 1450])
def test_paths_equal_a_slow_loop_beyond_every_window(
    spine: pd.DataFrame, path_prior: PathPrior, row: int
) -> None:
    # A fit sets some weights to zero; here none is.
    law = Dynamics(
        drift=0.0003,
        ret_scale=np.array([0.05, 0.3, 0.2, 0.15, 0.1, 0.25]),
        vix_mean=np.array([0.09, -0.1, 0.03, 0.02, 0.02, -0.3, 0.5, -0.01]),
        vix_scale=np.array([1.5, 0.2, 0.2, 0.1, 0.15]),
        move_of_range=0.6,
    )
    prior = dataclasses.replace(path_prior, dynamics=law)
    session, steps = spine.index[row], 40
    log_return, log_vix = prior.sample(spine, pd.DatetimeIndex([session]), steps)
    for path in (0, 7, log_return.shape[1] - 1):
        expected_return, expected_vix = _slow(prior, spine, session, path, steps)
        np.testing.assert_allclose(log_return[0, path], expected_return, rtol=0, atol=1e-11)
        np.testing.assert_allclose(log_vix[0, path], expected_vix, rtol=0, atol=1e-10)


def _bars(rows: list[tuple[float, float, float, float]]) -> pd.DataFrame:
    index = pd.date_range("2024-01-02", periods=len(rows), freq="B", name="session")
    names = ["spx_open", "spx_high", "spx_low", "spx_close"]
    return pd.DataFrame(rows, index=index, columns=names).assign(vix_close=15.0)


def test_a_gap_belongs_to_the_size_of_a_session() -> None:
    s = state(
        _bars(
            [
                (100.0, 101.0, 99.0, 100.0),
                (110.0, 112.0, 109.0, 111.0),  # gap up: from the close before to the high
                (100.0, 104.0, 99.0, 103.0),  # gap down
                (103.0, np.nan, np.nan, 104.0),  # nobody recorded high and low
            ]
        )
    )
    assert np.isnan(s.true_range[0])
    np.testing.assert_allclose(
        s.true_range[1:3], [math.log(112.0 / 100.0), math.log(111.0 / 99.0)], rtol=1e-12
    )
    size = s.size(0.6)
    assert size[2] == pytest.approx(0.6 * math.log(111.0 / 99.0))
    assert size[3] == pytest.approx(math.log(104.0 / 103.0))


def test_range_and_return_have_one_unit_on_average(spine: pd.DataFrame) -> None:
    s = state(spine)
    rows = np.arange(100, 1400)
    law = Dynamics.fit(s, rows)
    assert s.size(law.move_of_range)[rows].mean() == pytest.approx(np.abs(s.ret[rows]).mean())


def test_none_of_a_thousand_paths_is_not_never() -> None:
    def counts(share: float) -> dict[int, np.ndarray]:
        return {h: np.full((1, 20), share * 50.0) for h in (5, 10, 21)}

    odds = PathOdds(1000, counts(0.0), counts(1.0), counts(0.5), counts(0.1), {})
    columns = odds.columns()
    assert columns["shift_up_5"][0] == pytest.approx(0.5 / 1001.0)
    assert columns["shift_down_10"][0] == pytest.approx(1000.5 / 1001.0)
    assert columns["expansion_21"][0] == pytest.approx(0.5)


def test_laws_in_one_piece_are_each_alone_bit_for_bit(
    spine: pd.DataFrame, path_prior: PathPrior
) -> None:
    sessions = pd.DatetimeIndex(spine.index[-5:])
    other = dataclasses.replace(path_prior.dynamics, drift=1e-3)
    both = path_prior.told_by([path_prior.dynamics, other], spine, sessions, "evening")
    for law, told in zip([path_prior.dynamics, other], both, strict=True):
        (alone,) = path_prior.told_by([law], spine, sessions, "evening")
        for name, column in alone.items():
            np.testing.assert_array_equal(told[name], column)
