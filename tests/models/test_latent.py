"""The two filters against their libraries, closed forms and a market whose truth is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import models.latent
from features.errors import DataError
from models.baselines import LATENT, baseline_from_json, fit_baselines
from models.dataset import make_dataset, training_rows
from models.garch import GjrGarch
from models.heads import HeadKey, head_keys
from models.latent import TURBULENT, exceedance_column, walk_forward_latent
from models.logit import sigmoid


def _garch_returns(n: int, seed: int = 5) -> np.ndarray:
    """GJR-GARCH returns in percent with normal shocks."""
    rng = np.random.Generator(np.random.PCG64(seed))
    v, out = 1.0, np.empty(n)
    for i, z in enumerate(rng.standard_normal(n)):
        e = np.sqrt(v) * z
        out[i] = 0.03 + e
        v = 0.03 + (0.03 + 0.1 * (e < 0)) * e * e + 0.9 * v
    return out


@pytest.fixture(scope="module")
def returns() -> np.ndarray:
    return _garch_returns(4000)


@pytest.fixture(scope="module")
def garch(returns: np.ndarray) -> GjrGarch:
    return GjrGarch.fit(returns)


@pytest.fixture(scope="module")
def latent(spine: pd.DataFrame) -> pd.DataFrame:
    return walk_forward_latent(spine, min_sessions=821)


def test_the_filter_and_its_forecast_equal_those_of_arch(
    garch: GjrGarch, returns: np.ndarray
) -> None:
    from arch import arch_model

    model = arch_model(returns, mean="Constant", vol="GARCH", p=1, o=1, q=1, rescale=False)
    fixed = model.fix([garch.mean, garch.omega, garch.alpha, garch.gamma, garch.beta])
    ours = garch.next_variance(returns)
    # arch starts from another variance; 500 sessions later nothing is left of it
    np.testing.assert_allclose(
        ours[500:-1], np.asarray(fixed.conditional_volatility)[501:] ** 2, rtol=1e-8
    )
    theirs = fixed.forecast(horizon=21, reindex=False).variance.to_numpy()[-1]
    assert garch.mean_variance(ours[-1:], 21)[0] == pytest.approx(
        theirs.mean() + garch.mean**2, rel=1e-8
    )


def test_exceedance_is_that_of_a_long_simulation_of_the_truth(garch: GjrGarch) -> None:
    variance = np.array([0.5, 1.0, 3.0])
    thresholds = np.array([4.0, 6.0, 12.0])
    told = garch.exceedance(variance, {"a": (5, thresholds), "b": (5, np.full(3, np.nan))})
    rng = np.random.Generator(np.random.PCG64(6))
    v, total = np.repeat(variance[:, None], 40_000, axis=1), np.zeros((3, 40_000))
    for _ in range(5):
        e = np.sqrt(v) * rng.standard_normal(v.shape)
        total += (0.03 + e) ** 2
        v = 0.03 + (0.03 + 0.1 * (e < 0)) * e * e + 0.9 * v
    np.testing.assert_allclose(told["a"], (total > thresholds[:, None]).mean(axis=1), atol=0.04)
    assert np.isnan(told["b"]).all()


def test_a_missing_return_leaves_the_state_as_it_was(garch: GjrGarch) -> None:
    whole = garch.next_variance(np.array([1.0, -2.0, 0.5]))
    gap = garch.next_variance(np.array([np.nan, 1.0, -2.0, np.nan, 0.5]))
    np.testing.assert_array_equal(gap, [garch.start, whole[0], whole[1], whole[1], whole[2]])


def test_the_turbulent_regime_is_found_where_it_is() -> None:
    rng = np.random.Generator(np.random.PCG64(8))
    wild = np.repeat([False, True, False, True, False], 300)
    returns = np.where(wild, 2.5, 0.6) * rng.standard_normal(wild.size)
    odds = models.latent._turbulent(returns, np.arange(wild.size) < 1000)
    assert (odds[wild] > 0).mean() > 0.95
    assert (odds[~wild] < 0).mean() > 0.95


def test_the_filtered_regime_is_that_of_the_library(returns: np.ndarray) -> None:
    from statsmodels.tsa.regime_switching.markov_regression import MarkovRegression

    some = returns[:1200]
    past = np.arange(some.size) < 900
    kept = {"k_regimes": 2, "trend": "c", "switching_trend": False, "switching_variance": True}
    fitted = MarkovRegression(some[past], **kept).fit(disp=False)
    whole = MarkovRegression(some, **kept).filter(fitted.params)
    wild = int(np.argmax(fitted.params[-2:]))
    odds = models.latent._turbulent(some, past)
    expected = whole.filtered_marginal_probabilities[:, wild]
    np.testing.assert_allclose(sigmoid(odds), np.clip(expected, 1e-6, 1 - 1e-6), rtol=1e-12)


def test_a_fit_does_not_depend_on_the_threads_of_the_linear_algebra(returns: np.ndarray) -> None:
    from threadpoolctl import threadpool_limits

    GjrGarch.fit(returns[:1000])  # loads what is limited below
    fits = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            fits.append(GjrGarch.fit(returns[:3000]))
    assert {**vars(fits[0]), "residuals": 0} == {**vars(fits[1]), "residuals": 0}


def test_the_years_may_be_dealt_in_any_order(spine: pd.DataFrame, latent: pd.DataFrame) -> None:
    cut = spine.loc[:"2015-03-31"]
    dealt = walk_forward_latent(
        cut, min_sessions=821, each=lambda fit, years: [fit(year) for year in reversed(years)]
    )
    pd.testing.assert_frame_equal(dealt, latent.loc[cut.index], check_exact=True)


def test_no_value_reads_its_future(spine: pd.DataFrame, latent: pd.DataFrame) -> None:
    first = latent[TURBULENT].first_valid_index()
    assert first.year == 2014  # as the path prior
    cut = pd.Timestamp("2015-09-30")
    short = walk_forward_latent(spine.loc[:cut], min_sessions=821)
    pd.testing.assert_frame_equal(short, latent.loc[:cut], check_exact=True)


def test_every_head_gets_the_filters_and_spx_heads_the_exceedance(
    fitted: Any, latent: pd.DataFrame
) -> None:
    data = make_dataset(
        fitted.dataset.features, fitted.dataset.spine, prior=fitted.dataset.prior, latent=latent
    )
    simulated = set()
    for key in head_keys("evening"):
        rows = training_rows(data, key, fitted.until)
        inputs, prior = data.inputs.loc[rows], data.prior.loc[rows, key.id].to_numpy(float)
        assert inputs[TURBULENT].notna().all()
        found = fit_baselines(key, inputs, prior, data.labels.loc[rows, key.id].to_numpy(float))
        assert {"gjr_garch", "markov_switching"} <= set(found)
        for name in set(LATENT) & set(found):
            p = found[name].predict(inputs, prior)
            assert ((p > 0) & (p < 1)).all(), (key, name)
            back = baseline_from_json(found[name].to_json())
            np.testing.assert_array_equal(back.predict(inputs, prior), p)
        if "gjr_recalibrated" in found:
            simulated.add(key.id)
            column = inputs[exceedance_column(key.id)].to_numpy()
            np.testing.assert_array_equal(
                found["gjr_garch"].predict(inputs, prior), sigmoid(column)
            )
    names = [f"{n}_{h}" for n in ("expansion", "premium_failure") for h in (5, 10, 21)]
    assert simulated == {*names, "breach_1", "breach_down_1"}


def test_without_their_columns_they_are_not_fitted_and_not_asked(
    fitted: Any, latent: pd.DataFrame
) -> None:
    key = HeadKey("breach", 1)
    rows = training_rows(fitted.dataset, key, fitted.until)
    inputs = fitted.dataset.inputs.loc[rows]
    prior = fitted.dataset.prior.loc[rows, key.id].to_numpy(float)
    y = fitted.dataset.labels.loc[rows, key.id].to_numpy(float)
    assert not set(LATENT) & set(fit_baselines(key, inputs, prior, y))
    known = fit_baselines(key, inputs.join(latent), prior, y)["gjr_garch"]
    with pytest.raises(DataError, match="walk_forward_latent"):
        known.predict(inputs, prior)


def test_a_missing_package_is_named(spine: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models.latent, "PACKAGES", ("arch", "no_such_package"))
    assert "no_such_package not installed" in str(models.latent.lacking())
    with pytest.raises(DataError, match=r"stormpetrel\[baselines\]"):
        walk_forward_latent(spine)
