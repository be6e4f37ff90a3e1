"""The translation score out of sample: no outcome from after a year's start, planted and null."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from models.aftermath import outcomes
from models.logit import RidgeLogit, sigmoid
from models.translation import INPUTS, fit_translation
from training.settings import TrainingSettings
from training.translation import lead, skill_rows, translation_rows, translation_study, walk

SETTINGS = TrainingSettings(bootstrap_repeats=200)


def market(
    seed: int, *, led: float = 0.0, told: float = 0.0, n: int = 2000
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Sessions with a cascade on one in eight.

    `led` is the daily fall of SPX, in standard deviations, in the five sessions after any cascade;
    `told` the same for each unit of ``casc_new_z``.
    """
    rng = np.random.default_rng(seed)
    days = pd.bdate_range("2014-01-01", periods=n, name="session")
    cascade = rng.random(n) < 0.125
    features = pd.DataFrame(rng.standard_normal((n, 5)), index=days, columns=list(INPUTS[2:7]))
    events = pd.DataFrame(index=days)
    events["casc_new"] = cascade.astype(float)
    for name in ("casc_new_z", "casc_new_long_share", "casc_new_engineered"):
        events[name] = np.where(cascade, rng.standard_normal(n), np.nan)
    push = np.where(cascade, led + told * events["casc_new_z"].fillna(0.0), 0.0)
    drift = np.zeros(n)
    for k in range(1, 6):
        drift[k:] += push[:-k]
    ret = 0.011 * (rng.standard_normal(n) - drift)
    log_vix = np.empty(n)
    log_vix[0] = np.log(18.0)
    for i in range(1, n):
        log_vix[i] = log_vix[i - 1] + 0.1 * (np.log(18.0) - log_vix[i - 1])
        log_vix[i] += 0.05 * rng.standard_normal()
    spine = pd.DataFrame(
        {"spx_close": 3000 * np.exp(np.cumsum(ret)), "vix_close": np.exp(log_vix)}, index=days
    )
    return features, events, spine


def test_rows_are_those_where_a_cascade_could_be_seen() -> None:
    features, events, spine = market(0)
    events.iloc[:50] = np.nan
    rows = translation_rows(features, events, spine)
    assert rows.index[0] == spine.index[50]
    assert (rows["cascade"] == (events["casc_new"].iloc[50:] > 0)).all()
    assert rows["weakness"].iloc[-5:].isna().all()
    pd.testing.assert_series_equal(
        rows["weakness"], outcomes(spine)["weakness"].loc[rows.index], check_freq=False
    )
    without = translation_rows(features, events[[]], spine)
    assert without.empty


def test_a_year_is_forecast_by_what_had_ended_before_it() -> None:
    features, events, spine = market(1, told=0.3)
    rows = translation_rows(features, events, spine)
    said = walk(rows, SETTINGS)
    years = sorted(set(pd.DatetimeIndex(said.index).year))
    assert len(years) >= 5
    year = years[2]
    first = rows.index[rows.index.year == year][0]
    # nothing of that year nor of outcomes that reach into it or end the session before
    place = spine.index.get_loc(first)
    changed = rows.copy()
    later = changed["end"].isna() | (changed["end"] > spine.index[place - 2])
    changed.loc[later, "weakness"] = 1.0 - changed.loc[later, "weakness"]
    again = walk(changed, SETTINGS)
    mine = pd.DatetimeIndex(said.index).year == year
    names = ["translation", "vix", "base_rate"]
    pd.testing.assert_frame_equal(said.loc[mine, names], again.loc[mine, names])
    assert not said.loc[~mine, names].equals(again.loc[~mine, names])
    # by hand: the cascade sessions whose outcome had ended by then
    taught = rows[rows["cascade"] & (rows["end"] <= spine.index[place - 2])]
    y = taught["weakness"].to_numpy(float)
    assert said.loc[mine, "base_rate"].iloc[0] == (y.sum() + 0.5) / (len(y) + 1.0)
    vix = RidgeLogit.fit(taught[["log_vix"]].to_numpy(), y, names=("log_vix",), l2=1.0)
    test = rows.loc[said.index[mine]]
    expected = sigmoid(vix.log_odds(test[["log_vix"]].to_numpy()))
    np.testing.assert_allclose(said.loc[mine, "vix"], expected)


def test_the_gain_is_that_of_the_losses() -> None:
    features, events, spine = market(2, told=0.3)
    rows = translation_rows(features, events, spine)
    said = walk(rows, SETTINGS)
    table = {(r["forecast"], r["against"]): r for r in skill_rows(rows, said, SETTINGS)}
    y = said["y"].to_numpy(float)
    losses = {
        name: -np.log(np.where(y == 1.0, said[name], 1.0 - said[name])).mean()
        for name in ("translation", "vix", "base_rate")
    }
    for (ours, other), row in table.items():
        assert row["gain"] == pytest.approx((losses[other] - losses[ours]) / losses["base_rate"])
        assert row["gain_lo"] < row["gain"] < row["gain_hi"]
        assert (row["n"], row["weak"]) == (len(y), int(y.sum()))


def test_a_planted_effect_earns_a_voice_and_noise_does_not() -> None:
    planted = translation_study(*market(3, told=0.5), SETTINGS)
    assert planted.beats("base_rate") and planted.beats("vix")
    found = {row["input"]: row for row in planted.coefficients()}
    assert found["casc_new_z"]["lo"] > 0.0
    claims = [translation_study(*market(40 + s), SETTINGS).beats("base_rate") for s in range(8)]
    # by chance one in twenty has its low end above nothing: three of eight has a chance of 0.6 %
    assert sum(map(bool, claims)) <= 2


def test_cascades_that_lead_are_seen_and_others_are_not() -> None:
    for seed in (5, 6):
        features, events, spine = market(seed, led=0.4)
        told = lead(translation_rows(features, events, spine))
        assert told is not None and told["lo"] > 0.0
        assert told["after_cascade"] > told["else"]
    covered = 0
    for seed in range(12):
        told = lead(translation_rows(*market(60 + seed)))
        assert told is not None
        covered += told["lo"] <= 0.0 <= told["hi"]
    assert covered >= 8  # of 12 at 90 %; fewer has a chance below one in two hundred


def test_little_history_gives_reasons_instead_of_numbers() -> None:
    features, events, spine = market(7, n=200)
    told = translation_study(features, events, spine, SETTINGS)
    assert told.reason is not None and told.reason.startswith("too few events")
    assert [row["n"] for row in told.skill] == [0, 0, 0]
    assert all("no calendar year" in str(row["note"]) for row in told.skill)
    assert told.beats("base_rate") is None
    silent = translation_study(features, events.assign(casc_new=np.nan), spine, SETTINGS)
    assert silent.reason is not None and silent.lead is None and silent.base_rate is None


def test_the_last_fit_is_the_one_of_all_rows() -> None:
    features, events, spine = market(8)
    rows = translation_rows(features, events, spine)
    assert (
        translation_study(features, events, spine, SETTINGS).coefficients()
        == fit_translation(rows).coefficients()
    )
