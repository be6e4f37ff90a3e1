"""What follows from the events of a day: its sessions and hours, and what its neighbours keep.

A session belongs to the UTC day of its first event and may run on into the next. So a changed day
concerns itself, the sessions that were open at its start, and the head of the day after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import pyarrow as pa

from features.tape import HOURLY_COLUMNS, MICRO, SESSION_COLUMNS, hourly, run, sessions
from features.tape_engine import scan
from features.tape_files import DAY_US, SCHEMAS, Manifest, TapeFiles

__all__ = ["SESSION_ORDER", "absorb", "derive", "reopened", "to_table"]

SESSION_ORDER = ("start_us", "base", "side")
HOURLY_ORDER = ("hour_us", "base", "side")
KEY = ["base", "side"]
FORCED = ("market", "backstop")
FIRST_LOOK_US = 3_600 * MICRO


def _events(
    files: TapeFiles, manifest: Manifest, connection: Any, since_us: int, until_us: int
) -> Any | None:
    """Events of a span that belong in sessions: sized, of a known coin, closed by the venue."""
    days = range(since_us // DAY_US, (until_us - 1) // DAY_US + 1)
    paths = [files.path(manifest.files[day]["events"]) for day in days if day in manifest.files]
    if not paths:
        return None
    rows = scan(connection, paths)
    return rows.filter(
        (rows.ts_us >= since_us) & (rows.ts_us < until_us),
        rows.mechanism.isin(FORCED),
        rows.cents.notnull(),  # noqa: PD004 (ibis)
        rows.base.notnull(),  # noqa: PD004
    )


def _sessions(
    files: TapeFiles,
    manifest: Manifest,
    connection: Any,
    since_us: int,
    until_us: int,
    start_us: int,
) -> pd.DataFrame:
    """Sessions that begin in [start_us, until_us), followed beyond it until they end."""
    gap_us = manifest.gap_seconds * MICRO
    last_us = (max(manifest.files) + 1) * DAY_US
    look_us = FIRST_LOOK_US
    origin_us = since_us // DAY_US * DAY_US
    while True:
        rows = _events(files, manifest, connection, since_us, until_us + look_us)
        if rows is None:
            return pd.DataFrame(columns=list(SESSION_COLUMNS))
        found = run(
            sessions(rows, gap_seconds=manifest.gap_seconds, origin_us=origin_us),
            order=SESSION_ORDER,
        )
        found = found[(found["start_us"] >= start_us) & (found["start_us"] < until_us)]
        edge = until_us + look_us
        if edge >= last_us or not (found["end_us"] >= edge - gap_us).any():
            return found.reset_index(drop=True)
        look_us *= 4


def derive(
    files: TapeFiles,
    manifest: Manifest,
    connection: Any,
    days: Sequence[int],
    still_open: pd.DataFrame,
) -> tuple[dict[int, tuple[pd.DataFrame, pd.DataFrame]], pd.DataFrame]:
    """Compute sessions and hourly totals of consecutive days from their events.

    Parameters
    ----------
    days : Sequence of int
        Consecutive days since 1970.
    still_open : DataFrame
        Sessions of earlier days that had not ended when the first day began.

    Returns
    -------
    dict
        By day: sessions that begin on it, and its hours.
    DataFrame
        The open sessions anew.
    """
    since, until = days[0] * DAY_US, (days[-1] + 1) * DAY_US
    first = min([since, *still_open["start_us"].tolist()])
    # what came within the gap before decides whether the head of the span is a continuation
    before = first - manifest.gap_seconds * MICRO
    found = _sessions(files, manifest, connection, before, until, first)
    rows = _events(files, manifest, connection, since, until)
    hours = (
        pd.DataFrame(columns=list(HOURLY_COLUMNS))
        if rows is None
        else run(hourly(rows), order=HOURLY_ORDER)
    )
    out = {}
    for day in days:
        low, high = day * DAY_US, (day + 1) * DAY_US
        mine = found[(found["start_us"] >= low) & (found["start_us"] < high)]
        its = hours[(hours["hour_us"] >= low) & (hours["hour_us"] < high)]
        out[day] = (mine.reset_index(drop=True), its.reset_index(drop=True))
    fresh = found.merge(still_open[[*KEY, "start_us"]], on=[*KEY, "start_us"])
    return out, fresh[still_open.columns]


def reopened(known: pd.DataFrame, fresh: pd.DataFrame) -> pd.DataFrame:
    """Put recomputed sessions in the place of the ones that began at the same time."""
    names = [*KEY, "start_us"]
    kept = known.merge(fresh[names], on=names, how="left", indicator=True)
    kept = kept[kept["_merge"] == "left_only"][known.columns]
    mine = fresh.merge(known[names], on=names)[known.columns]
    both = pd.concat([kept, mine], ignore_index=True)
    return both.sort_values(list(SESSION_ORDER), ignore_index=True)


def absorb(day: int, known: pd.DataFrame, before: pd.DataFrame) -> pd.DataFrame | None:
    """Drop sessions of `day` that an earlier day's session has run into; None where there is none.

    Parameters
    ----------
    before : DataFrame
        Sessions that begin before `day`.
    """
    running = before[before["end_us"] >= day * DAY_US]
    if running.empty or known.empty:
        return None
    until = running.groupby(KEY)["end_us"].max().rename("until").reset_index()
    ends = known[KEY].merge(until, on=KEY, how="left")["until"].to_numpy()
    swallowed = known["start_us"].to_numpy() <= ends
    return known[~swallowed].reset_index(drop=True) if swallowed.any() else None


def to_table(layer: str, frame: pd.DataFrame) -> pa.Table:
    """Give a frame its layer's schema."""
    schema = SCHEMAS[layer]
    columns = [
        pa.array(frame[name], type=kind, from_pandas=True)
        for name, kind in zip(schema.names, schema.types, strict=True)
    ]
    return pa.Table.from_arrays(columns, schema=schema)
