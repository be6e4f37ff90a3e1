"""What a retrain says at its end, and the folder that it leaves behind."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pandas as pd

from features.home import Home
from training.atomic import write_json, write_parquet, write_text
from training.gates import Gate
from training.records import run_folder

__all__ = ["RetrainReport", "clean", "details", "write_run"]

REQUIREMENTS = ("lightgbm", "numpy", "pandas", "pyarrow", "scipy")


@dataclass(frozen=True)
class RetrainReport:
    """The object that ``retrain --json`` prints.

    Parameters
    ----------
    run_id : str or None
        MLflow's run; None where tracking failed, with the reason in `tracking_error`.
    model_version : str
        Last session and first 8 hex digits of the bundle's content hash.
    promoted, fallback : bool
        Whether it is champion now, and whether it answers with the baseline.
    skill, groups, group_verdicts : list of dict
        Rows of the tables (`training.evaluate`, `training.group_table`).
    baselines : dict
        Which baselines the skill was compared with, and which were left out and why.
    direction, event_study : list of dict
        Whether liquidations lead, and what followed cascades (`training.direction`,
        `training.event_study`).
    tuning : dict or None
        What the search before this retrain found (`training.tune`); its trials are in
        ``trials.csv``. None where nothing was tuned.
    translation : dict or None
        What cascades become: counts, coefficients, skill (`models.translation`); None where the
        evening was not trained.
    """

    run_id: str | None
    model_version: str
    promoted: bool
    fallback: bool
    until: str
    config_hash: str
    data_hash: str
    seconds: float
    oos_path: str
    gates: list[Gate]
    skill: list[dict[str, Any]]
    groups: list[dict[str, Any]]
    group_verdicts: list[dict[str, Any]] = field(default_factory=list)
    direction: list[dict[str, Any]] = field(default_factory=list)
    event_study: list[dict[str, Any]] = field(default_factory=list)
    baselines: dict[str, Any] = field(default_factory=dict)
    tuning: dict[str, Any] | None = None
    translation: dict[str, Any] | None = None
    stages: dict[str, float] = field(default_factory=dict)
    tracking_error: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the contract's object; absent values are None, never NaN."""
        return {
            "run_id": self.run_id,
            "model_version": self.model_version,
            "promoted": self.promoted,
            "fallback": self.fallback,
            "until": self.until,
            "config_hash": self.config_hash,
            "data_hash": self.data_hash,
            "seconds": round(self.seconds, 3),
            "oos_path": self.oos_path,
            "gates": [gate.to_json() for gate in self.gates],
            "baselines": self.baselines,
            "skill": self.skill,
            "groups": self.groups,
            "group_verdicts": self.group_verdicts,
            "direction": self.direction,
            "event_study": self.event_study,
            "tuning": self.tuning,
            "translation": self.translation,
            "stages": {name: round(value, 3) for name, value in self.stages.items()},
            "tracking_error": self.tracking_error,
        }


def clean(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Turn a table into records with None for NaN and plain numbers for numpy's."""
    rows = table.to_dict("records")
    return [{str(key): _plain(value) for key, value in row.items()} for row in rows]


def details(
    *,
    params: dict[str, Any],
    datasets: list[dict[str, Any]],
    git_revision: str | None,
    note: str,
    example_at: str,
) -> dict[str, Any]:
    """Everything beside the report that tracking sends."""
    return {
        "params": params,
        "datasets": datasets,
        "git_revision": git_revision,
        "note": note,
        "example_at": example_at,
        "requirements": [f"{name}=={_version(name)}" for name in REQUIREMENTS],
    }


def write_run(
    home: Home,
    report: RetrainReport,
    extra: dict[str, Any],
    *,
    oos: pd.DataFrame,
    example: pd.DataFrame,
    tables: dict[str, pd.DataFrame],
    config: dict[str, Any],
) -> Path:
    """Write a run's folder; the report comes last, so that a folder with one is whole."""
    folder = run_folder(home, report.model_version)
    write_parquet(folder / "oos.parquet", oos)
    write_parquet(folder / "input_example.parquet", example)
    for name, table in tables.items():
        write_text(folder / f"{name}.csv", table.to_csv(index=False))
    write_json(folder / "config.json", config)
    write_json(folder / "details.json", extra)
    write_json(folder / "report.json", report.to_json())
    return folder


def rewrite_report(home: Home, report: RetrainReport) -> None:
    """Write the report again after its last fields are known."""
    write_json(run_folder(home, report.model_version) / "report.json", report.to_json())


def dataset_entry(
    name: str, frame: pd.DataFrame, *, digest: str, source: str, context: str
) -> dict[str, Any]:
    """Describe a table for MLflow's dataset list without copying it."""
    columns = [{"name": str(c), "type": "double", "required": False} for c in frame.columns]
    return {
        "name": name,
        "digest": digest,
        "source": source,
        "context": context,
        "schema": {"mlflow_colspec": columns},
        "profile": {"num_rows": len(frame), "num_elements": int(frame.size)},
    }


def flat(prefix: str, settings: dict[str, Any]) -> dict[str, str]:
    """Flatten settings to MLflow parameters: dotted names, values as JSON text."""
    return {
        f"{prefix}.{name}": value if isinstance(value, str) else json.dumps(value, default=str)
        for name, value in settings.items()
    }


def _plain(value: Any) -> Any:
    if hasattr(value, "item"):
        value = value.item()
    if value is pd.NA or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return value


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "0"
