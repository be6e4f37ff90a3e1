"""The estimator: choices inside the window, neutral nulls, exact and independent explanations."""

from __future__ import annotations

import dataclasses
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pytest

from models.blocks import block_folds
from models.boosters import Matrix
from models.coherence import coherent_log_odds
from models.columns import Columns
from models.explain import explain_rows, group_contributions, probability_points
from models.fitting import fit_forecaster
from models.heads import HeadKey
from models.logit import RidgeLogit, logit, sigmoid
from models.novelty import Novelty
from models.offset import earned_trust, lean_on_prior, stack_weights
from models.scores import log_loss
from models.settings import ModelSettings
from models.structural import VARIANCE
from models.window import fit_window, window_columns, window_parts


def _rng(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def test_blocks_cover_once_and_keep_the_gap() -> None:
    folds = block_folds(103, 5, gap=6)
    held = np.concatenate([h for _, h in folds])
    assert sorted(held.tolist()) == list(range(103))
    for fit, out in folds:
        assert np.abs(fit[:, None] - out[None, :]).min() >= 6


def test_ridge_logit_equals_scikit_learn_and_reads_its_own_json() -> None:
    from sklearn.linear_model import LogisticRegression

    rng = _rng(0)
    x = rng.standard_normal((800, 3)) * [1.0, 5.0, 0.1] + [0.0, 2.0, -1.0]
    y = (rng.random(800) < sigmoid(x[:, 0] - 0.2 * x[:, 1])).astype(float)
    ours = RidgeLogit.fit(x, y, names=("a", "b", "c"), l2=2.0)
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    theirs = LogisticRegression(C=1.0 / (2.0 * 2.0), tol=1e-10, max_iter=1000).fit(z, y)
    np.testing.assert_allclose(ours.coef, theirs.coef_[0], atol=1e-5)
    np.testing.assert_allclose(ours.log_odds(x), theirs.decision_function(z), atol=1e-5)
    again = RidgeLogit.from_json(ours.to_json())
    assert np.array_equal(again.log_odds(x), ours.log_odds(x))


def test_a_null_adds_nothing_to_a_logit() -> None:
    rng = _rng(1)
    x = rng.standard_normal((300, 2))
    y = (rng.random(300) < sigmoid(2 * x[:, 0])).astype(float)
    model = RidgeLogit.fit(x, y, names=("a", "b"), l2=1.0)
    assert model.parts(np.array([[np.nan, 0.5]]))[0, 0] == 0.0


def test_the_stack_finds_the_expert_who_knows() -> None:
    rng = _rng(2)
    truth = rng.standard_normal(4000)
    y = (rng.random(4000) < sigmoid(truth)).astype(float)
    said = np.column_stack([truth, rng.standard_normal(4000), np.zeros(4000)])
    weights = stack_weights(said, y, penalty=0.0)
    assert weights[0] > 0.9
    assert weights.sum() == pytest.approx(1.0)
    equal = stack_weights(said, y, penalty=100.0)
    np.testing.assert_allclose(equal, 1.0 / 3.0, atol=0.01)


def test_coherence_orders_horizons_and_leaves_order_alone() -> None:
    keys = [HeadKey("shift_up", h) for h in (5, 10, 21)]
    rows = {
        keys[0]: np.array([-2.0, 0.0, np.nan]),
        keys[1]: np.array([-1.0, -1.0, np.nan]),
        keys[2]: np.array([0.5, 0.6, np.nan]),
    }
    fixed = coherent_log_odds(rows)
    after = np.column_stack([rows[k] + fixed[k] for k in keys])
    assert np.array_equal(after[0], [-2.0, -1.0, 0.5])
    assert after[1] == pytest.approx([-0.5, -0.5, 0.6])
    assert np.isnan(after[2]).all()


def _young(n: int, effect: float) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    rng = _rng(3)
    x = pd.DataFrame({"cw_a": rng.standard_normal(n), "cw_b": rng.standard_normal(n)})
    x.iloc[: n // 2] = np.nan
    start = np.full(n, -1.0)
    truth = start + effect * x["cw_a"].fillna(0.0).to_numpy()
    return x, (rng.random(n) < sigmoid(truth)).astype(float), start


def test_young_features_speak_where_known_and_only_there() -> None:
    x, y, start = _young(1600, 1.5)
    model, losses = fit_window(x, y, start, ("cw_a", "cw_b"), 2)
    assert model is not None
    parts = window_parts(model, x)
    assert (parts[:800] == 0.0).all()
    late = slice(800, None)
    assert log_loss(y[late], sigmoid(start[late] + parts[late].sum(axis=1))) < log_loss(
        y[late], sigmoid(start[late])
    )
    assert losses["window_none"] > min(losses.values())


def test_young_features_of_noise_stay_silent_or_small() -> None:
    x, y, start = _young(1600, 0.0)
    model, _ = fit_window(x, y, start, ("cw_a", "cw_b"), 2)
    if model is not None:
        assert np.abs(window_parts(model, x)).max() < 0.5


def test_young_features_are_for_next_session_heads_outside_the_evening() -> None:
    x, _, _ = _young(400, 0.0)
    assert window_columns(x, ["cw_a"], at="evening", horizon=1) == ()
    assert window_columns(x, ["cw_a"], at="preopen", horizon=5) == ()
    assert window_columns(x, ["cw_a", "other"], at="preopen", horizon=1) == ("cw_a",)


def test_novelty_is_one_for_the_ordinary_and_large_for_the_strange() -> None:
    rng = _rng(4)
    table = pd.DataFrame(rng.standard_normal((3000, len(VARIANCE))), columns=list(VARIANCE))
    novelty = Novelty.fit(table)
    distance = novelty.distance(table)
    assert 0.8 < np.median(distance) < 1.2
    assert np.mean(distance > novelty.threshold) == pytest.approx(0.005, abs=0.002)
    assert novelty.distance(table.iloc[[7]] + 10.0)[0] > novelty.threshold
    assert novelty.distance(table.iloc[[7]])[0] == distance[7]


def test_settings_refuse_what_cannot_be() -> None:
    with pytest.raises(ValueError, match="blocks"):
        ModelSettings(blocks=1)
    with pytest.raises(ValueError, match="unknown model settings"):
        ModelSettings.from_json({"leaves": 3})
    assert ModelSettings.from_json(ModelSettings().to_json()) == ModelSettings()


def test_points_add_up_to_the_change_of_the_probability() -> None:
    terms = [("a", 0.4), ("b", -0.1)]
    points = probability_points(-1.0, terms)
    assert sum(p for _, p in points) == pytest.approx(100 * (sigmoid(-0.7) - sigmoid(-1.0)))


def test_contributions_sum_to_the_probability(fitted) -> None:  # type: ignore[no-untyped-def]
    rows = fitted.dataset.features.loc[fitted.later[:40]]
    spoken = explain_rows(fitted.forecaster, rows, fitted.dataset.spine, [None] * len(rows))
    seen = 0
    for session in spoken:
        for head in session.heads:
            if head.probability is None:
                continue
            total = head.base_log_odds + sum(c.log_odds for c in head.contributions)
            assert abs(float(sigmoid(total)) - head.probability) < 1e-9
            grouped = group_contributions(head.contributions, {"noise_a": "noise"})
            assert sum(grouped.values()) == pytest.approx(total - head.base_log_odds)
            seen += 1
    assert seen > 100


def test_impossible_shifts_are_null(fitted) -> None:  # type: ignore[no-untyped-def]
    rows = fitted.forecaster.predict(fitted.dataset, fitted.later)
    vix = fitted.dataset.spine["vix_close"].reindex(rows["session"]).to_numpy()
    down = (rows["head"] == "shift_down").to_numpy()
    assert rows["p"].isna().to_numpy()[down & (vix < 15.0)].all()
    assert rows["p"].notna().to_numpy()[down & (vix >= 15.0)].all()


def test_nulls_carry_no_skill(fitted) -> None:  # type: ignore[no-untyped-def]
    """Only where the nulls stand differs between the two tables: the forecast may not."""
    rows = fitted.dataset.features.loc[fitted.later[:30]].copy()
    neutral = rows.copy()
    for head in fitted.forecaster.heads.values():
        if head.shift is None or not head.shift.boosters:
            continue
        columns = head.shift.columns
        for name in ("gappy", "noise_b"):
            rows[name] = np.nan
            neutral[name] = columns.neutral[columns.names.index(name)]
        a = head.shift.boosted(rows)
        assert np.array_equal(a, head.shift.boosted(neutral))


def _encoded_era(fill: str) -> float:
    """How far the corrections of two eras lie apart when nothing but the null tells them apart."""
    from models.boosters import fit_booster

    rng, n, settings = _rng(6), 4000, ModelSettings()
    known = rng.standard_normal((n, 4))
    young = 0.95 * known + 0.31 * rng.standard_normal((n, 4))
    early = np.arange(n) < 1400
    young[early] = np.nan
    x = pd.DataFrame(np.hstack([known, young]), columns=list("abcdefgh"))
    y = (rng.random(n) < np.where(early, 0.5, 0.15)).astype(float)
    columns = Columns.choose(x, settings)
    assert columns.names == tuple("abcdefgh")
    fitted_on = {
        "native": x.to_numpy(),
        "median": columns.values(x),
        "drawn": columns.drawn(x, seed=settings.seed),
    }[fill]
    start = np.full(n, float(logit(y.mean())))
    booster = fit_booster(Matrix(fitted_on, settings), np.arange(n), y, start, settings, seed=1)
    said = booster.log_odds(x.to_numpy() if fill == "native" else columns.values(x))
    return float(said[early].mean() - said[~early].mean())


def test_null_routing_cannot_encode_the_era() -> None:
    """Half of the early labels are ones, a seventh later: LightGBM's own nulls find that out."""
    assert _encoded_era("native") > 1.0
    # so does a constant in their place, which a tree cuts out
    assert _encoded_era("median") > 1.0
    assert abs(_encoded_era("drawn")) < 0.15


def test_drawn_values_come_from_the_column_and_rows_stay_together() -> None:
    from models.columns import Columns

    rng = _rng(7)
    a = rng.standard_normal(500)
    x = pd.DataFrame({"a": a, "b": a + 10.0, "c": rng.standard_normal(500)})
    x.loc[:149, ["a", "b"]] = np.nan
    columns = Columns.choose(x, ModelSettings())
    drawn = columns.drawn(x, seed=1)
    np.testing.assert_array_equal(drawn[150:], x.to_numpy()[150:])
    np.testing.assert_allclose(drawn[:150, 1] - drawn[:150, 0], 10.0)
    assert set(drawn[:150, 0]) <= set(a[150:])
    np.testing.assert_array_equal(drawn, columns.drawn(x, seed=1))
    later = columns.drawn(x.assign(a=x["a"].where(x.index < 400)), seed=1)
    assert not np.isnan(later).any()


def test_heads_on_the_same_rows_share_their_bins_and_not_their_trees() -> None:
    from models.boosters import fit_booster

    rng, settings = _rng(8), ModelSettings(rounds=20)
    x = rng.standard_normal((900, 5))
    heads = [(rng.random(900) < sigmoid(x[:, j])).astype(float) for j in range(2)]
    rows, start = np.arange(100, 900), np.zeros(800)
    matrix = Matrix(x, settings)
    assert matrix.rows(rows) is matrix.rows(rows.copy())
    assert matrix.rows(rows) is not matrix.rows(rows[1:])
    shared = [fit_booster(matrix, rows, y[rows], start + j, settings, seed=j).text
              for j, y in enumerate(heads)]  # fmt: skip
    alone = [fit_booster(Matrix(x, settings), rows, y[rows], start + j, settings, seed=j).text
             for j, y in enumerate(heads)]  # fmt: skip
    assert shared == alone
    assert shared[0] != shared[1]


def test_contributions_equal_the_kernel_of_shap() -> None:
    """LightGBM's own values against shap's C code, which shares nothing with it."""
    from models.boosters import fit_booster

    shap = pytest.importorskip("shap")
    rng = _rng(5)
    x = rng.standard_normal((1500, 6))
    y = (rng.random(1500) < sigmoid(x[:, 0] + x[:, 1] * x[:, 2])).astype(float)
    matrix = Matrix(x, ModelSettings())
    rows = np.arange(1500)
    booster = fit_booster(matrix, rows, y, np.zeros(1500), ModelSettings(num_leaves=6), seed=1)
    own = booster.contributions(x[:200])
    np.testing.assert_allclose(own.sum(axis=1), booster.log_odds(x[:200]), atol=1e-10)
    explainer = shap.TreeExplainer(lightgbm.Booster(model_str=booster.text))
    # Without the native model shap cannot delegate to `pred_contrib`.
    explainer.model.original_model = None
    explainer.model.model_type = "lightgbm_own_kernel"
    values = np.asarray(explainer.shap_values(x[:200], check_additivity=False))
    values = values[1] if values.ndim == 3 and values.shape[0] == 2 else values
    np.testing.assert_allclose(values, own[:, :-1], atol=1e-9)


def test_fit_is_repeatable_and_workers_do_not_change_it(fitted) -> None:  # type: ignore[no-untyped-def]
    from models.fitting import fit_forecaster

    keys = [HeadKey("shift_up", 5)]
    one, two = (
        fit_forecaster(
            fitted.dataset, until=fitted.until, settings=fitted.forecaster.settings, heads=keys
        )
        for _ in range(2)
    )
    assert one.heads["shift_up_5"].shift.to_json() == two.heads["shift_up_5"].shift.to_json()
    texts = [[b.text for b in f.heads["shift_up_5"].shift.boosters] for f in (one, two)]
    assert texts[0] == texts[1]
    same = fitted.forecaster.heads["shift_up_5"].shift
    assert same.to_json() == one.heads["shift_up_5"].shift.to_json()


def test_rows_after_until_are_never_read(fitted) -> None:  # type: ignore[no-untyped-def]
    import dataclasses

    from models.fitting import fit_forecaster

    data = fitted.dataset
    after = data.features.index > fitted.until
    spoiled = data.features.mask(np.repeat(after[:, None], data.features.shape[1], axis=1), 99.0)
    inputs = data.inputs.copy()
    inputs.loc[inputs.index > fitted.until] = 99.0
    prior = data.prior.copy()
    prior.loc[prior.index > fitted.until] = 0.99
    other = dataclasses.replace(data, features=spoiled, inputs=inputs, prior=prior)
    keys = [HeadKey("expansion", 5)]
    clean, dirty = (
        fit_forecaster(d, until=fitted.until, settings=fitted.forecaster.settings, heads=keys)
        for d in (data, other)
    )
    a, b = clean.heads["expansion_5"].shift, dirty.heads["expansion_5"].shift
    assert a is not None and b is not None
    assert a.to_json() == b.to_json()
    assert [x.text for x in a.boosters] == [x.text for x in b.boosters]
    assert float(logit(0.5)) == 0.0


def test_trust_grows_with_independent_cases_of_the_rarer_outcome() -> None:
    y = np.zeros(1000)
    y[:100] = 1.0
    assert earned_trust(y, 1) == pytest.approx(100 / 120)
    # labels that span five sessions tell a fifth of the cases
    assert earned_trust(y, 5) == pytest.approx(20 / 40)
    assert earned_trust(1.0 - y, 5) == earned_trust(y, 5)
    assert earned_trust(np.zeros(1000), 5) == 0.0


def test_what_the_stack_has_not_earned_lies_on_the_prior() -> None:
    shares = lean_on_prior({"vix_spline": 0.75, "climatology": 0.25}, 0.6)
    assert list(shares) == ["climatology", "prior", "vix_spline"]
    assert shares == pytest.approx({"climatology": 0.15, "prior": 0.4, "vix_spline": 0.45})
    assert lean_on_prior({"prior": 1.0}, 0.3) == pytest.approx({"prior": 1.0})


def test_where_nothing_but_the_prior_is_true_the_prior_answers(fitted: Any) -> None:
    """Outcomes drawn from the prior itself: whatever a stack adds is noise."""
    key = HeadKey("breach_down", 1)
    rng = _rng(3)
    labels, prior = fitted.dataset.labels.copy(), fitted.dataset.prior[key.id]
    drawn = (rng.random(len(prior)) < prior).astype(float).where(prior.notna())
    labels[key.id] = drawn.where(labels[key.id].notna())
    data = dataclasses.replace(fitted.dataset, labels=labels)
    model = fit_forecaster(
        data, until=fitted.until, settings=fitted.forecaster.settings, heads=[key]
    )
    said = model.predict(data, fitted.later).dropna(subset="p")
    y = labels.loc[said["session"], key.id].to_numpy()
    keep = ~np.isnan(y)
    ours = log_loss(y[keep], said["p"].to_numpy()[keep])
    truth = log_loss(y[keep], said["prior"].to_numpy()[keep])
    assert ours < truth + 0.01
