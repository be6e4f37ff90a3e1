"""What every run left on disk: one folder for each version under ``mlruns/runs``.

MLflow is the window onto the runs; this folder is their truth. It is written before tracking is
tried, so that a tracking failure loses nothing and can be made good later from here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from features.errors import UsageError
from features.home import Home
from serving.champion import champion_path, read_champion

__all__ = ["load_oos", "load_report", "run_folder", "runs", "versions"]


def run_folder(home: Home, model_version: str) -> Path:
    """Folder of one run: report.json, oos.parquet, tables, plots."""
    return home.mlruns / "runs" / model_version


def versions(home: Home) -> list[str]:
    """Trained versions, oldest span first."""
    folder = home.mlruns / "runs"
    if not folder.is_dir():
        return []
    return sorted(p.name for p in folder.iterdir() if (p / "report.json").is_file())


def load_report(home: Home, model_version: str) -> dict[str, Any] | None:
    """Report of one version; None where there is none."""
    path = run_folder(home, model_version) / "report.json"
    if not path.is_file():
        return None
    report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return report


def load_oos(home: Home, model_version: str) -> pd.DataFrame | None:
    """Out-of-sample rows of one version; None where they are gone."""
    path = run_folder(home, model_version) / "oos.parquet"
    return pd.read_parquet(path) if path.is_file() else None


def resolve(home: Home, run: str) -> str:
    """Turn a version, an unambiguous beginning of one, or a run id into a version.

    Raises
    ------
    UsageError
        If nothing or more than one thing matches.
    """
    known = versions(home)
    if run in known:
        return run
    if run == "champion":
        return str(read_champion(home)["model_version"])
    matches = [
        name
        for name in known
        if name.startswith(run) or (load_report(home, name) or {}).get("run_id") == run
    ]
    if len(matches) != 1:
        named = ", ".join(matches or known) or "none"
        what = "several runs match" if matches else "no run matches"
        raise UsageError(f"{what} {run!r}. Expected one of: {named}.")
    return matches[0]


def runs(home: Home) -> list[dict[str, Any]]:
    """Summaries of all runs, oldest span first, without MLflow."""
    champion = None
    if champion_path(home).is_file():
        champion = read_champion(home)["model_version"]
    rows = []
    for name in versions(home):
        report = load_report(home, name) or {}
        primary = {
            f"{row['head']}_{row['horizon']}": row["gain"]
            for row in report.get("skill", [])
            if row["at"] == "evening" and row["head"] == "shift_up" and row["horizon"] in (5, 10)
        }
        rows.append(
            {
                "model_version": name,
                "run_id": report.get("run_id"),
                "until": report.get("until"),
                "champion": name == champion,
                "promoted": report.get("promoted"),
                "fallback": report.get("fallback"),
                "seconds": report.get("seconds"),
                "gains": primary,
                "tracked": report.get("run_id") is not None,
            }
        )
    return rows
