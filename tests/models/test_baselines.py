"""Each baseline keeps the interface, and the simple ones equal their definition."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from models.baselines import BASELINES, baseline_from_json, fit_baselines
from models.dataset import training_rows
from models.heads import HeadKey

KEY = HeadKey("premium_failure", 5)


def _rows(fitted: Any) -> tuple[Any, np.ndarray, np.ndarray]:
    rows = training_rows(fitted.dataset, KEY, fitted.until)
    inputs = fitted.dataset.inputs.loc[rows]
    prior = fitted.dataset.prior.loc[rows, KEY.id].to_numpy(float)
    return inputs, prior, fitted.dataset.labels.loc[rows, KEY.id].to_numpy(float)


def test_every_baseline_gives_probabilities_and_survives_json(fitted: Any) -> None:
    inputs, prior, y = _rows(fitted)
    for name, baseline in fit_baselines(KEY, inputs, prior, y).items():
        p = baseline.predict(inputs, prior)
        assert p.shape == y.shape, name
        if name == "prior":  # a share of paths may be 0 or 1
            np.testing.assert_array_equal(p, prior)
        else:
            assert ((p > 0) & (p < 1)).all(), name
        back = baseline_from_json(json.loads(json.dumps(baseline.to_json())))
        np.testing.assert_array_equal(back.predict(inputs, prior), p)


def test_climatology_is_the_expanding_mean(fitted: Any) -> None:
    inputs, prior, y = _rows(fitted)
    for n in (260, 400, len(y)):
        rate = BASELINES["climatology"](inputs[:n], prior[:n], y[:n]).predict(inputs[:1], prior[:1])
        assert rate[0] == pytest.approx((y[:n].sum() + 0.5) / (n + 1.0))
        assert rate[0] == pytest.approx(y[:n].mean(), abs=0.5 / n)


def test_persistence_is_the_shrunk_rate_of_the_band(fitted: Any) -> None:
    inputs, prior, y = _rows(fitted)
    p = BASELINES["persistence"](inputs, prior, y).predict(inputs, prior)
    vix = fitted.dataset.spine["vix_close"].loc[inputs.index].to_numpy()
    own = (vix >= 15) & (vix < 20)
    overall = (y.sum() + 0.5) / (y.size + 1.0)
    np.testing.assert_allclose(p[own], (y[own].sum() + 25 * overall) / (own.sum() + 25))
