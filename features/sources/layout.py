"""What a tidy file looks like, and what becomes of its rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from features.schema import Kind

__all__ = [
    "AVAILABLE_AT",
    "Field",
    "Layout",
    "Part",
    "date_field",
    "leave_out",
    "melt",
    "numbers",
    "ts_field",
]

AVAILABLE_AT = "available_at"


@dataclass(frozen=True)
class Field:
    """One column of a tidy file; `optional` columns may be missing from the file."""

    name: str
    kind: Kind
    unit: str = ""
    optional: bool = False


@dataclass(frozen=True)
class Part:
    """Rows of a file that go to one table.

    Parameters
    ----------
    table : str
        Canonical table.
    rows : DataFrame
        Columns of that table; the index is the line of the file that each row comes from.
    source : str
        Where they come from, unless a column `source` says it per row.
    left_out : dict
        Rule to the number of rows that it leaves out. They are known, and no bad rows.
    """

    table: str
    rows: pd.DataFrame
    source: str
    left_out: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Layout:
    """A file that the importer knows.

    Parameters
    ----------
    stem : str
        File name without ``.csv`` or ``.parquet``; both formats are read.
    about : str
        What it holds, for the documentation.
    fields : tuple of Field
        Its columns. A column `available_at` (UTC moment) is optional in every file.
    tidy : callable or None
        Typed rows to parts; None for a file that is recognised and not stored.
    rank : int
        Where two files speak about the same key, the lower rank is kept, field by field.
    not_stored : str
        Why a recognised file is not stored.
    """

    stem: str
    about: str
    fields: tuple[Field, ...]
    tidy: Callable[[pd.DataFrame], list[Part]] | None
    tables: tuple[str, ...] = ()
    rank: int = 0
    not_stored: str = ""

    @property
    def kinds(self) -> dict[str, Kind]:
        """Kind of every column that is read."""
        return {one.name: one.kind for one in self.fields} | {AVAILABLE_AT: "moment"}

    @property
    def required(self) -> tuple[str, ...]:
        """Columns without which the file is refused."""
        return tuple(one.name for one in self.fields if not one.optional)


def date_field(name: str = "date") -> Field:
    """Declare a date column, ISO ``YYYY-MM-DD``."""
    return Field(name, "date", "ISO date")


def ts_field() -> Field:
    """Declare the column `timestamp`, an ISO moment in UTC."""
    return Field("timestamp", "moment", "UTC")


def numbers(names: str, unit: str, *, optional: bool = False) -> tuple[Field, ...]:
    """Declare several number columns of one unit, their names separated by blanks."""
    return tuple(Field(name, "number", unit, optional) for name in names.split())


def melt(rows: pd.DataFrame, columns: dict[str, str], *, name: str, value: str) -> pd.DataFrame:
    """Turn a wide file into one row per date and series, empty cells left out.

    Parameters
    ----------
    rows : DataFrame
        Columns `date`, the series, and perhaps `available_at`; the index is the line.
    columns : dict
        File column to series name. Columns that the file lacks are passed over.
    name, value : str
        Names of the series and value columns of the result.
    """
    kept = [one for one in ("date", AVAILABLE_AT) if one in rows]
    found = {series: column for column, series in columns.items() if column in rows}
    if not found:
        return rows.iloc[:0]
    levels = rows[list(found.values())].to_numpy(dtype=float)
    series, line = np.nonzero(~np.isnan(levels.T))
    named = pd.Categorical.from_codes(series, categories=pd.Index(list(found), dtype="str"))
    said: dict[str, Any] = {value: levels[line, series], name: named}
    return rows[kept].take(line).assign(**said)


def leave_out(
    rows: pd.DataFrame, *rules: tuple[str, pd.Series]
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Leave out the rows that a rule marks, and count them per rule."""
    kept = pd.Series(True, index=range(len(rows)))
    left_out: dict[str, int] = {}
    for reason, marked in rules:
        now = kept.to_numpy() & marked.to_numpy()
        if now.any():
            left_out[reason] = int(now.sum())
            kept &= ~now
    return rows[kept.to_numpy()], left_out
