from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from features.errors import StormpetrelError, UsageError
from features.home import PROJECT_ROOT, Home
from training.artifact_hook import artifact_folder, repository
from training.atomic import write_json
from training.metrics import metrics_of
from training.records import load_report, run_folder
from training.settings import TrainingSettings
from training.track import init_tracking, pending, prepare, push, tracking_uri
from training.ui import ui_command, ui_environment

REPORT: dict[str, Any] = {
    "run_id": None,
    "model_version": "v",
    "until": "2020-01-02",
    "seconds": 2.5,
    "skill": [
        {
            "at": "evening",
            "head": "shift_up",
            "horizon": 5,
            "auc": None,
            "log_loss": 0.3,
            **dict.fromkeys(
                [
                    "gain",
                    "gain_lo",
                    "gain_hi",
                    "log_loss_best_baseline",
                    "log_loss_climatology",
                    "brier",
                    "ece",
                    "base_rate",
                    "n",
                ],
                0.1,
            ),
        }
    ],
    "groups": [
        {"group": "breadth", "at": "eve", "head": "spike", "horizon": 1, "gain": 0.01},
        {"group": "events", "at": "eve", "head": "spike", "horizon": 1, "gain": None},
    ],
    "group_verdicts": [
        {"group": "breadth", "at": "eve", "gain": 0.02},
        {"group": "events", "at": "eve", "gain": None},
    ],
}


def test_metric_names_carry_their_units_and_leave_out_nulls() -> None:
    metrics = metrics_of(REPORT)
    assert metrics["evening/shift_up_05_log_loss_nats"] == 0.3
    assert metrics["evening/shift_up_05_gain_share"] == 0.1
    assert metrics["retrain_seconds"] == 2.5
    assert metrics["groups/breadth eve spike_01_gain_share"] == 0.01
    assert metrics["groups/breadth eve_gain_share"] == 0.02
    assert not any("auc" in name or "events" in name for name in metrics)


def test_the_database_is_the_homes_unless_an_address_is_set(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert tracking_uri(home) == f"sqlite:///{home.root}/mlruns/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5999")
    assert tracking_uri(home) == "http://127.0.0.1:5999"


def test_a_store_that_cannot_be_prepared_is_one_error(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "nowhere://127.0.0.1")
    with pytest.raises(StormpetrelError, match="cannot be prepared"):
        prepare(home, TrainingSettings())


def test_artifacts_lie_beside_a_sqlite_file_and_nowhere_else() -> None:
    assert artifact_folder("sqlite:////a/b%20c/mlflow.db") == Path("/a/b c/artifacts")
    assert artifact_folder("postgresql://host/db") is None


def test_the_scheme_cannot_leave_the_artifact_folder(home: Home) -> None:
    with pytest.raises(ValueError, match="inside the artifact folder"):
        repository("mlflow-artifacts:/x/../../secret", f"sqlite:///{home.mlruns}/mlflow.db")


def test_runs_load_after_the_home_has_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    import mlflow

    settings = TrainingSettings()
    first = Home(tmp_path / "first")
    experiment = init_tracking(first, settings)
    assert init_tracking(first, settings) == experiment
    with mlflow.start_run(experiment_id=experiment) as run:
        mlflow.log_text("said", "run/note.txt")
    database = (first.mlruns / "mlflow.db").read_bytes()
    assert str(first.root).encode() not in database

    moved = Home(tmp_path / "second")
    first.root.rename(moved.root)
    # in a process of its own, as after a real move: MLflow remembers where a run's files were
    code = (
        "import sys, mlflow; from training.artifact_hook import install; install();"
        "mlflow.set_tracking_uri(sys.argv[1]);"
        "print(mlflow.artifacts.load_text(f'runs:/{sys.argv[2]}/run/note.txt'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tracking_uri(moved), run.info.run_id],
        capture_output=True,
        text=True,
        check=True,
        cwd=PROJECT_ROOT,
    )
    assert done.stdout.strip() == "said"


def test_a_tracking_failure_keeps_the_run_and_says_how_to_send_it_later(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    # a port that nothing listens on, asked once
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    write_json(run_folder(home, "v") / "report.json", REPORT)
    with pytest.raises(StormpetrelError, match="track push v"):
        push(home, "v", TrainingSettings())
    assert load_report(home, "v") == REPORT
    assert pending(home) == ["v"]


def test_an_unknown_run_cannot_be_sent(home: Home) -> None:
    with pytest.raises(UsageError, match="no run 'w'"):
        push(home, "w", TrainingSettings())


def test_the_server_listens_on_loopback_with_light_settings(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ui_command(home, port=5001)
    assert command[command.index("--host") + 1] == "127.0.0.1"
    assert command[command.index("--workers") + 1] == "1"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://elsewhere")
    environment = ui_environment()
    assert environment["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"
    assert environment["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert "MLFLOW_TRACKING_URI" not in environment
