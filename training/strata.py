"""Where the skill is: by year, by VIX band, with and without an event in the window.

A window that the dates of an event do not reach is in neither: its stratum is called `no dates`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from features.bands import BAND_NAMES, band_index
from models.scores import log_loss_rows
from training.evaluate import best_baseline, gain
from training.settings import TrainingSettings

__all__ = ["EVENTS", "dated", "event_windows", "strata"]

EVENTS = ("FOMC", "CPI", "PPI", "NFP")
MIN_ROWS = 63


def event_windows(
    sessions: pd.DatetimeIndex, horizon: int, events: Mapping[str, pd.DatetimeIndex]
) -> pd.DataFrame:
    """Say for each session whether an event falls in its label's window.

    Parameters
    ----------
    sessions : DatetimeIndex
        All exchange sessions, ascending.
    horizon : int
        The window is the `horizon` sessions after each one.
    events : mapping of str to DatetimeIndex
        Days of each kind of event, as they took place.

    Returns
    -------
    DataFrame of bool, index sessions, one column for each kind
    """
    columns = {}
    for kind, days in events.items():
        hit = sessions.isin(days).astype(int)
        total = np.concatenate([[0], np.cumsum(hit)])
        place = np.arange(len(sessions))
        columns[kind] = total[np.minimum(place + 1 + horizon, len(sessions))] > total[place + 1]
    return pd.DataFrame(columns, index=sessions)


def dated(sessions: pd.DatetimeIndex, horizon: int, days: pd.DatetimeIndex) -> pd.Series:
    """Say for each session whether the dates of an event reach over its label's window.

    Returns
    -------
    Series of bool, index sessions
        False everywhere without dates.
    """
    place = np.arange(len(sessions))
    if not len(days):
        return pd.Series(False, index=sessions)
    first = int(sessions.searchsorted(days.min(), side="left"))
    last = int(sessions.searchsorted(days.max(), side="right")) - 1
    ends = place + horizon <= last if days.max() < sessions[-1] else np.full(len(place), True)
    return pd.Series((place + 1 >= first) & ends, index=sessions)


def strata(
    oos: pd.DataFrame,
    spine: pd.DataFrame,
    events: Mapping[str, pd.DatetimeIndex],
    settings: TrainingSettings,
) -> pd.DataFrame:
    """Split every head's gain by year, VIX band and event window.

    Parameters
    ----------
    oos : DataFrame
        Scored rows.
    spine : DataFrame
        For the VIX close of each session, and the sessions of the event windows.
    events : mapping of str to DatetimeIndex
        Days of each kind of event.

    Returns
    -------
    DataFrame
        at, head, horizon, kind (``year``, ``band``, an event), stratum (of an event ``inside``,
        ``outside`` or ``no dates``: see `dated`), n, base_rate, log_loss, gain, gain_lo, gain_hi.
        The baseline is that of all the head's rows; the interval is null below 63 rows. Rows of
        one stratum are drawn in blocks of their own order.
    """
    windows: dict[int, pd.DataFrame] = {}
    sessions = pd.DatetimeIndex(spine.index)
    bands = pd.Series(band_index(spine["vix_close"].to_numpy()), index=spine.index)
    records: list[dict[str, Any]] = []
    for (at, head, horizon), rows in oos.groupby(["at", "head", "horizon"], sort=False):
        steps = int(str(horizon))
        if steps not in windows:
            windows[steps] = event_windows(sessions, steps, events)
        days = pd.DatetimeIndex(rows["session"])
        y = rows["y"].to_numpy(dtype=float)
        model = log_loss_rows(y, rows["p"].to_numpy(dtype=float))
        climatology = log_loss_rows(y, rows["climatology"].to_numpy(dtype=float))
        _, reference = best_baseline(rows)
        named = {
            "year": days.year.astype(str).to_numpy(),
            "band": np.array([*BAND_NAMES, "unknown"])[bands.reindex(days).to_numpy()],
            **{
                kind: np.where(
                    windows[steps][kind].reindex(days),
                    "inside",
                    np.where(dated(sessions, steps, dates).reindex(days), "outside", "no dates"),
                )
                for kind, dates in events.items()
            },
        }
        for kind, labels in named.items():
            for stratum in dict.fromkeys(sorted(labels)):
                inside = labels == stratum
                won = gain(
                    reference[inside],
                    model[inside],
                    climatology[inside],
                    horizon=steps,
                    settings=settings,
                )
                enough = int(inside.sum()) >= MIN_ROWS
                records.append(
                    {
                        "at": at,
                        "head": head,
                        "horizon": horizon,
                        "kind": kind,
                        "stratum": str(stratum),
                        "n": int(inside.sum()),
                        "base_rate": float(y[inside].mean()),
                        "log_loss": float(model[inside].mean()),
                        "gain": won.mean,
                        "gain_lo": won.lo if enough else np.nan,
                        "gain_hi": won.hi if enough else np.nan,
                    }
                )
    return pd.DataFrame(records)
