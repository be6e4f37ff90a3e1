"""What came true: realised labels of recorded forecasts, filled in once when they are known."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from features.home import Home
from serving.evidence import open_store
from serving.ledger import Entry, Ledger

__all__ = ["ROW_COLUMNS", "fill_outcomes", "forecast_rows", "realised"]

ROW_COLUMNS = (
    "session",
    "at",
    "head",
    "horizon",
    "y",
    "p",
    "prior",
    "climatology",
    "model_version",
    "in_sample",
)


def realised(spine: pd.DataFrame) -> dict[tuple[str, str, int], tuple[int, str]]:
    """Label every session whose outcome is complete.

    Parameters
    ----------
    spine : pd.DataFrame
        SPX and VIX history.

    Returns
    -------
    dict
        (session, head, horizon) to (0 or 1, session that completed it).
    """
    from models.heads import parse_key
    from models.labels import labels

    y, end = labels(spine)
    names = [f"{session:%Y-%m-%d}" for session in y.index]
    out = {}
    for column in y.columns:
        key = parse_key(str(column))
        values = y[column].to_numpy(dtype=float)
        ends = pd.DatetimeIndex(end[column])
        for place in np.flatnonzero(~np.isnan(values)).tolist():
            done = f"{ends[place]:%Y-%m-%d}"
            out[names[place], key.head, key.horizon] = (int(values[place]), done)
    return out


def fill_outcomes(home: Home, *, now: pd.Timestamp) -> int:
    """Record the outcomes of recorded forecasts that have become known.

    Parameters
    ----------
    home : Home
    now : pd.Timestamp
        UTC time of the recording.

    Returns
    -------
    int
        Outcomes that are new.
    """
    from features.pipeline import spine

    with Ledger.of(home) as ledger:
        entries = ledger.entries("score", first_only=True)
        if not entries:
            return 0
        known = realised(spine(open_store(home)))
        wanted = {
            (entry.session, head["head"], int(head["horizon"]))
            for entry in entries
            for head in entry.body["heads"]
        }
        rows = [(*key, *known[key]) for key in sorted(wanted) if key in known]
        return ledger.record_outcomes(rows, now=now.isoformat())


def forecast_rows(
    entries: Iterable[Entry], outcomes: dict[tuple[str, str, int], int]
) -> pd.DataFrame:
    """Lay recorded forecasts beside their outcomes, one row a session, moment and head.

    Parameters
    ----------
    entries : iterable of Entry
        First revisions in order of recording: of several models the first one that spoke counts.
    outcomes : dict
        From the ledger.

    Returns
    -------
    pd.DataFrame
        `ROW_COLUMNS`; scored heads only; `y` is NaN where the outcome is not known yet.
    """
    seen: set[tuple[str, str]] = set()
    rows: list[tuple[Any, ...]] = []
    for entry in entries:
        if (entry.session, entry.at) in seen:
            continue
        seen.add((entry.session, entry.at))
        for head in entry.body["heads"]:
            if head["probability"] is None:
                continue
            key = (entry.session, head["head"], int(head["horizon"]))
            rows.append(
                (
                    pd.Timestamp(entry.session),
                    entry.at,
                    head["head"],
                    int(head["horizon"]),
                    float(outcomes[key]) if key in outcomes else np.nan,
                    head["probability"],
                    np.nan if head["prior"] is None else head["prior"],
                    head["climatology"],
                    entry.model_version,
                    entry.in_sample,
                )
            )
    frame = pd.DataFrame(rows, columns=list(ROW_COLUMNS))
    return frame.sort_values(["at", "head", "horizon", "session"], ignore_index=True)
