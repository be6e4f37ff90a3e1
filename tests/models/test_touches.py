"""Touches inside trading hours: closed forms, order, and what the opens of the past lend."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest

from models import touches
from models.heads import GAP_MULTIPLE, OPEN_BREACH_MULTIPLE, expected_move
from models.next_session import OPEN_SESSIONS, Opens
from models.overnight import overnight_parts
from models.paths import PathPrior
from models.state import state
from models.touches import NORMAL_SIZE, OpenPaths

SIGMA = 0.01
LEVELS = np.array([-0.05, -0.03, -0.02, -0.01, -0.002, 0.002, 0.01, 0.02, 0.03, 0.05])


def _phi(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2.0))


def _normal_paths(steps: int, *, night: float, day: float, paths: int = 40_000) -> OpenPaths:
    """Brownian motion in antithetic pairs; variances `night` and `day` a session, in SIGMA**2."""
    rng = np.random.Generator(np.random.PCG64(7))
    gap, move = (
        SIGMA * math.sqrt(part) * rng.standard_normal((paths // 2, steps)) for part in (night, day)
    )
    gap, move = np.concatenate([gap, -gap]), np.concatenate([move, -move])
    scale = np.full((paths, steps), SIGMA / NORMAL_SIZE)
    return OpenPaths(
        np.cumsum(gap + move, axis=1), scale, gap / scale, (NORMAL_SIZE * math.sqrt(day),) * 2
    )


@pytest.mark.parametrize("steps", [1, 5])
def test_without_a_night_it_is_the_reflection_principle(steps: int) -> None:
    """In one session nothing but the bridge sees the touch; each odds to 4 standard errors."""
    odds = _normal_paths(steps, night=0.0, day=1.0).touch(LEVELS)
    spread = SIGMA * math.sqrt(steps)
    expected = [2.0 * _phi(-abs(level) / spread) for level in LEVELS]
    assert (np.abs(odds.touch - expected) <= 4 * odds.error + 1e-6).all()
    assert odds.error.max() < 0.004
    beyond = [_phi(-abs(level) / spread) for level in LEVELS]
    np.testing.assert_allclose(odds.beyond, beyond, atol=0.008)


def test_with_all_movement_overnight_only_opens_touch() -> None:
    paths = _normal_paths(5, night=1.0, day=0.0)
    odds = paths.touch(LEVELS)
    for level, touch in zip(LEVELS, odds.touch, strict=True):
        side = math.copysign(1.0, level)
        reached = (side * paths.log_return).max(axis=1) >= side * level
        assert touch == pytest.approx(reached.mean(), abs=1e-3)
    one = _normal_paths(1, night=1.0, day=0.0).touch(LEVELS)
    np.testing.assert_allclose(one.touch, [_phi(-abs(x) / SIGMA) for x in LEVELS], atol=0.008)


def test_half_a_night_lies_between_the_two() -> None:
    """A gap, then a bridge: P = E[min(1, P of the bridge given the gap)], by quadrature."""
    odds = _normal_paths(1, night=0.5, day=0.5).touch(LEVELS)
    grid = np.linspace(-6, 6, 4001)
    weight = np.exp(-(grid**2) / 2) / math.sqrt(2 * math.pi) * (grid[1] - grid[0])
    part = SIGMA * math.sqrt(0.5)
    for level, touch, error in zip(LEVELS, odds.touch, odds.error, strict=True):
        left = abs(level) - part * grid
        inside = [2.0 * _phi(-room / part) if room > 0 else 1.0 for room in left]
        assert touch == pytest.approx(float(weight @ inside), abs=4 * error + 1e-4)


def test_a_gap_through_the_level_touches_though_the_close_comes_back() -> None:
    scale, night = np.full((4, 1), 0.01), np.array([[-3.0], [-1.0], [-1.0], [-2.5]])
    paths = OpenPaths(np.zeros((4, 1)), scale, night, (1e-3, 1e-3))
    assert paths.touch(np.array([-0.02])).touch[0] == pytest.approx(0.5)
    assert paths.leave(-0.02, 0.02) == pytest.approx((0.5, 0.0, 0.5))


def test_antithetic_error_is_that_of_repeated_runs() -> None:
    """Pairs of one path and its mirror: the error told is the spread over other paths."""
    whole, level = _normal_paths(5, night=0.3, day=0.7), np.array([-0.02, 0.03])
    half = len(whole.log_return) // 2
    told, said = [], []
    for k in range(0, half, 500):
        take = np.r_[k : k + 500, half + k : half + k + 500]
        assert whole.night is not None
        part = OpenPaths(whole.log_return[take], whole.scale[take], whole.night[take], whole.day)
        odds = part.touch(level)
        said.append(odds.touch)
        told.append(odds.error)
    np.testing.assert_allclose(np.mean(told, axis=0), np.std(said, axis=0, ddof=1), rtol=0.35)


def _ways(prior: PathPrior, spine: pd.DataFrame, horizon: int = 10) -> list[OpenPaths]:
    return prior.open_paths(spine, spine.index[1000:1004], horizon)[0]


def test_a_touch_is_at_least_a_close_and_rises_towards_the_spot(
    spine: pd.DataFrame, path_prior: PathPrior
) -> None:
    for way in _ways(path_prior, spine):
        odds = way.touch(LEVELS)
        closes = [
            (way.log_return.min(axis=1) <= x).mean()
            if x < 0
            else (way.log_return.max(axis=1) >= x).mean()
            for x in LEVELS
        ]
        assert (odds.touch >= closes).all()
        assert (np.array(closes) >= odds.beyond).all()
        assert (np.diff(odds.touch[:5]) >= 0).all()
        assert (np.diff(odds.touch[5:]) <= 0).all()
        assert (odds.touch > odds.beyond).any()


def test_any_of_two_levels_lies_between_the_larger_and_the_sum(
    spine: pd.DataFrame, path_prior: PathPrior
) -> None:
    for way in _ways(path_prior, spine):
        for low, high in ((-0.03, 0.03), (-0.01, 0.02), (-0.001, 0.001)):
            put, call, either = way.leave(low, high)
            assert max(put, call) <= either <= min(put + call, 1.0) + 1e-12
            np.testing.assert_array_equal([put, call], way.touch(np.array([low, high])).touch)
        closes = (way.log_return <= -0.03) | (way.log_return >= 0.03)
        assert way.leave(-0.03, 0.03)[2] >= closes.any(axis=1).mean()


def test_a_way_may_begin_at_a_later_close(spine: pd.DataFrame, path_prior: PathPrior) -> None:
    (way, *_) = _ways(path_prior, spine)
    assert way.night is not None
    later = OpenPaths(
        way.log_return[:, 2:5] - way.log_return[:, 1:2],
        way.scale[:, 2:5],
        way.night[:, 2:5],
        way.day,
    )
    np.testing.assert_allclose(
        way.leave(-0.02, 0.02, first=2, last=5), later.leave(-0.02, 0.02), atol=1e-12
    )


def test_the_closes_do_not_depend_on_opens(spine: pd.DataFrame, path_prior: PathPrior) -> None:
    """Bit for bit: without the overnight parts the same draws give the same closes and VIX."""
    sessions = spine.index[1000:1004]
    without = dataclasses.replace(path_prior, nights=None, _draws=[])
    ways, log_vix = path_prior.open_paths(spine, sessions, 10)
    returns, vix = without.sample(spine, sessions, 10)
    np.testing.assert_array_equal(np.stack([way.log_return for way in ways]), returns)
    np.testing.assert_array_equal(log_vix, vix)
    (single,), _ = path_prior.open_paths(spine, sessions[2:3], 10)
    np.testing.assert_array_equal(single.touch(LEVELS).touch, ways[2].touch(LEVELS).touch)


def test_the_pool_is_of_one_and_the_same_session(
    spine: pd.DataFrame, path_prior: PathPrior
) -> None:
    """Each believed session keeps its return, VIX residual and overnight part together."""
    opens, pairs, nights = path_prior.opens, path_prior.pairs, path_prior.nights
    assert nights is not None
    assert opens.returns.shape == opens.residuals.shape == (OPEN_SESSIONS, 2)
    s = state(spine.loc[: path_prior.until])
    rows = np.arange(len(s) - OPEN_SESSIONS - 1, len(s) - 1)
    scale = path_prior.dynamics.return_scale(s, rows)
    np.testing.assert_allclose(opens.returns[:, 0] * scale, s.overnight[rows + 1], rtol=1e-12)
    np.testing.assert_allclose(opens.returns.sum(axis=1) * scale, s.ret[rows + 1], atol=1e-15)
    for k in range(OPEN_SESSIONS):
        (place,) = np.flatnonzero((pairs == opens.residuals[k]).all(axis=1))
        assert nights[place] == pytest.approx(opens.returns[k, 0], abs=1e-12)
    # The market of the fixture gaps by a third of its return plus noise, whatever the era.
    slope = np.polyfit(pairs[:, 0], nights, 1)[0]
    assert slope == pytest.approx(1 / 3, abs=0.05)
    assert np.std(nights) == pytest.approx(np.std(opens.returns[:, 0]), rel=0.1)


def test_gap_and_breach_odds_are_shares_of_their_own_marginals(
    spine: pd.DataFrame, path_prior: PathPrior
) -> None:
    """An independent count over the last 504 sessions, the overnight pool apart from the day's."""
    s, model = state(spine), path_prior.dynamics
    until = spine.index.get_loc(pd.Timestamp(path_prior.until))
    past = np.arange(until - OPEN_SESSIONS, until)
    scale = model.return_scale(s, past)
    night = np.sort(s.overnight[past + 1] / scale)
    day = np.sort(np.abs(s.intraday[past + 1] / scale))
    asked = np.array([1000, 1200, 1400])
    p = path_prior.probabilities(spine, spine.index[asked])
    now, move = model.return_scale(s, asked), expected_move(s.vix[asked])
    for i in range(3):
        gap = (np.sum(night < -GAP_MULTIPLE * move[i] / now[i]) + 0.5) / (OPEN_SESSIONS + 1)
        calm = (np.sum(day < OPEN_BREACH_MULTIPLE * move[i] / now[i]) + 0.5) / (OPEN_SESSIONS + 1)
        assert p["gap_down_1"].iloc[i] == pytest.approx(gap, abs=1e-12)
        assert p["breach_open_1"].iloc[i] == pytest.approx(1.0 - calm, abs=1e-12)


def test_a_pair_without_an_open_borrows_from_the_nearest() -> None:
    """Donors on a plane but for one: who is nearest to it borrows what it had left over."""
    rng = np.random.Generator(np.random.PCG64(1))
    donors = rng.standard_normal((400, 2))
    night = 0.1 + 0.4 * donors[:, 0] - 0.2 * donors[:, 1]
    np.testing.assert_allclose(overnight_parts(donors, donors, night), night, atol=1e-12)
    far = np.array([[-9.0, 6.0]])
    assert overnight_parts(far, donors, night)[0] == pytest.approx(0.1 - 3.6 - 1.2, abs=1e-9)
    night[7] += 1.0
    near = donors[7] + 1e-6
    lent = overnight_parts(near[None], donors, night)[0]
    assert lent == pytest.approx(night[7], abs=1e-5)
    older = np.vstack([donors[7:8], donors])
    twice = overnight_parts(donors[7:8], older, np.append(-3.0, night))[0]
    assert twice == pytest.approx(-3.0, abs=1e-9)  # of two equally near, the older session


def test_too_few_opens_mean_a_bridge_from_close_to_close(spine: pd.DataFrame) -> None:
    closed = spine.copy()
    closed.iloc[:1300, closed.columns.get_loc("spx_open")] = np.nan
    prior = PathPrior.fit(closed, spine.index[1500], paths=200)
    assert 0 < len(prior.opens.returns) < OPEN_SESSIONS // 2
    (way, *_) = _ways(prior, spine)
    assert prior.nights is None and way.night is None
    assert way.day == (NORMAL_SIZE, NORMAL_SIZE)
    again = PathPrior.from_json(prior.to_json())
    assert again.nights is None


def test_an_unknown_vix_leaves_the_odds_of_opens_and_lends_nothing(spine: pd.DataFrame) -> None:
    hole = spine.copy()
    hole.iloc[1445:1470, hole.columns.get_loc("vix_close")] = np.nan
    prior = PathPrior.fit(hole, spine.index[1500], paths=200)
    assert np.isfinite(prior.opens.returns).all()
    assert prior.nights is not None and np.isfinite(prior.nights).all()
    back = Opens.from_json(prior.opens.to_json())
    np.testing.assert_array_equal(back.returns, prior.opens.returns)
    np.testing.assert_array_equal(back.residuals, prior.opens.residuals)
    np.testing.assert_array_equal(back.reach, prior.opens.reach)
    assert np.isnan(prior.opens.residuals).any()


def test_the_day_s_variance_is_read_from_lows_and_highs() -> None:
    """Brownian sessions of 2,000 steps: each side tells the variance, whatever the close.

    An extreme seen at steps only falls short by 0.58 standard deviations of a step.
    """
    rng = np.random.Generator(np.random.PCG64(5))
    n, steps = 504, 2000
    path = np.cumsum(rng.standard_normal((n, steps)) * 0.8 / math.sqrt(steps), axis=1) + 0.05
    close, short = path[:, -1], 0.5826 * 0.8 / math.sqrt(steps)
    low = np.minimum(path.min(axis=1), 0.0) - short
    high = np.maximum(path.max(axis=1), 0.0) + short
    reach = np.column_stack([2 * low * (low - close), 2 * high * (high - close)])
    returns = np.column_stack([np.zeros(n), close])
    down, up = Opens(returns, np.zeros((n, 2)), reach).day
    # The mean of 504 exponentials has a standard error of 4.5 %, its root half of that.
    assert down == pytest.approx(0.8, rel=0.09)
    assert up == pytest.approx(0.8, rel=0.09)
    unknown = Opens(returns, np.zeros((n, 2)), np.full((n, 2), np.nan)).day
    assert unknown[0] == unknown[1] == pytest.approx(NORMAL_SIZE * np.abs(close).mean())


def test_each_side_has_a_variance_of_its_own() -> None:
    paths = dataclasses.replace(_normal_paths(1, night=0.0, day=1.0), day=(2.0, 0.5))
    touch = paths.touch(np.array([-0.02, 0.02])).touch
    assert touch[0] > 2 * touch[1]
    np.testing.assert_array_equal(paths.leave(-0.02, 0.02)[:2], touch)


def test_highs_and_lows_of_the_fit_become_its_days(
    spine: pd.DataFrame, path_prior: PathPrior
) -> None:
    """The same, session by session, for the last one before the fit ends."""
    last = spine.loc[path_prior.until]
    s = state(spine)
    row = spine.index.get_loc(pd.Timestamp(path_prior.until)) - 1
    scale = path_prior.dynamics.return_scale(s, np.array([row]))[0]
    low, high, close = (
        math.log(last[f"spx_{name}"] / last["spx_open"]) for name in ("low", "high", "close")
    )
    expected = np.array([2 * low * (low - close), 2 * high * (high - close)]) / scale**2
    np.testing.assert_allclose(path_prior.opens.reach[-1], expected, rtol=1e-9)


def test_what_is_left_out_of_a_touch_changes_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    paths = _normal_paths(21, night=0.3, day=0.7, paths=2_000)
    bounds = [(-0.3, 0.3), (-0.1, 0.08), (-0.03, 0.02), (-0.001, 0.5), (-0.06, 0.0001)]
    told = [paths.leave(lower, upper) for lower, upper in bounds]
    monkeypatch.setattr(touches, "FAR", -np.inf)
    assert [paths.leave(lower, upper) for lower, upper in bounds] == told
