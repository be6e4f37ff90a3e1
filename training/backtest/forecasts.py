"""Walk-forward forecasts as the replay reads them: out of sample, never refitted here."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from features.errors import DataError
from features.home import Home
from serving.champion import read_champion

__all__ = ["Forecasts", "load_forecasts"]

BASELINE = "b_vix_spline"


@dataclass(frozen=True)
class Forecasts:
    """Probability of the overlay's head by session.

    Attributes
    ----------
    version : str
        Run that made them.
    evening, preopen, vix : dict of Timestamp to float
        The model in the evening and before the opening, and the VIX-only baseline.
    first, last : pd.Timestamp
        Span of evenings that were forecast.
    without : dict of str to dict
        By feature group, the evening's probability without it.
    """

    version: str
    evening: dict[pd.Timestamp, float]
    preopen: dict[pd.Timestamp, float]
    vix: dict[pd.Timestamp, float]
    first: pd.Timestamp
    last: pd.Timestamp
    without: dict[str, dict[pd.Timestamp, float]] = field(default_factory=dict)


def load_forecasts(home: Home, *, head: str, horizon: int, version: str | None = None) -> Forecasts:
    """Read the out-of-sample forecasts of a run.

    Parameters
    ----------
    home : Home
        The installation.
    head, horizon : str, int
        The overlay's head.
    version : str, optional
        A model version; default the champion's.

    Raises
    ------
    DataError
        If its run has no out-of-sample forecasts of the head.
    """
    if version is None:
        version = str(read_champion(home)["model_version"])
    path = home.mlruns / "runs" / version / "oos.parquet"
    if not path.is_file():
        raise DataError(f"{path} is missing: run {version} has no walk-forward forecasts. Retrain.")
    rows = pd.read_parquet(path)
    rows = rows[(rows["head"] == head) & (rows["horizon"] == horizon)]
    evening = rows[rows["at"] == "evening"]
    if evening.empty:
        raise DataError(f"run {version} has no out-of-sample forecasts of {head} at {horizon}.")
    return Forecasts(
        version=version,
        evening=_by_session(evening, "p"),
        preopen=_by_session(rows[rows["at"] == "preopen"], "p"),
        vix=_by_session(evening, BASELINE),
        first=evening["session"].min(),
        last=evening["session"].max(),
    )


def _by_session(rows: pd.DataFrame, column: str) -> dict[pd.Timestamp, float]:
    known = rows[["session", column]].dropna()
    return dict(zip(known["session"], known[column].astype(float), strict=True))
