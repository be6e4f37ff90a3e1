"""What stands behind one log loss: calibration, resolution, alarms, and how early they come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from models.coverage import Coverage, bin_coverage
from models.scores import auc, average_precision, brier, calibration_bins
from training.correction import benjamini_hochberg, holm

__all__ = ["BrierParts", "alarms", "brier_parts", "claims", "diagnose", "lead_times"]

ALARM_SHARE = 0.10


@dataclass(frozen=True)
class BrierParts:
    """Murphy's decomposition: brier = reliability - resolution + uncertainty + within_bins.

    Parameters
    ----------
    reliability : float
        Squared distance between said and seen, over equal-count bins; 0 is calibrated.
    resolution : float
        How far the bins' shares lie from the base rate; higher is better.
    uncertainty : float
        Variance of the outcome: the Brier score of the base rate.
    within_bins : float
        What the binning itself leaves over.
    """

    reliability: float
    resolution: float
    uncertainty: float
    within_bins: float


def brier_parts(y: np.ndarray, p: np.ndarray, *, bins: int = 10) -> BrierParts:
    """Decompose the Brier score over equal-count bins of the forecast.

    References
    ----------
    Murphy, Journal of Applied Meteorology 12 (1973); Stephenson, Coelho and Jolliffe, Weather and
    Forecasting 23 (2008) for what is left within bins.
    """
    forecast, observed, count = calibration_bins(y, p, bins=bins)
    weight = count / count.sum()
    base = float(np.mean(y))
    reliability = float(np.sum(weight * (forecast - observed) ** 2))
    resolution = float(np.sum(weight * (observed - base) ** 2))
    uncertainty = base * (1.0 - base)
    rest = brier(y, p) - reliability + resolution - uncertainty
    return BrierParts(reliability, resolution, uncertainty, rest)


def alarms(p: np.ndarray, *, share: float = ALARM_SHARE) -> np.ndarray:
    """Mark the `share` of sessions with the highest probability.

    Notes
    -----
    The threshold is that of all the rows given, so that heads and models are compared at the same
    number of alarms. It describes a ranking; it is no rule that could have been followed.
    """
    count = max(1, round(share * len(p)))
    marked = np.zeros(len(p), dtype=bool)
    marked[np.argsort(-np.asarray(p), kind="stable")[:count]] = True
    return marked


def lead_times(y: np.ndarray, alarm: np.ndarray) -> np.ndarray:
    """Sessions from the first alarm of each episode to its end.

    Parameters
    ----------
    y : ndarray of 0 and 1
        Labels of neighbouring sessions.
    alarm : ndarray of bool
        Alarms on the same sessions.

    Returns
    -------
    ndarray
        One value for each episode (a run of sessions with label 1), NaN where no alarm came. The
        session after an episode's last one is in the new regime, so an alarm on the last one
        has a lead of 1.
    """
    truth = np.asarray(y) == 1.0
    edges = np.flatnonzero(np.diff(np.concatenate([[False], truth, [False]]).astype(int)))
    leads = []
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        inside = np.flatnonzero(alarm[start:end])
        leads.append(float(end - start - inside[0]) if len(inside) else np.nan)
    return np.array(leads)


def diagnose(oos: pd.DataFrame) -> pd.DataFrame:
    """Describe every head.

    Returns
    -------
    DataFrame
        at, head, horizon, n, pr_auc, roc_auc, the parts of the Brier score, hit_rate,
        false_alarm_rate and precision at a 10 % alarm rate, episodes, episodes_caught (share),
        lead_median_sessions, and of the 90 % interval interval_width, interval_coverage and
        coverage_without_width (see `models.coverage`; null where the rows have no interval).
    """
    records: list[dict[str, Any]] = []
    for (at, head, horizon), rows in oos.groupby(["at", "head", "horizon"], sort=False):
        y, p = rows["y"].to_numpy(dtype=float), rows["p"].to_numpy(dtype=float)
        parts, marked = brier_parts(y, p), alarms(p)
        leads = lead_times(y, marked)
        caught = leads[~np.isnan(leads)]
        interval = _interval(rows, int(str(horizon)))
        records.append(
            {
                "at": at,
                "head": head,
                "horizon": horizon,
                "n": len(rows),
                "pr_auc": average_precision(y, p),
                "roc_auc": auc(y, p),
                "brier_reliability": parts.reliability,
                "brier_resolution": parts.resolution,
                "brier_uncertainty": parts.uncertainty,
                "brier_within_bins": parts.within_bins,
                "hit_rate": float(marked[y == 1.0].mean()) if (y == 1.0).any() else np.nan,
                "false_alarm_rate": float(marked[y == 0.0].mean()) if (y == 0.0).any() else np.nan,
                "precision": float(y[marked].mean()),
                "episodes": len(leads),
                "episodes_caught": len(caught) / len(leads) if len(leads) else np.nan,
                "lead_median_sessions": float(np.median(caught)) if len(caught) else np.nan,
                "interval_width": interval.width,
                "interval_coverage": interval.share,
                "coverage_without_width": interval.without,
            }
        )
    return pd.DataFrame(records)


def _interval(rows: pd.DataFrame, horizon: int) -> Coverage:
    if not {"lo", "hi"} <= set(rows.columns) or rows[["lo", "hi"]].isna().any(axis=None):
        return Coverage(np.nan, np.nan, np.nan)
    y, p, lo, hi = (rows[name].to_numpy(dtype=float) for name in ("y", "p", "lo", "hi"))
    return bin_coverage(y, p, lo, hi, horizon=horizon)


def claims(skill: pd.DataFrame) -> pd.DataFrame:
    """Correct the skill table's p-values for how many heads were asked.

    Returns
    -------
    DataFrame
        at, head, horizon, gain, p_value, p_holm (chance of any false claim) and q_bh (share of
        false claims), over all heads and moments of the table.
    """
    p = skill["p_value"].to_numpy(dtype=float)
    table = skill[["at", "head", "horizon", "gain", "p_value"]].copy()
    return table.assign(p_holm=holm(p), q_bh=benjamini_hochberg(p))
