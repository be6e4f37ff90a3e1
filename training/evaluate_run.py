"""The verb ``evaluate RUN``: everything about one run, from the rows that it left."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from features.errors import DataError
from features.home import Home
from training.diagnostics import claims, diagnose
from training.evaluate import baselines_compared, skill_table
from training.records import load_oos, load_report, resolve
from training.report import clean
from training.settings import load_settings
from training.strata import EVENTS, strata

__all__ = ["evaluate_run", "event_days"]

Progress = Callable[[float, str], None]


def evaluate_run(home: Home, run: str, *, progress: Progress | None = None) -> dict[str, Any]:
    """Score a run again from its out-of-sample rows.

    Parameters
    ----------
    run : str
        A version, the beginning of one, a run id, or ``champion``.

    Returns
    -------
    dict
        model_version, until, oos_path, baselines, skill, groups, gates, and three tables as
        lists of rows: diagnostics (Brier parts, PR-AUC, alarms, lead time), strata (year, VIX
        band, event windows), claims (p-values corrected over all heads).

    Raises
    ------
    UsageError
        If no run matches.
    DataError
        If the run's rows are gone.
    """
    from features.pipeline import spine as read_spine
    from features.store import MarketStore

    version = resolve(home, run)
    oos, report = load_oos(home, version), load_report(home, version)
    if oos is None or report is None:
        raise DataError(
            f"{version} has no out-of-sample rows on disk. Train it again: stormpetrel retrain."
        )
    tell = progress or _silent
    settings = load_settings(home)
    store = MarketStore(home.market)
    tell(0.1, "skill")
    skill = skill_table(oos, settings)
    tell(0.4, "strata")
    split = strata(oos, read_spine(store), event_days(store), settings)
    tell(0.9, "diagnostics")
    return {
        "model_version": version,
        "until": report["until"],
        "oos_path": str(home.mlruns / "runs" / version / "oos.parquet"),
        "baselines": baselines_compared(oos),
        "skill": clean(skill),
        "groups": report["groups"],
        "group_verdicts": report["group_verdicts"],
        "gates": report["gates"],
        "diagnostics": clean(diagnose(oos)),
        "strata": clean(split),
        "claims": clean(claims(skill)),
    }


def event_days(store: Any) -> dict[str, pd.DatetimeIndex]:
    """Days on which each kind of event took place, cancelled ones left out."""
    table = store.read("scheduled_events")
    table = table[table["kind"] != "cancelled"]
    return {
        kind: pd.DatetimeIndex(table.loc[table["event"] == kind, "date"]).as_unit("us")
        for kind in EVENTS
    }


def _silent(fraction: float, what: str) -> None:
    return None
