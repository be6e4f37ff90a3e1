"""Tracking in MLflow: one run for each retrain, sent from the run's folder on disk.

Everything that is sent lies under ``mlruns/runs/<version>`` and ``mlruns/bundles/<version>``
first. So a failed send loses nothing, and `push` sends the same later.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from features.errors import StormpetrelError, UsageError
from features.home import Home
from training.atomic import write_json
from training.metrics import metrics_of
from training.promote import read_champion
from training.records import load_report, run_folder, versions
from training.settings import TrainingSettings

__all__ = [
    "init_tracking",
    "own_uri",
    "pending",
    "prepare",
    "push",
    "sync_aliases",
    "tracking_uri",
]

DESCRIPTION = """\
Probabilities that the volatility regime shifts, with their reasons.

Each version holds one forecaster for each moment (evening, eve, preopen). A forecaster corrects a
simulated SPX/VIX path prior with small LightGBM boosters; its contributions sum to the log odds.
`champion` answers `stormpetrel score`, `challenger` is the newest that is not champion, and
`previous` is what `stormpetrel rollback` returns to. Skill, gates and plots are in the version's
run. Input: SPX and VIX closes up to a session, and the feature row of that session.
"""


def tracking_uri(home: Home) -> str:
    """``MLFLOW_TRACKING_URI`` where it is set, else the home's own SQLite file."""
    return os.environ.get("MLFLOW_TRACKING_URI") or own_uri(home)


def own_uri(home: Home) -> str:
    """SQLite file of the home itself."""
    return f"sqlite:///{home.mlruns / 'mlflow.db'}"


def init_tracking(home: Home, settings: TrainingSettings, *, uri: str | None = None) -> str:
    """Make the tracking database and the experiment; return the experiment's id.

    The first call on a new SQLite file runs MLflow's migrations, which takes some seconds.

    Parameters
    ----------
    uri : str, optional
        Where; `tracking_uri` by default.
    """
    uri = uri or tracking_uri(home)
    mlflow = _mlflow(home, uri)
    found = mlflow.get_experiment_by_name(settings.experiment)
    if found is not None:
        return str(found.experiment_id)
    location = None
    if uri.startswith("sqlite:"):
        # no absolute path in the database: the home can be moved
        location = f"mlflow-artifacts:/{settings.experiment}"
    return str(mlflow.create_experiment(settings.experiment, artifact_location=location))


def prepare(home: Home, settings: TrainingSettings) -> None:
    """Import MLflow and make its database ahead of `push`.

    Raises
    ------
    StormpetrelError
        If the tracking store cannot be reached or written.
    """
    try:
        init_tracking(home, settings)
    except Exception as error:
        raise StormpetrelError(f"tracking cannot be prepared: {error}.") from error


def push(home: Home, model_version: str, settings: TrainingSettings) -> str:
    """Send one run to MLflow and register its model; return the run id.

    Parameters
    ----------
    model_version : str
        A version with a folder under ``mlruns/runs``.

    Raises
    ------
    UsageError
        If the version is unknown.
    StormpetrelError
        If the tracking store cannot be reached or written; what is on disk stays as it is.
    """
    report = load_report(home, model_version)
    if report is None:
        raise UsageError(f"no run {model_version!r}. List them: stormpetrel runs.")
    try:
        run_id = _send(home, model_version, report, settings)
    except Exception as error:
        raise StormpetrelError(
            f"tracking failed for {model_version}: {error}. The model and its run are on disk; "
            f"send them later: stormpetrel track push {model_version}."
        ) from error
    report["run_id"] = run_id
    write_json(run_folder(home, model_version) / "report.json", report)
    return run_id


def pending(home: Home) -> list[str]:
    """Versions that no tracking store has yet."""
    return [v for v in versions(home) if (load_report(home, v) or {}).get("run_id") is None]


def sync_aliases(home: Home, settings: TrainingSettings) -> None:
    """Make MLflow's aliases say what ``champion.json`` says.

    ``champion`` and ``previous`` follow the file; ``challenger`` is the newest registered version
    that is neither. A version that was never sent has no alias.
    """
    from mlflow.exceptions import MlflowException

    client = _mlflow(home).MlflowClient()
    found = client.search_model_versions(f"name = '{settings.registered_model}'")
    newest: dict[str, int] = {}
    for entry in found:
        version = entry.tags.get("model_version")
        if version is not None:
            newest[version] = max(newest.get(version, 0), int(entry.version))
    champion = read_champion(home)
    wanted = {
        "champion": newest.get(champion.model_version) if champion else None,
        "previous": newest.get(champion.previous or "") if champion else None,
    }
    rest = [number for number in newest.values() if number not in wanted.values()]
    wanted["challenger"] = max(rest, default=None)
    for alias, number in wanted.items():
        if number is not None:
            client.set_registered_model_alias(settings.registered_model, alias, str(number))
            continue
        try:
            client.delete_registered_model_alias(settings.registered_model, alias)
        except MlflowException:
            # no such model or alias: what was wanted
            continue


def _mlflow(home: Home, uri: str | None = None) -> Any:
    for name in ("MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK"):
        os.environ.setdefault(name, "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_UV_AUTO_DETECT", "false")
    os.environ.setdefault("MLFLOW_LOG_UV_FILES", "false")
    os.environ.setdefault("MLFLOW_MODEL_CATALOG_URI", "")
    home.writable(home.mlruns)
    import logging

    import mlflow

    from training.artifact_hook import install

    install()
    # migrations and pip probing speak to the person at every first use
    for name in ("alembic", "mlflow.store.db.utils", "mlflow.utils.environment", "mlflow.pyfunc"):
        logging.getLogger(name).setLevel(logging.ERROR)
    given = os.environ.get("MLFLOW_TRACKING_URI")
    mlflow.set_tracking_uri(uri or tracking_uri(home))
    # MLflow exports what it is told; a second home in this process must not inherit it
    if given is None:
        os.environ.pop("MLFLOW_TRACKING_URI", None)
    else:
        os.environ["MLFLOW_TRACKING_URI"] = given
    return mlflow


def _send(
    home: Home, model_version: str, report: dict[str, Any], settings: TrainingSettings
) -> str:
    mlflow = _mlflow(home)
    experiment = init_tracking(home, settings)
    folder = run_folder(home, model_version)
    details = json.loads((folder / "details.json").read_text(encoding="utf-8"))
    tags = {
        "model_version": model_version,
        "until": report["until"],
        "config_hash": report["config_hash"],
        "data_hash": report["data_hash"],
        "promoted": str(report["promoted"]).lower(),
        "fallback": str(report["fallback"]).lower(),
        "mlflow.note.content": details["note"],
    }
    if details["git_revision"]:
        tags["git_revision"] = details["git_revision"]
    with mlflow.start_run(experiment_id=experiment, run_name=model_version, tags=tags) as run:
        mlflow.log_params(details["params"])
        mlflow.log_metrics(metrics_of(report))
        mlflow.log_artifacts(str(folder), artifact_path="run")
        _log_datasets(mlflow, run.info.run_id, details["datasets"])
        _register(mlflow, home, model_version, report, details, settings)
    sync_aliases(home, settings)
    return str(run.info.run_id)


def _log_datasets(mlflow: Any, run_id: str, datasets: list[dict[str, Any]]) -> None:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    inputs = [
        DatasetInput(
            dataset=Dataset(
                name=entry["name"],
                digest=entry["digest"][:36],
                source_type="local",
                source=json.dumps({"uri": entry["source"]}),
                schema=json.dumps(entry["schema"]),
                profile=json.dumps(entry["profile"]),
            ),
            tags=[InputTag("mlflow.data.context", entry["context"])],
        )
        for entry in datasets
    ]
    mlflow.MlflowClient().log_inputs(run_id, inputs)


def _register(
    mlflow: Any,
    home: Home,
    model_version: str,
    report: dict[str, Any],
    details: dict[str, Any],
    settings: TrainingSettings,
) -> None:
    import pandas as pd
    from mlflow.models import infer_signature

    from models.bundle import load_bundle
    from training.served_frame import forecast_frame

    bundle = home.mlruns / "bundles" / model_version
    example = pd.read_parquet(run_folder(home, model_version) / "input_example.parquet")
    answer = forecast_frame(load_bundle(bundle), example, at=details["example_at"])
    client = mlflow.MlflowClient()
    logged = mlflow.pyfunc.log_model(
        name="model",
        python_model=str(Path(__file__).with_name("served_model.py")),
        artifacts={"bundle": str(bundle)},
        signature=infer_signature(example, answer, params={"at": details["example_at"]}),
        input_example=example,
        pip_requirements=details["requirements"],
    )
    name = settings.registered_model
    # the client registers without a word; `log_model` would print two lines into the screen
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name)
    client.update_registered_model(name, DESCRIPTION)
    version = client.create_model_version(
        name,
        source=logged.model_uri,
        run_id=logged.run_id,
        description=details["note"],
        model_id=logged.model_id,
    )
    number = str(version.version)
    for key in ("until", "config_hash", "data_hash"):
        client.set_model_version_tag(name, number, key, str(report[key]))
    client.set_model_version_tag(name, number, "fallback", str(report["fallback"]).lower())
    client.set_model_version_tag(name, number, "model_version", model_version)
