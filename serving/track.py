"""The verb `track-record`: how the recorded forecasts have done so far."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from features.home import Home
from serving.fills import slippage_report
from serving.ledger import Ledger
from serving.outcomes import fill_outcomes, forecast_rows
from serving.settings import load_settings

__all__ = ["skill_rows", "track_record"]

_ALARM_RATE = 0.10  # hits and false alarms are shown at this share of sessions
_BINS = 10
_MIN_BLOCKS = 3
_SEED = 20080915  # of the laboratory's skill tables: the same rows give the same interval


def track_record(home: Home, *, now: pd.Timestamp | None = None) -> dict[str, Any]:
    """Fill in what has become known, and judge the forecasts.

    Parameters
    ----------
    home : Home
    now : pd.Timestamp, optional
        UTC time of the recording of outcomes; the wall clock when absent.

    Returns
    -------
    dict
        ``skill`` (one row a moment, head and horizon, from sessions after the model's training
        data alone), ``sessions`` (each recorded session, in-sample ones marked), counts, and
        ``fills`` (realised against modelled credit).
    """
    stamp = now if now is not None else pd.Timestamp.now(tz="UTC")
    new = fill_outcomes(home, now=stamp)
    with Ledger.of(home) as ledger:
        entries = ledger.entries("score", first_only=True)
        rows = forecast_rows(entries, ledger.outcomes())
        fills = ledger.fills()
    judged = rows[~rows["in_sample"].astype(bool) & rows["y"].notna()]
    return {
        "sessions_recorded": len({(e.session, e.at) for e in entries}),
        "sessions_in_sample": len({(e.session, e.at) for e in entries if e.in_sample}),
        "outcomes_new": new,
        "outcomes_waiting": int(rows["y"].isna().sum()),
        "skill": skill_rows(judged),
        "sessions": [
            {
                "session": entry.session,
                "at": entry.at,
                "model_version": entry.model_version,
                "in_sample": entry.in_sample,
            }
            for entry in entries
        ],
        "fills": slippage_report(fills, load_settings(home).costs),
    }


def skill_rows(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Judge forecasts per moment, head and horizon.

    Parameters
    ----------
    rows : pd.DataFrame
        Columns of `serving.outcomes.ROW_COLUMNS`, outcomes known; further columns ``b_<name>``
        are baselines too.

    Returns
    -------
    list of dict
        ``log_loss`` and its baselines, ``gain`` with its block-bootstrap interval against the
        best baseline, Brier score, AUC, calibration error with the band that a
        calibrated forecast would show, hit rate, hits and false alarms at a 10 % alarm rate, and
        the reliability curve. Intervals are null below three bootstrap
        blocks.
    """
    table = []
    for _, part in rows.groupby(["at", "head", "horizon"], sort=True):
        ordered = part.sort_values("session")
        first = ordered.iloc[0]
        key = {"at": first["at"], "head": first["head"], "horizon": int(first["horizon"])}
        table.append({**key, **_judge(ordered)})
    return table


def _judge(rows: pd.DataFrame) -> dict[str, Any]:
    from models.scores import auc, brier, calibration_bins, ece, ece_band, gain

    y, p = rows["y"].to_numpy(dtype=float), rows["p"].to_numpy(dtype=float)
    rivals = ["climatology", "prior", *(name for name in rows if str(name).startswith("b_"))]
    baselines = {str(name).removeprefix("b_"): rows[name].to_numpy(dtype=float) for name in rivals}
    horizon = int(rows["horizon"].iloc[0])
    block = max(21, 2 * horizon)
    won = gain(y, p, baselines, block=block, seed=_SEED)
    # fewer blocks than this give a bootstrap nothing to draw from
    enough = len(y) >= _MIN_BLOCKS * block
    both = 0 < y.sum() < len(y)
    forecast, observed, count = calibration_bins(y, p, bins=_BINS)
    low, high = ece_band(p, horizon=horizon, bins=_BINS)
    alarms = p >= np.quantile(p, 1 - _ALARM_RATE)
    return {
        "from": f"{rows['session'].iloc[0]:%Y-%m-%d}",
        "to": f"{rows['session'].iloc[-1]:%Y-%m-%d}",
        "n": len(y),
        "base_rate": float(y.mean()),
        "mean_probability": float(p.mean()),
        "hit_rate": float(np.mean((p >= 0.5) == (y == 1))),
        "alarm_hits": float(y[alarms].mean()) if alarms.any() else None,
        "alarm_share": float(alarms.mean()),
        "auc": _finite(auc(y, p)) if both else None,
        "brier": brier(y, p),
        "log_loss": won.log_loss,
        "log_loss_climatology": won.log_loss_climatology,
        "best_baseline": won.best_baseline,
        "log_loss_best_baseline": won.log_loss_best_baseline,
        "gain": won.gain,
        "gain_lo": _finite(won.lo) if enough else None,
        "gain_hi": _finite(won.hi) if enough else None,
        "ece": ece(y, p, bins=_BINS),
        "ece_band": [_finite(low), _finite(high)] if enough else None,
        "calibration": [
            {"forecast": float(f), "observed": float(o), "n": int(n)}
            for f, o, n in zip(forecast, observed, count, strict=True)
        ],
    }


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
