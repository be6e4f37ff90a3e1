"""Contributions against shap's own kernel, and points of probability that add up."""

from __future__ import annotations

from typing import Any

import lightgbm
import numpy as np
import pytest

from models.explain import Contribution, group_contributions, probability_points


def test_contributions_equal_shaps_own_kernel(fitted: Any) -> None:
    """TreeExplainer hands LightGBM back to LightGBM; told otherwise, it uses its own C code."""
    import shap

    shift = next(
        h.shift
        for h in fitted.forecaster.heads.values()
        if h.shift is not None and h.shift.boosters
    )
    x = shift.columns.values(fitted.dataset.features.loc[fitted.later[:60]])
    for booster in shift.boosters:
        native = lightgbm.Booster(model_str=booster.text)
        explainer = shap.TreeExplainer(native, feature_perturbation="tree_path_dependent")
        explainer.model.model_type = "own kernel"
        own = np.asarray(explainer.shap_values(x, check_additivity=False))
        ours = booster.contributions(x)
        np.testing.assert_allclose(own, ours[:, :-1], atol=1e-10)
        assert np.abs(own).max() > 0
        np.testing.assert_allclose(ours.sum(axis=1), booster.log_odds(x), atol=1e-12)


def test_probability_points_add_up() -> None:
    terms = [("a", 0.8), ("b", -0.3), ("c", 0.1)]
    points = probability_points(-1.5, terms)
    before, after = (100.0 / (1.0 + np.exp(-v)) for v in (-1.5, -0.9))
    assert sum(p for _, p in points) == pytest.approx(after - before)
    assert points[0][1] / points[1][1] == pytest.approx(-0.8 / 0.3)
    cancelled = probability_points(0.0, [("a", 0.4), ("b", -0.4)])
    assert cancelled[0][1] == pytest.approx(10.0)


def test_groups_sum_their_features() -> None:
    terms = [Contribution("a", 1.0, 0.2), Contribution("b", None, 0.3), Contribution("c", 0.0, -1)]
    assert group_contributions(terms, {"a": "x", "b": "x"}) == {"x": 0.5, "c": -1}
