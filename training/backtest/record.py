"""Write a back-test down: JSON, a page, plots, and an MLflow experiment of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from features.errors import StormpetrelError
from features.home import Home
from training.atomic import write_json, write_text
from training.backtest.engine import Replay
from training.backtest.page import results_page
from training.backtest.plots import draw

__all__ = ["EXPERIMENT", "record"]

EXPERIMENT = "stormpetrel-backtest"


def record(home: Home, report: dict[str, Any], results: dict[tuple[str, float], Replay]) -> str:
    """Write the report, its page and plots, and log them.

    Parameters
    ----------
    home : Home
        The installation.
    report : dict
        What `run` found.
    results : dict
        Replays by (name, band).

    Returns
    -------
    str
        The folder, relative to ``mlruns``.

    Raises
    ------
    StormpetrelError
        If MLflow cannot be written; the folder stands all the same.
    """
    name = f"{report['from']}_{report['to']}-{report['model_version']}-{report['config_hash']}"
    folder = home.writable(home.mlruns / "backtests" / name)
    write_json(folder / "report.json", report)
    write_text(folder / "results.md", results_page(report))
    draw(folder, report, results)
    try:
        _log(home, folder, name, report)
    except Exception as error:
        raise StormpetrelError(
            f"tracking failed: {error}. The report and its plots are in {folder}."
        ) from error
    return str(folder.relative_to(home.mlruns))


def _log(home: Home, folder: Path, name: str, report: dict[str, Any]) -> None:
    from training.settings import load_settings
    from training.track import init_tracking

    settings = load_settings(home).model_copy(update={"experiment": EXPERIMENT})
    experiment = init_tracking(home, settings)
    import mlflow

    metrics = {}
    for variant, rows in report["variants"].items():
        for band, row in rows.items():
            for key in ("annual_return_pct", "annual_vol_pct", "max_drawdown_pct", "sharpe"):
                if row[key] is not None:
                    metrics[f"{variant}.{band}.{key}"] = float(row[key])
    tags = {"verdict": report["verdict"], "model_version": report["model_version"]}
    with mlflow.start_run(experiment_id=experiment, run_name=name, tags=tags):
        mlflow.log_metrics(metrics)
        mlflow.log_params({key: report[key] for key in ("from", "to", "sessions", "config_hash")})
        mlflow.log_artifacts(str(folder), artifact_path="backtest")
