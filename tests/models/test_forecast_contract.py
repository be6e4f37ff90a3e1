"""What everybody downstream relies on: bundles, sums, single rows, no future."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.errors import StormpetrelError
from models.bundle import load_bundle, write_bundle
from models.fitting import fit_forecaster
from models.heads import HeadKey
from models.paths import PathPrior


@pytest.fixture(scope="module")
def written(fitted, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("bundles")
    return write_bundle(folder, {"evening": fitted.forecaster}, fields={"data_hash": "d"})


def _later(fitted, count: int) -> pd.DatetimeIndex:
    return fitted.later[:count]


def test_the_same_fit_is_the_same_folder_with_the_same_bytes(fitted, written):
    before = {path: path.read_bytes() for path in written.rglob("*") if path.is_file()}
    again = write_bundle(written.parent, {"evening": fitted.forecaster}, fields={"data_hash": "d"})
    assert again == written
    assert {p: p.read_bytes() for p in written.rglob("*") if p.is_file()} == before
    assert not [p for p in written.rglob("*") if p.suffix in {".pkl", ".joblib", ".pickle"}]


def test_a_changed_file_is_refused(written, tmp_path):
    copy = tmp_path / written.name
    copy.mkdir()
    for path in written.rglob("*"):
        target = copy / path.relative_to(written)
        if path.is_dir():
            target.mkdir(parents=True, exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    victim = next(p for p in copy.rglob("*.json") if p.name not in {"manifest.json", "run.json"})
    victim.write_bytes(victim.read_bytes() + b" ")
    with pytest.raises(StormpetrelError, match=victim.name):
        load_bundle(copy)


def test_offset_and_contributions_add_up_to_the_probability(fitted, written):
    bundle = load_bundle(written)
    rows = fitted.dataset.features.loc[_later(fitted, 20)]
    spoken = 0
    for answer in bundle.forecast(at="evening", features=rows, spine=fitted.dataset.spine):
        for head in answer.heads:
            if head.probability is None:
                continue
            spoken += 1
            total = head.base_log_odds + math.fsum(c.log_odds for c in head.contributions)
            assert 1 / (1 + math.exp(-total)) == pytest.approx(head.probability, abs=1e-9)
            low, high = head.interval
            assert 0 <= low <= head.probability <= high <= 1
    assert spoken > 50


def test_the_loaded_bundle_says_what_the_fit_said(fitted, written):
    days = _later(fitted, 20)
    told = fitted.forecaster.predict(fitted.dataset, days)
    bundle = load_bundle(written)
    rows = fitted.dataset.features.loc[days]
    for answer in bundle.forecast(at="evening", features=rows, spine=fitted.dataset.spine):
        for head in answer.heads:
            row = told[
                (told["session"] == answer.session)
                & (told["head"] == head.head)
                & (told["horizon"] == head.horizon)
            ]
            if head.probability is None:
                assert row["p"].isna().all()
            else:
                assert row["p"].item() == head.probability


def test_a_row_alone_is_the_row_of_the_batch_whatever_comes_after(fitted, written):
    bundle = load_bundle(written)
    days = _later(fitted, 8)
    rows = fitted.dataset.features.loc[days]
    batch = bundle.forecast(at="evening", features=rows, spine=fitted.dataset.spine)
    for day, answer in zip(days, batch, strict=True):
        past = fitted.dataset.spine.loc[:day]
        (alone,) = bundle.forecast(at="evening", features=rows.loc[[day]], spine=past)
        assert alone == answer


def test_cumulative_heads_rise_with_the_horizon(fitted):
    told = fitted.forecaster.predict(fitted.dataset, _later(fitted, 100))
    up = told[told["head"] == "shift_up"]
    wide = up.pivot_table(index="session", columns="horizon", values="p")
    known = wide.dropna()
    assert len(known) > 30
    assert (known[10] >= known[5] - 1e-12).all()
    assert (known[21] >= known[10] - 1e-12).all()


def test_a_fit_reads_nothing_after_until(fitted):
    spine = fitted.dataset.spine.copy()
    after = spine.index > fitted.until
    spine.loc[after, ["spx_open", "spx_close", "spx_high", "spx_low"]] *= 1.7
    spine.loc[after, "vix_close"] = 55.0
    from models.dataset import make_dataset
    from models.ranks import walk_forward_ranks

    twisted = make_dataset(
        fitted.dataset.features,
        spine,
        prior=fitted.dataset.prior,
        ranks=walk_forward_ranks(spine, paths=200, min_sessions=821),
    )
    assert not twisted.ranks.loc[: fitted.until].equals(fitted.dataset.ranks.loc[: fitted.until])
    keys = [HeadKey("shift_down", 5), HeadKey("expansion", 5), HeadKey("breach_down", 1)]
    settings = fitted.forecaster.settings
    days = fitted.dataset.features.loc[: fitted.until].index[-60:-40]
    one = fit_forecaster(fitted.dataset, until=fitted.until, settings=settings, heads=keys)
    two = fit_forecaster(twisted, until=fitted.until, settings=settings, heads=keys)
    pd.testing.assert_frame_equal(one.predict(fitted.dataset, days), two.predict(twisted, days))


def test_an_absent_feature_counts_as_null(fitted, written):
    bundle = load_bundle(written)
    rows = fitted.dataset.features.loc[_later(fitted, 3)]
    spine = fitted.dataset.spine
    nulled = rows.assign(noise_a=np.nan)
    assert bundle.forecast(at="evening", features=nulled, spine=spine) == bundle.forecast(
        at="evening", features=rows.drop(columns="noise_a"), spine=spine
    )


def test_an_extreme_row_is_more_novel(fitted):
    novelty = fitted.forecaster.novelty
    inputs = fitted.dataset.inputs.loc[fitted.later]
    extreme = inputs + 20.0 * inputs.abs().mean()
    farther = novelty.distance(extreme) > novelty.distance(inputs)
    assert len(farther) > 50
    assert farther.mean() > 0.95


def test_the_prior_is_deterministic_and_knows_no_future(path_prior, spine):
    days = pd.DatetimeIndex(spine.index[1520:1540])
    whole = path_prior.probabilities(spine, days, "evening")
    pd.testing.assert_frame_equal(whole, path_prior.probabilities(spine, days, "evening"))
    for day in days[::7]:
        alone = path_prior.probabilities(spine.loc[:day], days[days == day], "evening")
        pd.testing.assert_frame_equal(alone, whole.loc[[day]])


def test_the_prior_survives_json(path_prior, spine):
    days = pd.DatetimeIndex(spine.index[1520:1525])
    back = PathPrior.from_json(json.loads(json.dumps(path_prior.to_json())))
    pd.testing.assert_frame_equal(
        back.probabilities(spine, days, "evening"), path_prior.probabilities(spine, days, "evening")
    )


def test_paths_have_no_drift_of_note_and_spread_with_time(path_prior, spine):
    days = pd.DatetimeIndex(spine.index[1520:1530])
    log_return, log_vix = path_prior.sample(spine, days, 21)
    assert log_return.shape[0] == log_vix.shape[0] == len(days)
    spread = log_return.std(axis=1)
    assert (spread[:, 20] > 2.0 * spread[:, 0]).all()
    error = 4 * spread[:, 20] / math.sqrt(log_return.shape[1])
    assert (np.abs(log_return[:, :, 20].mean(axis=1)) < error + 21 * 0.001).all()


def test_probabilities_of_the_prior_are_probabilities_that_rise_with_the_horizon(path_prior, spine):
    days = pd.DatetimeIndex(spine.index[1510:1600])
    told = path_prior.probabilities(spine, days, "evening")
    values = told.to_numpy()
    assert np.nanmin(values) >= 0
    assert np.nanmax(values) <= 1
    up = told[["shift_up_5", "shift_up_10", "shift_up_21"]].dropna().to_numpy()
    assert len(up) > 20
    assert (np.diff(up, axis=1) >= 0).all()
