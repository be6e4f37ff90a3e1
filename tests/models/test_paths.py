"""The path prior: closed forms, moments, determinism, and the past alone."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pandas as pd
import pytest

from features.errors import DataError, UsageError
from models.dynamics import Dynamics
from models.heads import head_keys
from models.next_session import Opens
from models.paths import PathPrior
from models.yearly import walk_forward_prior

PATHS = 4000


def _normal_pairs(n: int = 4001) -> np.ndarray:
    """Independent standard normal residuals, sorted by the first, as the fit stores them."""
    rng = np.random.Generator(np.random.PCG64(0))
    pairs = rng.standard_normal((n, 2))
    pairs = (pairs - pairs.mean(axis=0)) / pairs.std(axis=0)
    return pairs[np.argsort(pairs[:, 0], kind="stable")]


def _walk(
    *, vix_mean: list[float] | None = None, ret: float = 0.01, vix: float = 0.05
) -> PathPrior:
    """A prior of constant scales, so that its odds are known in closed form.

    The first input of each scale is the constant 0.01; both scales multiply normal residuals.
    """
    return PathPrior(
        until="2020-01-01",
        dynamics=Dynamics(
            drift=0.0,
            ret_scale=np.array([ret / 1e-2, 0.0, 0.0, 0.0, 0.0, 0.0]),
            vix_mean=np.array(vix_mean or [0.0] * 8),
            vix_scale=np.array([vix / 1e-2, 0.0, 0.0, 0.0, 0.0]),
            move_of_range=1.0,
        ),
        pairs=_normal_pairs(),
        ages=np.zeros(len(_normal_pairs()), int),
        opens=Opens(*(np.empty((0, 2)) for _ in range(3))),
        paths=PATHS,
    )


def _phi(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2.0))


def test_random_walk_closes_beyond_a_level_as_the_normal_says(spine: pd.DataFrame) -> None:
    prior, session = _walk(), spine.index[1000]
    spot = float(spine["spx_close"].loc[session])
    for horizon, distance in ((5, 0.02), (10, -0.03), (21, 0.05)):
        level = np.array([spot * math.exp(distance)])
        odds = prior.touch_probability(spine, session, level, horizon)
        expected = _phi(-abs(distance) / (0.01 * math.sqrt(horizon)))
        assert odds.beyond[0] == pytest.approx(expected, abs=0.02)


def test_random_walk_first_passage_is_the_reflection_principle(spine: pd.DataFrame) -> None:
    """Touch odds of Brownian motion are twice the odds to end beyond.

    The scale of a step is its mean absolute size; a normal step of that size has a standard
    deviation of sqrt(pi/2) times it, which is what the residuals are scaled to here.
    """
    sigma = 0.01
    prior = dataclasses.replace(_walk(ret=sigma * math.sqrt(2.0 / math.pi)))
    pairs = prior.pairs * np.array([math.sqrt(math.pi / 2.0), 1.0])
    prior = dataclasses.replace(prior, pairs=pairs, _draws=[])
    session = spine.index[1000]
    spot = float(spine["spx_close"].loc[session])
    for horizon, distance in ((5, 0.02), (21, 0.04), (21, -0.06)):
        level = np.array([spot * math.exp(distance)])
        odds = prior.touch_probability(spine, session, level, horizon)
        expected = 2.0 * _phi(-abs(distance) / (sigma * math.sqrt(horizon)))
        assert odds.touch[0] == pytest.approx(expected, abs=4 * odds.error[0])
        assert odds.error[0] < 0.01
        assert odds.touch[0] > odds.beyond[0]


def test_ar1_band_odds_are_the_normal_of_its_closed_form(spine: pd.DataFrame) -> None:
    """Log VIX change = 0.1 (log 19 - log VIX) + 0.05 e: an AR(1) with coefficient 0.9."""
    mean, phi, sigma = math.log(19.0), 0.9, 0.05
    prior = _walk(vix_mean=[0.1 * mean, -0.1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], vix=sigma)
    session = spine.index[1000]
    start = math.log(float(spine["vix_close"].loc[session]))
    odds = prior.band_odds(spine, session)
    for h, bands in odds.items():
        centre = mean + phi**h * (start - mean)
        spread = sigma * math.sqrt((1.0 - phi ** (2 * h)) / (1.0 - phi**2))
        below = [_phi((math.log(edge) - centre) / spread) for edge in (15.0, 20.0, 30.0)]
        expected = np.diff([0.0, *below, 1.0])
        np.testing.assert_allclose(bands, expected, atol=0.03)
        assert sum(bands) == pytest.approx(1.0, abs=1e-12)


def test_mean_and_variance_of_sampled_returns(spine: pd.DataFrame) -> None:
    """Driftless steps: a martingale in log, variance linear in time; VIX alike."""
    session = pd.DatetimeIndex([spine.index[1000]])
    log_return, log_vix = _walk().sample(spine, session, 21)
    assert log_return.shape == log_vix.shape == (1, PATHS, 21)
    steps = np.arange(1, 22)
    error = 0.01 * np.sqrt(steps) / math.sqrt(PATHS)
    assert (np.abs(log_return[0].mean(axis=0)) < 4 * error).all()
    np.testing.assert_allclose(log_return[0].std(axis=0), 0.01 * np.sqrt(steps), rtol=0.06)
    start = math.log(float(spine["vix_close"].iloc[1000]))
    assert (np.abs(log_vix[0].mean(axis=0) - start) < 4 * 5 * error).all()
    np.testing.assert_allclose(log_vix[0].std(axis=0), 0.05 * np.sqrt(steps), rtol=0.06)


def test_fit_recovers_the_leverage_and_reversion_of_the_simulated_market(
    spine: pd.DataFrame, path_prior: PathPrior
) -> None:
    assert np.corrcoef(path_prior.pairs.T)[0, 1] == pytest.approx(-0.7, abs=0.05)
    assert path_prior.dynamics.drift == pytest.approx(0.0003, abs=0.0006)
    # Weights on the level of log VIX and its means add up to the pull of -0.03.
    assert path_prior.dynamics.vix_mean[1:5].sum() == pytest.approx(-0.03, abs=0.02)
    assert path_prior.until == f"{spine.index[1500]:%Y-%m-%d}"


def test_probabilities_are_calibrated_on_the_market_that_it_was_fitted_on(
    spine: pd.DataFrame, path_prior: PathPrior
) -> None:
    from models.labels import labels

    p = path_prior.probabilities(spine, spine.index[100:1480])
    y, _ = labels(spine)
    for name in ("shift_up_5", "shift_down_5", "premium_failure_5", "breach_down_1", "gap_down_1"):
        both = p[name].notna() & y[name].reindex(p.index).notna()
        observed, forecast = y[name].reindex(p.index)[both].mean(), p[name][both].mean()
        assert forecast == pytest.approx(observed, abs=0.06), name


def test_same_seed_same_bits_other_seed_near(spine: pd.DataFrame, path_prior: PathPrior) -> None:
    sessions = spine.index[1000:1050]
    again = PathPrior.fit(spine, spine.index[1500], paths=200)
    first = path_prior.probabilities(spine, sessions)
    pd.testing.assert_frame_equal(first, again.probabilities(spine, sessions), check_exact=True)
    other = PathPrior.fit(spine, spine.index[1500], paths=200, seed=3)
    gap = (first - other.probabilities(spine, sessions)).abs()
    error = path_prior.monte_carlo_error(spine, sessions)
    assert 0 < gap["shift_down_5"].max() < 0.2
    # Two independent runs differ by about sqrt(2) standard errors.
    ratio = (gap["premium_failure_5"] ** 2).mean() / (2 * (error["premium_failure_5"] ** 2).mean())
    assert 0.05 < ratio < 5.0


def test_batch_equals_single_bit_for_bit(spine: pd.DataFrame, path_prior: PathPrior) -> None:
    sessions = spine.index[700:1100]  # several chunks of the kernel
    batch = path_prior.probabilities(spine, sessions)
    for k in (0, 159, 160, 399):
        single = path_prior.probabilities(spine, sessions[k : k + 1])
        pd.testing.assert_frame_equal(single, batch.iloc[k : k + 1], check_exact=True)


@pytest.mark.parametrize("row", [64, 500, 1499])
def test_rows_after_t_and_long_before_t_do_not_matter(
    spine: pd.DataFrame, path_prior: PathPrior, row: int
) -> None:
    session = spine.index[row : row + 1]
    whole = path_prior.probabilities(spine, session)
    cut = path_prior.probabilities(spine.iloc[: row + 1], session)
    pd.testing.assert_frame_equal(whole, cut, check_exact=True)
    recent = path_prior.probabilities(spine.iloc[row - 64 : row + 1], session)
    pd.testing.assert_frame_equal(whole, recent, check_exact=True)
    assert whole["premium_failure_5"].notna().all()


def test_the_fit_reads_nothing_after_until(spine: pd.DataFrame, path_prior: PathPrior) -> None:
    changed = spine.copy()
    changed.iloc[1501:] *= 2.0
    again = PathPrior.fit(changed, spine.index[1500], paths=200)
    assert again.to_json() == path_prior.to_json()
    assert path_prior.nights is not None


def test_cumulative_heads_rise_with_the_horizon(spine: pd.DataFrame, path_prior: PathPrior) -> None:
    p = path_prior.probabilities(spine, spine.index[200:800])
    for head in ("shift_up", "shift_down"):
        five, ten, month = (p[f"{head}_{h}"].dropna() for h in (5, 10, 21))
        assert (five <= ten).all()
        assert (ten <= month).all()
        assert (five < month).any()


def test_unscored_and_unknown_rows_are_null(spine: pd.DataFrame, path_prior: PathPrior) -> None:
    p = path_prior.probabilities(spine, spine.index[:900])
    vix = spine["vix_close"].iloc[:900]
    assert p.iloc[:63].isna().all().all()
    assert p["shift_up_5"][vix >= 30].isna().all()
    assert p["shift_down_5"][vix < 15].isna().all()
    known = p.iloc[70:]
    assert known["shift_down_5"][vix.iloc[70:] >= 15].notna().all()
    assert ((known.min() >= 0) & (known.max() <= 1)).all()
    hole = spine.copy()
    hole.loc[spine.index[850], "vix_close"] = np.nan
    assert path_prior.probabilities(hole, spine.index[850:851]).isna().all().all()


def test_moments_pick_their_heads(spine: pd.DataFrame, path_prior: PathPrior) -> None:
    sessions = spine.index[900:903]
    evening = path_prior.probabilities(spine, sessions)
    eve = path_prior.probabilities(spine, sessions, "eve")
    assert list(eve.columns) == [k.id for k in head_keys("eve")]
    pd.testing.assert_frame_equal(eve, evening[eve.columns], check_exact=True)


def test_json_round_trip_keeps_every_bit(spine: pd.DataFrame, path_prior: PathPrior) -> None:
    back = PathPrior.from_json(json.loads(json.dumps(path_prior.to_json(), allow_nan=False)))
    sessions = spine.index[1000:1020]
    pd.testing.assert_frame_equal(
        back.probabilities(spine, sessions),
        path_prior.probabilities(spine, sessions),
        check_exact=True,
    )
    level = np.array([0.97, 1.02]) * float(spine["spx_close"].iloc[1000])
    first, second = (
        prior.touch_probability(spine, sessions[0], level, 10) for prior in (back, path_prior)
    )
    np.testing.assert_array_equal(first.touch, second.touch)


def test_walk_forward_uses_earlier_years_only(
    spine: pd.DataFrame, market_prior: pd.DataFrame
) -> None:
    first = market_prior["premium_failure_5"].first_valid_index()
    assert first.year == 2014  # 821 sessions from 2010 end inside 2013
    cut = pd.Timestamp("2014-09-30")
    short = walk_forward_prior(spine.loc[:cut], paths=200, min_sessions=821)
    pd.testing.assert_frame_equal(short, market_prior.loc[:cut], check_exact=True)
    dealt = walk_forward_prior(
        spine, paths=200, min_sessions=821, each=lambda f, years: [f(y) for y in reversed(years)]
    )
    pd.testing.assert_frame_equal(dealt, market_prior, check_exact=True)


def test_what_is_recalled_is_what_would_be_told(spine: pd.DataFrame, path_prior: PathPrior) -> None:
    days = pd.DatetimeIndex(spine.index[1510:1530])
    wilder = spine.assign(vix_close=spine["vix_close"].mask(spine.index > spine.index[1500], 45.0))
    asks = [(spine, days), (spine, days), (wilder, days), (spine, days[:3])]
    for prices, sessions in [*asks, *asks]:
        (told,) = path_prior.told_by([path_prior.dynamics], prices, sessions, "evening")
        (recalled,) = path_prior.recalled(prices, sessions, members=False)
        pd.testing.assert_frame_equal(pd.DataFrame(recalled), pd.DataFrame(told), check_exact=True)


def test_path_quantiles_and_horizon_prefix(spine: pd.DataFrame, path_prior: PathPrior) -> None:
    session = spine.index[1200]
    table = path_prior.path_quantiles(spine, session, (0.1, 0.5, 0.9))
    assert table.shape == (21, 3)
    assert (table[0.1] < table[0.5]).all()
    assert (table[0.5] < table[0.9]).all()
    assert table[0.9].iloc[20] - table[0.1].iloc[20] > table[0.9].iloc[0] - table[0.1].iloc[0]
    several = pd.DatetimeIndex([session])
    long, _ = path_prior.sample(spine, several, 63)
    short, _ = path_prior.sample(spine, several, 10)
    np.testing.assert_array_equal(long[:, :, :10], short)


def test_refusals_say_what_to_do(spine: pd.DataFrame, path_prior: PathPrior) -> None:
    with pytest.raises(DataError, match="Import a longer history"):
        PathPrior.fit(spine, spine.index[300])
    with pytest.raises(UsageError, match="not in the spine"):
        path_prior.probabilities(spine, pd.DatetimeIndex(["2010-01-09"]))
    with pytest.raises(UsageError, match="horizon"):
        path_prior.sample(spine, spine.index[1000:1001], 64)
    with pytest.raises(DataError, match="closes up to"):
        path_prior.sample(spine, spine.index[10:11], 5)
