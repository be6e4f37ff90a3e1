"""What the forecast would have said without a feature group, from the kept walk-forward models."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from features.errors import DataError
from features.home import Home
from models.bundle import load_bundle
from models.explain import HeadForecast, SessionForecast, group_contributions
from models.logit import logit, sigmoid
from training.shelf import fold_models

__all__ = ["forecasts_without", "without_groups"]

_TOLERANCE = 1e-4  # in probability, between a kept model's answer and the stored forecast


def forecasts_without(
    home: Home,
    version: str,
    *,
    head: str,
    horizon: int,
    features: pd.DataFrame,
    spine: pd.DataFrame,
    stored: Mapping[pd.Timestamp, float],
    groups: Mapping[str, str],
) -> dict[str, dict[pd.Timestamp, float]]:
    """Ask every fold's own model again, and take each group's say out of its log odds.

    Parameters
    ----------
    home : Home
    version : str
        Run whose fold models were kept.
    head, horizon : str, int
        The overlay's head.
    features, spine : DataFrame
        Evening feature table and price history over the span.
    stored : mapping
        The run's own out-of-sample probabilities, which the models must give again.
    groups : mapping of str to str
        Group of each feature.

    Returns
    -------
    dict
        By group, the probability by session without it; groups that never spoke are left out.

    Raises
    ------
    DataError
        If no models were kept, or they no longer give the stored forecasts.

    Notes
    -----
    Contributions are exact TreeSHAP values, so the log odds less a group's sum is the forecast
    with that group silent, the rest of the model unchanged. The model is not refitted: what the
    other groups would take over in its place is not shown.
    """
    folds = [fold for fold in fold_models(home, version) if fold["at"] == "evening"]
    if not folds:
        raise DataError(
            f"run {version} has no kept walk-forward models: what a feature group adds to its "
            "forecasts is unknown. Retrain, or run without attribution."
        )
    told: dict[pd.Timestamp, HeadForecast] = {}
    for fold in folds:
        rows = features.loc[fold["first"] : fold["last"]]
        if rows.empty:
            continue
        bundle = load_bundle(home.mlruns / "folds" / version / str(fold["bundle"]))
        for one in bundle.forecast(at="evening", features=rows, spine=spine):
            told |= _asked(one, head, horizon)
    _same(told, stored, version)
    return without_groups(told, groups)


def without_groups(
    told: Mapping[pd.Timestamp, HeadForecast], groups: Mapping[str, str]
) -> dict[str, dict[pd.Timestamp, float]]:
    """Take each group's contributions out of forecasts.

    Parameters
    ----------
    told : mapping of Timestamp to HeadForecast
        One head's forecasts that were asked.
    groups : mapping of str to str
        Group of each feature.
    """
    out: dict[str, dict[pd.Timestamp, float]] = {}
    sums = {session: group_contributions(f.contributions, groups) for session, f in told.items()}
    names = set(groups.values()) & {name for one in sums.values() for name in one}
    for name in sorted(names):
        out[name] = {
            session: float(sigmoid(logit(f.probability) - sums[session].get(name, 0.0)))
            for session, f in told.items()
            if f.probability is not None
        }
    return out


def _asked(one: SessionForecast, head: str, horizon: int) -> dict[pd.Timestamp, HeadForecast]:
    found = next((h for h in one.heads if (h.head, h.horizon) == (head, horizon)), None)
    return {} if found is None or found.probability is None else {one.session: found}


def _same(
    told: Mapping[pd.Timestamp, HeadForecast], stored: Mapping[pd.Timestamp, float], version: str
) -> None:
    both = [session for session in told if session in stored]
    gap = np.abs(
        np.array([told[s].probability for s in both], dtype=float)
        - np.array([stored[s] for s in both], dtype=float)
    )
    if len(both) and gap.max() > _TOLERANCE:
        worst = both[int(gap.argmax())]
        raise DataError(
            f"the kept models of {version} no longer give its stored forecasts: on "
            f"{worst.date()} {told[worst].probability:.4f} against {stored[worst]:.4f}. The store "
            "or the code has changed since; retrain."
        )
