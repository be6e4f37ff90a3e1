"""Calibration is kept where a later block shows that it helps, and nowhere else."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from models.blocks import block_folds
from models.bundle import load_bundle, write_bundle
from models.calibration import calibration_term, fit_calibration
from models.explain import CALIBRATION
from models.logit import RidgeLogit, sigmoid
from models.scores import log_loss


def _world(seed: int, *, slope: float, shift: float, n: int = 5000) -> tuple[Any, Any, Any]:
    """Log odds said, outcomes whose true log odds are ``shift + slope * said``, the last block."""
    rng = np.random.Generator(np.random.PCG64(seed))
    said = -1.0 + 1.5 * rng.standard_normal(n)
    y = (rng.random(n) < sigmoid(shift + slope * said)).astype(float)
    return said, y, block_folds(n, 5, 6)[-1][1]


def test_an_overconfident_forecast_is_pulled_in_and_the_truth_is_found() -> None:
    said, y, later = _world(1, slope=0.5, shift=0.3)
    model, losses = fit_calibration(said, y, later=later, gap=6, horizon=5)
    assert model is not None
    assert losses["calibration_later"] < losses["calibration_none"]
    usual = np.abs(said) < 2.5
    found = said + calibration_term(model, said)
    np.testing.assert_allclose(found[usual], (0.3 + 0.5 * said)[usual], atol=0.25)
    fresh, target, _ = _world(2, slope=0.5, shift=0.3)
    assert log_loss(target, sigmoid(fresh + calibration_term(model, fresh))) < log_loss(
        target, sigmoid(fresh)
    )


def test_a_calibrated_forecast_is_left_alone() -> None:
    kept = 0
    for seed in range(40):
        said, y, later = _world(seed, slope=1.0, shift=0.0, n=2000)
        kept += fit_calibration(said, y, later=later, gap=6, horizon=5)[0] is not None
    assert kept <= 4  # one in twenty by chance
    assert (calibration_term(None, np.ones(3)) == 0.0).all()


def test_one_that_helped_earlier_but_not_later_is_dropped() -> None:
    said, y, later = _world(3, slope=0.5, shift=0.3)
    rng = np.random.Generator(np.random.PCG64(4))
    y[later] = (rng.random(later.size) < sigmoid(said[later])).astype(float)
    model, losses = fit_calibration(said, y, later=later, gap=6, horizon=5)
    assert model is None
    assert losses["calibration_later"] > losses["calibration_none"]


def test_the_later_block_has_no_part_in_what_is_judged_on_it() -> None:
    said, y, later = _world(5, slope=0.5, shift=0.0)
    changed = y.copy()
    changed[later[0] - 6 : later[0]] = 1.0 - changed[later[0] - 6 : later[0]]
    first = fit_calibration(said, y, later=later, gap=6, horizon=5)[1]
    assert first == fit_calibration(said, changed, later=later, gap=6, horizon=5)[1]


def test_a_kept_calibration_is_a_named_term_and_survives_the_bundle(
    fitted: Any, tmp_path: Any
) -> None:
    key = "premium_failure_5"
    heads = dict(fitted.forecaster.heads)
    shift = heads[key].shift
    one = np.ones(1)
    model = RidgeLogit(("log_odds",), 0 * one, one, -np.inf * one, np.inf * one, 0.2, -0.4 * one)
    heads[key] = dataclasses.replace(
        heads[key], shift=dataclasses.replace(shift, calibration=model)
    )
    changed = dataclasses.replace(fitted.forecaster, heads=heads)
    bundle = load_bundle(write_bundle(tmp_path, {"evening": changed}))
    rows = fitted.dataset.features.loc[fitted.later[:10]]
    for session in bundle.forecast(at="evening", features=rows, spine=fitted.dataset.spine):
        head = next(h for h in session.heads if h.head == "premium_failure")
        terms = {c.feature: c.log_odds for c in head.contributions}
        before = head.base_log_odds + sum(v for n, v in terms.items() if n != CALIBRATION)
        assert terms[CALIBRATION] == pytest.approx(0.2 - 0.4 * before)
        total = head.base_log_odds + sum(terms.values())
        assert abs(float(sigmoid(total)) - head.probability) < 1e-9
