"""One tidy file, line by line: which lines can be stored, which are bad, which are left out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.errors import DataError
from features.names import coded
from features.schema import Table
from features.sessions import calendar
from features.sources.layout import AVAILABLE_AT, Layout, Part
from features.sources.read import RawFile
from features.tables import TABLES

__all__ = ["BAD_SHARE", "TidiedFile", "tidied_file"]

#: Share of bad lines above which a file is refused whole.
BAD_SHARE = 0.01
#: Tables that exist on days without a session.
ANY_DAY = ("rates", "dollar")

Faults = dict[int, str]


@dataclass(frozen=True)
class TidiedFile:
    """The good rows of a file by table, and what is wrong with its bad lines."""

    layout: Layout
    raw: RawFile
    parts: list[Part]
    faults: Faults


def tidied_file(raw: RawFile, layout: Layout, *, now: pd.Timestamp) -> TidiedFile:
    """Check every line of a file that was read.

    A bad line gives nothing at all: what else stands in it is not trusted either.

    Raises
    ------
    DataError
        If it has more than 1 % bad lines.
    """
    faults = raw.faults | _without_time(raw.rows, layout)
    rows = raw.rows[~raw.rows.index.isin(list(faults))] if faults else raw.rows
    if layout.tidy is None:
        raise DataError(f"is not stored: {layout.not_stored}")
    if rows.empty:
        _refuse_bad(faults, raw.lines)
        return TidiedFile(layout, raw, [], faults)
    parts = [_checked(part, now, faults) for part in layout.tidy(rows)]
    _refuse_bad(faults, raw.lines)
    if faults:
        bad = list(faults)
        parts = [replace(part, rows=part.rows[~part.rows.index.isin(bad)]) for part in parts]
    return TidiedFile(layout, raw, parts, faults)


def _refuse_bad(faults: Faults, lines: int) -> None:
    if len(faults) > BAD_SHARE * lines:
        line, reason = min(faults.items())
        raise DataError(
            f"{len(faults)} of {lines} lines are bad, more than {BAD_SHARE:.0%}; "
            f"the first is line {line}: {reason}"
        )


def _checked(part: Part, now: pd.Timestamp, faults: Faults) -> Part:
    """Check one table's rows, note the bad lines, and leave out what is no news."""
    table = TABLES[part.table]
    rows = table.complete(_named(table, part.rows))
    for line, reason in table.faults(rows).items():
        faults.setdefault(int(str(line)), reason)
    _off_session(table, rows, faults)
    left_out = dict(part.left_out)
    rows = _over(table, rows, now, faults, left_out)
    rows = _once(table, rows, faults, left_out)
    return replace(part, rows=rows, left_out=left_out)


def _named(table: Table, rows: pd.DataFrame) -> pd.DataFrame:
    """Turn the text columns into categories: from here on each name is looked at once."""
    texts = [one.name for one in table.columns if one.kind == "text" and one.name in rows]
    return rows.assign(**{name: coded(rows[name]) for name in texts})


def _mark(rows: pd.DataFrame, marked: npt.NDArray[np.bool_], reason: str, faults: Faults) -> None:
    for line in rows.index[marked]:
        faults.setdefault(int(line), reason)


def _without_time(rows: pd.DataFrame, layout: Layout) -> Faults:
    """Find the lines whose date or moment is empty: nothing can be said about them."""
    first = layout.fields[0].name
    faults: Faults = {}
    _mark(rows, rows[first].isna().to_numpy(), f"`{first}` is missing", faults)
    return faults


def _off_session(table: Table, rows: pd.DataFrame, faults: Faults) -> None:
    if table.cadence == "session" and table.name not in ANY_DAY:
        days = pd.DatetimeIndex(rows["date"])
        wrong = calendar().covers(days) & ~calendar().contains(days)
        _mark(rows, wrong, "its date is no exchange session", faults)


def _over(
    table: Table,
    rows: pd.DataFrame,
    now: pd.Timestamp,
    faults: Faults,
    left_out: dict[str, int],
) -> pd.DataFrame:
    """Leave out what is not over yet; note what lies in the future or was known before it was."""
    given = AVAILABLE_AT in rows and bool(rows[AVAILABLE_AT].notna().any())
    if table.availability.before_event or not (given or _reaches(table, rows, now)):
        return rows
    event_time = pd.Series(table.availability.event_time(rows, calendar()), index=rows.index)
    if given:
        early = (rows[AVAILABLE_AT] < event_time).to_numpy()
        _mark(rows, early, "`available_at` lies before the end of the row's span", faults)
    begins = rows[table.time]
    begins = begins if table.time == "ts" else begins.dt.tz_localize("UTC")
    future = (begins > now + pd.Timedelta(days=1)).to_numpy()
    _mark(rows, future, "its time lies in the future", faults)
    unfinished = (event_time > now).to_numpy() & ~future
    if not unfinished.any():
        return rows
    left_out["not over yet"] = int(unfinished.sum())
    return rows[~unfinished]


def _reaches(table: Table, rows: pd.DataFrame, now: pd.Timestamp) -> bool:
    """Whether the newest row may not be over at `now`; a month is the longest span of a row."""
    newest = rows[table.time].max()
    if pd.isna(newest):
        return False
    moment = newest if newest.tzinfo else newest.tz_localize("UTC")
    return bool(moment > now - pd.Timedelta(days=33))


def _once(
    table: Table, rows: pd.DataFrame, faults: Faults, left_out: dict[str, int]
) -> pd.DataFrame:
    """Leave out exact repetitions; where one key has different values, trust neither line."""
    key = list(table.key)
    if _ascends(table, rows) or not rows.duplicated(key).any():
        return rows
    said = [column.name for column in table.columns]
    repeated = rows.duplicated(said).to_numpy()
    if repeated.any():
        left_out["repeats another line"] = int(repeated.sum())
        rows = rows[~repeated]
    twice = rows.duplicated(key, keep=False).to_numpy()
    _mark(rows, twice, f"its {' and '.join(key)} stands twice with different values", faults)
    return rows


def _ascends(table: Table, rows: pd.DataFrame) -> bool:
    """Whether the rows stand in the order of their key, by time or by name first: none repeats."""
    keys: list[npt.NDArray[Any]] = []
    for name in table.key:
        values = rows[name]
        keys.append(
            values.cat.codes.to_numpy()
            if table.column(name).kind == "text"
            else values.to_numpy(dtype=np.float64)
            if table.column(name).kind == "number"
            else values.astype("int64").to_numpy()
        )
    return _strictly(keys) or _strictly([*keys[1:], keys[0]])


def _strictly(keys: list[npt.NDArray[Any]]) -> bool:
    """Whether each row is greater than the one before, the first key deciding first."""
    greater = np.zeros(max(len(keys[0]) - 1, 0), dtype=bool)
    equal = ~greater
    for values in keys:
        greater |= equal & (values[1:] > values[:-1])
        equal &= values[1:] == values[:-1]
    return bool(greater.all())
