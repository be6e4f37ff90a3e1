"""Fits read the past alone, stay coherent, ignore when a column was null, and know the strange."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.errors import DataError
from models.base_fit import at_moment
from models.coherence import coherent_log_odds
from models.dataset import make_dataset, training_rows
from models.fitting import fit_forecaster, lay_ground
from models.heads import HeadKey

UP = [HeadKey("shift_up", h) for h in (5, 10, 21)]


def _table(forecaster: Any) -> list[Any]:
    """All that a fit holds, as plain data."""
    heads = [
        (
            name,
            h.rows,
            h.last,
            None if h.shift is None else h.shift.to_json(),
            () if h.shift is None else [b.text for b in h.shift.boosters],
            {n: b.to_json() for n, b in h.baselines.items()},
        )
        for name, h in forecaster.heads.items()
    ]
    movers = [
        (name, m.to_json(), [b.text for b in m.boosters]) for name, m in forecaster.movers.items()
    ]
    return [forecaster.prior.to_json(), forecaster.novelty.to_json(), heads, movers]


def test_training_rows_end_by_until(fitted: Any) -> None:
    for key in (HeadKey("shift_up", 21), HeadKey("breach_down", 1)):
        rows = training_rows(fitted.dataset, key, fitted.until)
        assert (fitted.dataset.label_end.loc[rows, key.id] <= fitted.until).all()
        assert fitted.dataset.labels.loc[rows, key.id].notna().all()


def test_refits_on_one_ground_equal_fits_of_their_own(fitted: Any) -> None:
    heads = [HeadKey("shift_up", 5), HeadKey("breach", 1)]
    settings, until = fitted.forecaster.settings, fitted.until
    data = fitted.dataset
    fewer = dataclasses.replace(data, features=data.features.iloc[:, 1:])
    flatter = dataclasses.replace(settings, num_leaves=2, rounds=5)
    ground = lay_ground(data, until=until, settings=settings, heads=heads)
    for dataset, chosen in ((data, settings), (fewer, settings), (data, flatter)):
        alone = fit_forecaster(dataset, until=until, settings=chosen, heads=heads)
        assert _table(ground.fit(dataset.features, chosen)) == _table(alone)


def test_a_ground_beside_others_equals_one_alone(fitted: Any) -> None:
    """Another moment, one feature fewer and one session fewer: what is shared changes nothing."""
    data, until, settings = fitted.dataset, fitted.until, fitted.forecaster.settings
    heads = [HeadKey("shift_up", 5), HeadKey("breach_down", 1)]
    morning = dataclasses.replace(data, at="preopen", features=data.features.iloc[:, 1:])
    weekends = dataclasses.replace(morning, at="eve", features=morning.features.iloc[::2])
    grounds: list[Any] = []
    for shown in (data, morning, weekends):
        alone = lay_ground(shown, until=until, settings=settings, heads=heads)
        laid = lay_ground(shown, until=until, settings=settings, heads=heads, beside=grounds)
        once, again = (g.fit(shown.features, settings) for g in (alone, laid))
        assert _table(once) == _table(again)
        asked = shown.features.loc[until:].index[1:]
        pd.testing.assert_frame_equal(once.predict(shown, asked), again.predict(shown, asked))
        grounds.append(laid)
    evening, preopen, eve = grounds
    assert evening.prior is preopen.prior is eve.prior
    shared = [a.base is b.base for a, b in zip(evening.heads, preopen.heads, strict=True)]
    assert shared == [True, True]
    assert eve.heads[0].base is evening.heads[0].base


def test_a_moment_that_few_sessions_have_stands_on_what_all_sessions_tell(fitted: Any) -> None:
    heads = [HeadKey("shift_up", 5), HeadKey("gap_down", 1)]
    settings, until, data = fitted.forecaster.settings, fitted.until, fitted.dataset
    ratio = pd.Series(np.linspace(0.8, 1.2, len(data.spine)), index=data.spine.index)
    evening = data.features.assign(vix_vix3m=ratio)
    some = evening[evening.index.day_of_week == 4]
    often = make_dataset(evening, data.spine, prior=data.prior)
    seldom = make_dataset(some, data.spine, "eve", prior=data.prior, evening=evening)
    pd.testing.assert_frame_equal(seldom.inputs, often.inputs)
    always = fit_forecaster(often, until=until, settings=settings, heads=heads)
    rarely = fit_forecaster(seldom, until=until, settings=settings, heads=heads)
    fridays = some.index[some.index > until]
    for key in heads:
        one, other = always.heads[key.id], rarely.heads[key.id]
        assert [o.to_json() for o in one.shift.offsets] == [
            o.to_json() for o in other.shift.offsets
        ]
        # a hundred Fridays are too few to boost from
        assert one.shift.columns.names and not other.shift.columns.names
        said = rarely.predict(seldom, fridays)
        told = always.predict(often, fridays)
        np.testing.assert_array_equal(said["base_log_odds"], told["base_log_odds"])
    # the weight of the prior does not hang on whether a mover has something to say
    assert always.movers["size"].boosters and not rarely.movers["size"].boosters
    assert rarely.heads["gap_down_1"].shift.lean == 0.5


@pytest.mark.parametrize("kept", [slice(None, 500), slice(-600, None)])
def test_a_moment_of_some_years_alone_is_fitted(fitted: Any, kept: slice) -> None:
    """Features that end early leave the last blocks bare; late ones begin the ground."""
    data, until, settings = fitted.dataset, fitted.until, fitted.forecaster.settings
    some = data.features.loc[:until].iloc[kept]
    shown = dataclasses.replace(data, at="eve", features=some)
    model = fit_forecaster(shown, until=until, settings=settings, heads=[HeadKey("shift_up", 5)])
    head = model.heads["shift_up_5"]
    assert head.shift is not None
    early = kept.start is None
    assert bool(head.shift.columns.names) is not early
    assert head.first >= f"{some.index[0]:%Y-%m-%d}"
    assert model.predict(shown, some.index[-3:])["p"].notna().any()


def test_boosters_read_the_rows_of_their_moment_alone(fitted: Any) -> None:
    ground = lay_ground(
        fitted.dataset, until=fitted.until, settings=fitted.forecaster.settings, heads=UP[:1]
    )
    whole, base = ground.heads[0].sample, ground.heads[0].base
    assert base is not None
    where = np.where(np.arange(whole.y.size) % 5 == 0, np.arange(whole.y.size), -1)
    sample, mine = at_moment(dataclasses.replace(whole, where=where), base)
    assert sample.rows.equals(whole.rows[::5])
    np.testing.assert_array_equal(sample.y, whole.y[::5])
    np.testing.assert_array_equal(mine.unseen, base.unseen[::5])
    for k, (fit, held) in enumerate(mine.folds):
        all_fit, all_held = base.folds[k]
        assert set(sample.rows[held]) == set(whole.rows[all_held]) & set(sample.rows)
        assert set(sample.rows[fit]) == set(whole.rows[all_fit]) & set(sample.rows)
        start = dict(zip(whole.rows[all_fit], base.starts[k], strict=True))
        np.testing.assert_array_equal(mine.starts[k], [start[day] for day in sample.rows[fit]])


def test_later_prices_labels_and_features_change_nothing_at_a_fixed_until(fitted: Any) -> None:
    heads = [HeadKey("shift_up", 5), HeadKey("premium_failure", 5), HeadKey("expansion", 5)]
    settings, until = fitted.forecaster.settings, fitted.until
    data = fitted.dataset
    first = fit_forecaster(data, until=until, settings=settings, heads=heads)
    spine, features, prior = data.spine.copy(), data.features.copy(), data.prior.copy()
    after = spine.index > until
    spine.loc[after] *= 1.7
    features.loc[after] = 99.0
    prior.loc[after] = 0.5
    ranks = data.ranks.copy()
    ranks.loc[after] = 0.9
    changed = make_dataset(features, spine, prior=prior, ranks=ranks)
    again = fit_forecaster(changed, until=until, settings=settings, heads=heads)
    assert _table(first) == _table(again)
    # The same heads out of a larger fit are the same.
    assert _table(first)[2][0] == _table(fitted.forecaster)[2][0]


def test_predictions_are_probabilities_and_rise_with_the_horizon(fitted: Any) -> None:
    out = fitted.forecaster.predict(fitted.dataset, fitted.later)
    known = out.dropna(subset="p")
    assert ((known["p"] > 0) & (known["p"] < 1)).all()
    assert ((known["lo"] <= known["p"]) & (known["p"] <= known["hi"])).all()
    wide = known[known["head"] == "shift_up"].pivot_table(
        index="session", columns="horizon", values="p"
    )
    assert (wide[5] <= wide[10] + 1e-12).all()
    assert (wide[10] <= wide[21] + 1e-12).all()
    crisis = fitted.dataset.spine["vix_close"].loc[fitted.later] >= 30
    up = out[(out["head"] == "shift_up") & (out["horizon"] == 5)].set_index("session")
    assert (up["p"].isna() == crisis).all()


def test_coherence_is_isotonic_and_silent_where_in_order() -> None:
    values = np.array([[0.0, 1.0, 2.0], [2.0, 1.0, 3.0], [3.0, 2.0, 1.0], [1.0, 3.0, 1.0]])
    odds = {key: values[:, j] for j, key in enumerate(UP)}
    fixed = values + np.column_stack([coherent_log_odds(odds)[key] for key in UP])
    expected = [[0, 1, 2], [1.5, 1.5, 3], [2, 2, 2], [1, 2, 2]]
    np.testing.assert_allclose(fixed, expected, atol=1e-12)
    single = {HeadKey("expansion", h): values[:, j] for j, h in enumerate((5, 10, 21))}
    assert all((v == 0).all() for v in coherent_log_odds(single).values())


def test_a_null_pattern_alone_gives_no_correction(fitted: Any) -> None:
    """Columns of noise that are null before a date say nothing about the era by being null."""
    spine = fitted.dataset.spine
    rng = np.random.Generator(np.random.PCG64(11))
    noise = pd.DataFrame(rng.standard_normal((len(spine), 4)), index=spine.index)
    noise = noise.add_prefix("era_")
    noise.iloc[:1000] = np.nan
    data = make_dataset(noise, spine, prior=fitted.dataset.prior)
    heads = [HeadKey("premium_failure", 5), HeadKey("expansion", 5)]
    settings = dataclasses.replace(fitted.forecaster.settings, min_share=0.3)
    model = fit_forecaster(data, until=fitted.until, settings=settings, heads=heads)
    for key in heads:
        shift = model.heads[key.id].shift
        assert shift is not None
        assert shift.columns.names == tuple(noise.columns)
        empty = shift.boosted(noise.iloc[:5])
        median = pd.DataFrame([shift.columns.neutral] * 5, columns=noise.columns)
        np.testing.assert_array_equal(empty, shift.boosted(median))
    p = model.predict(data, fitted.later).dropna(subset="p")
    moved = p["p"] - 1.0 / (1.0 + np.exp(-p["base_log_odds"]))
    assert moved.abs().mean() < 0.03


def test_novelty_is_larger_for_an_extreme_row(fitted: Any) -> None:
    novelty, inputs = fitted.forecaster.novelty, fitted.dataset.inputs.iloc[1000:1100].copy()
    ordinary = novelty.distance(inputs)
    assert np.median(ordinary) < novelty.threshold
    inputs["dvix1"] += 1.0
    inputs["ret1"] -= 10.0
    strange = novelty.distance(inputs)
    assert (strange > ordinary).all()
    assert (strange > novelty.threshold).all()


def test_no_feature_row_by_until_is_refused(fitted: Any) -> None:
    with pytest.raises(DataError, match="no feature row"):
        fit_forecaster(fitted.dataset, until=pd.Timestamp("2001-01-02"))


def test_outcomes_in_one_block_alone_leave_the_answer_to_the_path_prior(fitted: Any) -> None:
    """The member that leaves that block out would see a single outcome."""
    key = HeadKey("breach_down", 1)
    rows = training_rows(fitted.dataset, key, fitted.until)
    labels = fitted.dataset.labels.copy()
    labels.loc[rows, key.id] = 0.0
    labels.loc[rows[:40], key.id] = 1.0
    data = dataclasses.replace(fitted.dataset, labels=labels)
    settings = fitted.forecaster.settings
    model = fit_forecaster(data, until=fitted.until, settings=settings, heads=[key])
    assert model.heads[key.id].shift is None
    out = model.predict(data, fitted.later).dropna(subset="p")
    np.testing.assert_allclose(out["p"], out["prior"], atol=1e-12)
