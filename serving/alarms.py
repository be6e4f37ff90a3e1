"""Drift of tables and of calibration: what the monitor judges."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from features.home import Home
from serving.drift import adwin, benjamini_hochberg, ks_test, psi
from serving.ledger import Ledger
from serving.outcomes import forecast_rows
from serving.settings import MonitorSettings

__all__ = ["calibration_alarms", "drift_rows"]


def drift_rows(
    reference: pd.DataFrame, live: pd.DataFrame, settings: MonitorSettings
) -> list[dict[str, Any]]:
    """Compare each column of two tables.

    Parameters
    ----------
    reference, live : pd.DataFrame
        Same columns, rows in order of time, NaN where null.
    settings : MonitorSettings

    Returns
    -------
    list of dict
        ``name, psi, ks, p_value, share_null_reference, share_null_live, drifted``: drifted when
        the KS test holds at the false discovery rate and the index is above its alarm, or when a
        column went null.
    """
    rows: list[dict[str, Any]] = []
    for name in reference.columns:
        old = reference[name].to_numpy(dtype=float)
        new = live[name].to_numpy(dtype=float)
        known_old, known_new = old[np.isfinite(old)], new[np.isfinite(new)]
        test = ks_test(known_old, known_new)
        rows.append(
            {
                "name": str(name),
                "psi": psi(known_old, known_new, bins=settings.psi_bins),
                "ks": test.distance,
                "p_value": test.p_value,
                "n_effective": test.n_live,
                "share_null_reference": 1 - len(known_old) / max(len(old), 1),
                "share_null_live": 1 - len(known_new) / max(len(new), 1),
            }
        )
    holds = benjamini_hochberg(np.array([row["p_value"] for row in rows]), rate=settings.fdr)
    for row, significant in zip(rows, holds, strict=True):
        went_null = row["share_null_live"] > 0.5 > row["share_null_reference"]
        moved = bool(significant) and row["psi"] > settings.psi_alarm
        row["drifted"] = bool(moved or went_null)
        for key in ("psi", "ks", "p_value"):
            row[key] = float(row[key]) if np.isfinite(row[key]) else None
    return rows


def calibration_alarms(home: Home, at: str, settings: MonitorSettings) -> list[dict[str, Any]]:
    """Look for a change in outcome minus probability, by head, on live outcomes.

    Notes
    -----
    Labels over h sessions overlap, so every h-th session is taken: the stream that ADWIN sees has
    no shared windows.
    """
    with Ledger.of(home) as ledger:
        rows = forecast_rows(ledger.entries("score", at=at, first_only=True), ledger.outcomes())
    rows = rows[~rows["in_sample"].astype(bool) & rows["y"].notna()]
    out = []
    for _, part in rows.groupby(["head", "horizon"], sort=True):
        head, horizon = str(part["head"].iloc[0]), int(part["horizon"].iloc[0])
        thinned = part.sort_values("session").iloc[::horizon]
        residual = (thinned["y"] - thinned["p"]).to_numpy(dtype=float)
        enough = len(residual) >= settings.calibration_min
        alarms = adwin(residual, delta=settings.adwin_delta) if enough else []
        recent = bool(alarms) and len(residual) - alarms[-1] <= settings.live_sessions
        out.append(
            {
                "head": head,
                "horizon": horizon,
                "n": len(residual),
                "enough": enough,
                "mean_residual": float(residual.mean()) if len(residual) else None,
                "alarm": recent,
                "last_alarm": f"{thinned['session'].iloc[alarms[-1]]:%Y-%m-%d}" if alarms else None,
            }
        )
    return out
