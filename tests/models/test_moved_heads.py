"""Heads that are moved: halves, signs, what is kept of the boosters, and what a head says alone."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pandas as pd

from models.base_fit import Base, Sample
from models.blocks import block_folds
from models.boosters import Matrix
from models.columns import Columns
from models.heads import HeadKey
from models.logit import logit, sigmoid
from models.mover_fit import fit_mover
from models.offset import PRIOR, Expert, Offset, offset_columns
from models.settings import ModelSettings
from models.shift import ShiftModel
from models.shift_fit import fit_shift, unboosted


def _rng(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def test_a_moved_head_is_the_mean_of_two_forecasts(fitted: Any) -> None:
    """By hand: offsets with the head's boosters, and the path prior moved by every member."""
    rows = fitted.dataset.features.loc[fitted.later[:40]]
    told = fitted.forecaster.predict(fitted.dataset, rows.index)
    for name, sign in (("expansion_5", 1.0), ("breach_down_1", 1.0)):
        shift = fitted.forecaster.heads[name].shift
        own = told[told["head"] + "_" + told["horizon"].astype(str) == name]
        inputs = fitted.dataset.inputs.loc[rows.index]
        columns = offset_columns(inputs, own["prior"].to_numpy())
        stack = np.mean([offset.from_columns(columns) for offset in shift.offsets], axis=0)
        x = shift.columns.values(rows)
        boosted = shift.share * np.mean([b.log_odds(x) for b in shift.boosters], axis=0)
        ranked = np.mean([b.log_odds(x) for b in shift.mover.boosters], axis=0)
        moved = logit(own["prior"].to_numpy()) + sign * 1.5 * shift.mover.share * ranked
        expected = 0.5 * (stack + boosted) + 0.5 * moved
        calibrated = expected + shift.calibrated(expected)
        np.testing.assert_allclose(logit(own["p"].to_numpy()), calibrated, atol=1e-9)


def _planted_low(n: int = 1500) -> tuple[Sample, Base, Columns, Matrix, ModelSettings, Any]:
    """Rows of `shift_down` whose prior lacks what a feature says of a quantity, and its mover."""
    rng = _rng(8)
    x = pd.DataFrame({"a": rng.standard_normal(n), "b": rng.standard_normal(n)})
    quantity = x["a"].to_numpy() + rng.logistic(size=n)
    y = (quantity < -1.0).astype(float)
    prior = np.full(n, float(y.mean()))
    settings = ModelSettings(rounds=60, blocks=3)
    columns = Columns(tuple(x.columns), np.zeros(2), ())
    matrix = Matrix(columns.values(x), settings)
    found = fit_mover("vix", sigmoid(quantity), columns, matrix, settings)
    rows = pd.bdate_range("2000-01-03", periods=n)
    sample = Sample(rows, pd.DataFrame(index=rows), prior, np.zeros(n), y, np.arange(n))
    offset = Offset({PRIOR: 1.0}, {PRIOR: Expert(None)})
    folds = tuple(block_folds(n, 3, 6))
    start = logit(prior)
    base = Base(folds, (offset,) * 3, tuple(start[fit] for fit, _ in folds), start, {})
    return sample, base, columns, matrix, settings, found


def test_a_low_is_moved_down_by_what_moves_its_quantity_up() -> None:
    sample, base, columns, matrix, settings, (mover, unseen) = _planted_low()
    key = HeadKey("shift_down", 5)
    young = pd.DataFrame(index=sample.rows)
    given = (sample, base, young, columns, matrix, settings)
    shift = fit_shift(key, *given, (mover, unseen))
    assert shift.lean == -0.5
    # the right way it tells the rows apart, the wrong way it misleads, and alone it says nothing
    wrong, alone = fit_shift(key, *given, (mover, -unseen)), fit_shift(key, *given)
    losses = [model.choice["share_0.0"] for model in (shift, alone, wrong)]
    assert losses == sorted(losses) and losses[0] < losses[1] - 0.005
    assert alone.lean == 0.0 and alone.mover is None
    high = pd.DataFrame({"a": [2.0] * 3, "b": [0.0] * 3})
    only = unboosted(key, base, (mover, unseen))
    assert only.boosters == () and only.share == 0.0
    assert (only.boosted(high) < -0.1).all() and (only.boosted(-high) > 0.1).all()
    for model in (shift, only):
        values, bias = model.contributions(high)
        assert values.shape == (3, len(model.features))
        np.testing.assert_allclose(values.sum(axis=1) + bias, model.boosted(high), atol=1e-12)
        again = ShiftModel.from_json(model.to_json(), model.boosters, mover)
        np.testing.assert_array_equal(again.added(high), model.added(high))


def test_the_share_of_the_boosters_is_pulled_to_the_whole() -> None:
    sample, base, columns, matrix, settings, _ = _planted_low()
    key, young = HeadKey("premium_failure", 5), pd.DataFrame(index=sample.rows)
    noise = dataclasses.replace(sample, y=_rng(4).permutation(sample.y))
    shares = [
        fit_shift(
            key, noise, base, young, columns, matrix, dataclasses.replace(settings, share_penalty=p)
        ).share
        for p in (0.0, 1.0)
    ]
    assert shares[0] < 1.0 and shares[1] == 1.0
    # without a column there is nothing to keep
    bare = fit_shift(key, noise, base, young, Columns((), np.empty(0), ()), matrix, settings)
    assert bare.share == 0.0 and bare.boosters == ()


def test_a_forecast_is_the_same_with_and_without_its_interval(fitted: Any) -> None:
    rows = fitted.dataset.features.loc[fitted.later[:60]]
    told = [
        fitted.forecaster.odds(rows, fitted.dataset.spine, intervals=asked)
        for asked in (True, False)
    ]
    for name, one in told[0].items():
        np.testing.assert_array_equal(one.log_odds, told[1][name].log_odds)
