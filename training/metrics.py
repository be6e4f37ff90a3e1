"""A retrain's report as flat metrics, named so that runs compare side by side."""

from __future__ import annotations

from typing import Any

__all__ = ["metrics_of"]

UNITS = {
    "gain": "share",
    "gain_lo": "share",
    "gain_hi": "share",
    "log_loss": "nats",
    "log_loss_best_baseline": "nats",
    "log_loss_climatology": "nats",
    "brier": "squared",
    "auc": "area",
    "ece": "probability",
    "base_rate": "share",
    "n": "sessions",
}
TUNING_UNITS = {
    "trials": "count",
    "best_loss": "share",
    "default_loss": "share",
    "held_gain": "share",
    "held_lo": "share",
    "held_hi": "share",
    "overfitting": "probability",
}


def metrics_of(report: dict[str, Any]) -> dict[str, float]:
    """Metrics by moment and head, with the unit at the end of each name."""
    metrics: dict[str, float] = {"retrain_seconds": float(report["seconds"])}
    for row in report["skill"]:
        head = f"{row['at']}/{row['head']}_{row['horizon']:02d}"
        for name, unit in UNITS.items():
            if row[name] is not None:
                metrics[f"{head}_{name}_{unit}"] = float(row[name])
    for row in report["groups"]:
        if row["gain"] is not None:
            key = f"groups/{row['group']} {row['at']} {row['head']}_{row['horizon']:02d}_gain_share"
            metrics[key] = float(row["gain"])
    for row in report["group_verdicts"]:
        if row["gain"] is not None:
            metrics[f"groups/{row['group']} {row['at']}_gain_share"] = float(row["gain"])
    tuning = report.get("tuning") or {}
    for name, unit in TUNING_UNITS.items():
        if tuning.get(name) is not None:
            metrics[f"tuning/{name}_{unit}"] = float(tuning[name])
    metrics |= _translation_metrics(report.get("translation") or {})
    return metrics


def _translation_metrics(told: dict[str, Any]) -> dict[str, float]:
    metrics = {
        f"translation/{name}": float(told[name])
        for name in ("clusters", "weak_clusters")
        if told.get(name) is not None
    }
    for row in told.get("skill", []):
        for name in ("gain", "gain_lo", "gain_hi"):
            if row[name] is not None:
                key = f"translation/{row['forecast']} over {row['against']}_{name}_share"
                metrics[key] = float(row[name])
    return metrics
