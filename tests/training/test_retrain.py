"""The verb on a small simulated market: what it leaves, twice the same, one at a time."""

from __future__ import annotations

import json
import pickle
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from filelock import FileLock

from features.errors import RefusedError, UsageError
from features.home import Home
from models.bundle import load_bundle
from models.settings import ModelSettings
from serving.replay import replay, replay_rows
from training.metrics import metrics_of
from training.records import load_oos, run_folder
from training.retrain import retrain
from training.served_frame import forecast_frame
from training.settings import load_settings
from training.track import pending, push
from training.tune import TuneReport
from training.ui import start_ui

SMALL = ModelSettings(blocks=3, rounds=15, paths=80)
UNTIL = pd.Timestamp("2024-12-16")
MOMENTS = ("evening", "preopen")
CONFIG = """\
[training]
bootstrap_repeats = 200
first_test = "2024-01-01"
group_heads = ["shift_up_5"]
lock_wait_seconds = 0.0
"""


@pytest.fixture(scope="module")
def market(simulated: Callable[..., Path]) -> Path:
    return simulated(years=6, seed=5, link=1.0, tape=False) / "market"


def fresh(market: Path, root: Path) -> Home:
    shutil.copytree(market, root / "market")
    (root / "stormpetrel.toml").write_text(CONFIG)
    return Home(root)


def kept(root: Path) -> tuple[Home, Any]:
    return Home(root), pickle.loads((root / "report.pickle").read_bytes())


@pytest.fixture(scope="module")
def done(market: Path, tracked: Path, once: Callable[..., Path]) -> tuple[Home, Any]:
    """A home after a retrain, to be read only."""

    def fill(root: Path) -> None:
        home = fresh(market, root)
        shutil.copytree(tracked, home.mlruns)
        report = retrain(home, until=UNTIL, ats=MOMENTS, model_settings=SMALL, processes=2)
        (root / "report.pickle").write_bytes(pickle.dumps(report))

    return kept(once("retrained", fill))


@pytest.fixture(scope="module")
def again(market: Path, once: Callable[..., Path]) -> tuple[Home, Any]:
    """A home after the same retrain by one process, without group table and tracking server."""

    def fill(root: Path) -> None:
        home = fresh(market, root)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("MLFLOW_TRACKING_URI", "nowhere://127.0.0.1")
            report = retrain(
                home, until=UNTIL, ats=MOMENTS, groups=False, tuning=searched(), processes=1
            )
        (root / "report.pickle").write_bytes(pickle.dumps(report))

    return kept(once("retrained-again", fill))


def test_a_retrain_leaves_a_judged_bundle_and_everything_to_judge_it_again(
    done: tuple[Home, Any],
) -> None:
    home, report = done
    document = report.to_json()
    assert document["until"] == "2024-12-16"
    assert document["tracking_error"] is None
    assert [gate["gate"] for gate in document["gates"]][:2] == ["beats_champion", "beats_baseline"]
    compared = document["baselines"]["compared"]
    assert {"climatology", "prior", "gjr_garch", "markov_switching"} <= set(compared)
    assert document["baselines"]["left_out"] == []
    oos = load_oos(home, report.model_version)
    assert set(oos["at"]) == set(MOMENTS)
    assert ((oos["lo"] <= oos["p"]) & (oos["p"] <= oos["hi"])).all()
    assert oos["session"].min() >= pd.Timestamp("2024-01-01")
    assert np.isfinite(oos[["p", "y", "prior", "climatology"]].to_numpy(float)).all()
    folder = run_folder(home, report.model_version)
    pictures = {path.name for path in (folder / "plots").glob("*.png")}
    assert {"reliability.png", "lead_time.png", "probability_timeline.png"} <= pictures
    assert all(
        (folder / f"{name}.csv").exists()
        for name in ("skill", "groups", "group_verdicts", "direction")
    )


def test_the_translation_score_is_in_the_bundle_the_report_and_the_run(
    done: tuple[Home, Any],
) -> None:
    home, report = done
    told = report.to_json()["translation"]
    assert told["sessions"] >= told["clusters"] >= told["weak_clusters"] > 0
    bundle = load_bundle(home.mlruns / "bundles" / report.model_version)
    assert bundle.translation is not None and bundle.translation.summary() == told
    # four simulated years of crypto, and not all of them in this span: the answer is a reason
    assert told["reason"] is not None and told["coefficients"] == []
    assert len(pd.read_csv(run_folder(home, report.model_version) / "translation.csv")) == 3
    assert metrics_of(report.to_json())["translation/clusters"] == told["clusters"]


def test_the_track_record_replayed_on_history_is_the_walk_forward_table(
    done: tuple[Home, Any],
) -> None:
    home, report = done
    oos = load_oos(home, report.model_version)
    index = json.loads((home.mlruns / "folds" / report.model_version / "folds.json").read_text())
    rows = replay_rows(home, report.model_version, index)
    shared = [name for name in oos.columns if name in rows.columns]
    assert {"p", "y", "prior", "b_gjr_garch", "b_markov_switching"} <= set(shared)
    keys = ["at", "head", "horizon", "session"]
    mine, theirs = (frame[shared].sort_values(keys, ignore_index=True) for frame in (rows, oos))
    pd.testing.assert_frame_equal(mine, theirs, check_dtype=False, rtol=0, atol=1e-12)
    assert report.promoted
    again = pd.DataFrame(replay(home, ats=["evening"])["skill"])
    table = pd.DataFrame(report.to_json()["skill"])
    table = table[table["at"] == "evening"]
    both = again.merge(table, on=["head", "horizon"], suffixes=("", "_walked"))
    assert len(both) == len(again) == len(table)
    for name in ("n", "base_rate", "auc", "log_loss", "log_loss_best_baseline", "gain", "ece"):
        np.testing.assert_allclose(both[name], both[f"{name}_walked"], atol=1e-12)
    assert (both["best_baseline"] == both["best_baseline_walked"]).all()
    with pytest.raises(UsageError, match="not walked forward at 'eve'"):
        replay(home, ats=["eve"])


def test_every_group_is_asked_and_answered_or_says_why_not(done: tuple[Home, Any]) -> None:
    groups = pd.DataFrame(done[1].to_json()["groups"])
    evening = groups[groups["at"] == "evening"]
    assert {"liquidations", "breadth", "VIX term structure", "events"} <= set(evening["group"])
    assert set(evening["head"]) == {"shift_up"}
    assert (groups["gain"].notna() | (groups["note"] != "")).all()
    known = groups.dropna(subset=["gain"])
    assert (known["gain_lo"] <= known["gain"]).all() and (known["gain"] <= known["gain_hi"]).all()
    verdicts = pd.DataFrame(done[1].to_json()["group_verdicts"])
    pairs = groups.groupby(["group", "at"], sort=False)["gain"].count()
    assert list(verdicts[["group", "at"]].itertuples(index=False, name=None)) == list(pairs.index)
    assert verdicts["heads"].tolist() == pairs.tolist()
    assert (verdicts["gain"].notna() == (verdicts["heads"] > 0)).all()


def test_the_same_retrain_again_gives_the_same_bytes(
    done: tuple[Home, Any], again: tuple[Home, Any]
) -> None:
    (home, report), (other, repeated) = done, again
    # who found the settings, the number of workers and the group table have no part in the model
    assert repeated.model_version == report.model_version
    mine, theirs = (
        {
            str(path.relative_to(root)): path.read_bytes()
            for path in root.rglob("*")
            if path.is_file()
        }
        for root in (h.mlruns / "bundles" / report.model_version for h in (home, other))
    )
    assert mine.keys() == theirs.keys()
    assert [name for name in mine if mine[name] != theirs[name]] == []
    pd.testing.assert_frame_equal(
        load_oos(home, report.model_version), load_oos(other, repeated.model_version)
    )


def test_a_second_retrain_is_refused_while_one_runs(market: Path, tmp_path: Path) -> None:
    home = fresh(market, tmp_path)
    home.writable(home.mlruns)
    with (
        FileLock(home.mlruns / ".retrain.lock"),
        pytest.raises(RefusedError, match="another retrain or search has held"),
    ):
        retrain(home, until=UNTIL, ats=MOMENTS, model_settings=SMALL, groups=False)
    assert not (home.mlruns / "champion.json").exists()


def test_a_tracking_failure_keeps_the_model_and_a_later_push_sends_it_to_a_server(
    again: tuple[Home, Any], tracked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed, report = again
    home = Home(tmp_path / "home")
    shutil.copytree(failed.root, home.root)
    assert report.run_id is None and report.tracking_error
    bundle = home.mlruns / "bundles" / report.model_version
    assert bundle.is_dir()
    assert pending(home) == [report.model_version]

    settings = load_settings(home)
    shutil.copytree(tracked, tmp_path / "server" / "mlruns")
    server = start_ui(Home(tmp_path / "server"), port=free_port())
    try:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.address)
        run_id = push(home, report.model_version, settings)
        import mlflow

        client = mlflow.MlflowClient(server.address)
        assert client.get_run(run_id).data.tags["model_version"] == report.model_version
        artifacts = {f.path for f in client.list_artifacts(run_id, "run")}
        # the search is one table in the run, not a run for each trial
        assert {"run/report.json", "run/trials.csv"} <= artifacts
        run = client.get_run(run_id)
        assert run.data.metrics["tuning/held_gain_share"] == 0.02
        assert "Tuned on 2019-01-02 to 2022-12-30" in run.data.tags["mlflow.note.content"]
        assert run.data.params["models.rounds"] == "15"
        assert len(client.search_runs([run.info.experiment_id])) == 1
        alias = "champion" if report.promoted else "challenger"
        model = client.get_model_version_by_alias(settings.registered_model, alias)
        fetched = mlflow.pyfunc.load_model(f"models:/{settings.registered_model}/{model.version}")
        example = pd.read_parquet(run_folder(home, report.model_version) / "input_example.parquet")
        here = forecast_frame(load_bundle(bundle), example, at="evening")
        pd.testing.assert_frame_equal(fetched.predict(example, params={"at": "evening"}), here)
    finally:
        server.stop()
    assert pending(home) == []


def searched() -> TuneReport:
    span = {"first": "2019-01-02", "search_last": "2021-12-31", "last": "2022-12-30"}
    found = {"lambda_l2": 20.0, "num_leaves": 4.0}
    return TuneReport(
        study="s",
        storage="tuning/s.journal",
        until="2022-12-30",
        span=span,
        heads=["shift_up_5"],
        trials=2,
        completed=2,
        pruned=0,
        accepted=True,
        settings=SMALL.to_json(),
        best=found,
        default=found,
        best_loss=0.8,
        default_loss=0.9,
        held_gain=0.02,
        held_lo=0.01,
        held_hi=0.03,
        overfitting=0.25,
        overfitting_splits=6,
        reproducible=True,
        table=[{"number": 0, "loss": 0.9}, {"number": 1, "loss": 0.8}],
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_date_that_is_no_session_is_refused_before_anything_is_written(
    market: Path, tmp_path: Path
) -> None:
    home = fresh(market, tmp_path)
    with pytest.raises(UsageError, match="no exchange session"):
        retrain(home, until=pd.Timestamp("2024-12-25"), model_settings=SMALL)
    assert not home.mlruns.exists()


def test_without_their_extra_the_filters_are_left_out_and_named(
    market: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import models.latent
    from models.baselines import LATENT, fit_baselines
    from models.heads import HeadKey
    from training.evaluate import baselines_compared
    from training.inputs import check_until, gather

    monkeypatch.setattr(models.latent, "PACKAGES", ("no_such_package",))
    home = Home(market.parent)
    day, spine = check_until(home, UNTIL)
    dataset = gather(home, day, spine, ["evening"]).datasets["evening"]
    key = HeadKey("breach", 1)
    known = dataset.prior[key.id].notna() & dataset.labels[key.id].notna()
    rows = dataset.spine.index[known]
    found = fit_baselines(
        key,
        dataset.inputs.loc[rows],
        dataset.prior.loc[rows, key.id].to_numpy(float),
        dataset.labels.loc[rows, key.id].to_numpy(float),
    )
    assert not set(LATENT) & set(found)
    oos = pd.DataFrame(columns=[f"b_{name}" for name in found])
    named = baselines_compared(oos)
    assert {row["baseline"] for row in named["left_out"]} == set(LATENT)
    assert all("no_such_package not installed" in row["why"] for row in named["left_out"])
