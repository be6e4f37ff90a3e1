"""SQL over a table's segments: the newest version of each key that was available at a moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from features.errors import UsageError
from features.schema import Table
from features.segments import Segment

__all__ = ["Query", "utc"]

#: Number of the append that wrote a row: the newest version of a key has the highest.
VERSION = "version"


def utc(moment: pd.Timestamp, name: str) -> pd.Timestamp:
    """Return a timezone-aware moment as naive UTC of unit "us", as it is stored.

    Raises
    ------
    UsageError
        If it has no timezone.
    """
    stamp = pd.Timestamp(moment)
    if stamp.tzinfo is None:
        raise UsageError(f"`{name}` must have a timezone, got {moment}. Pass a UTC Timestamp.")
    return stamp.tz_convert("UTC").tz_localize(None).as_unit("us")


@dataclass(frozen=True)
class Query:
    """Which rows of a table are wanted.

    Parameters
    ----------
    table : Table
        The table.
    as_of : Timestamp or None
        Availability limit.
    start, end : date, Timestamp or None
        Span of the table's time column, both ends included.
    where : mapping or None
        Columns to a value or a list of values.
    """

    table: Table
    as_of: pd.Timestamp | None = None
    start: Any = None
    end: Any = None
    where: Mapping[str, Any] | None = None

    def newest(self, columns: Sequence[str], root: Path, segments: Sequence[Segment]) -> str:
        """Select the newest available version of each key, sorted by key."""
        key = ", ".join(_quote(name) for name in self.table.key)
        sql = f"SELECT {_list(columns)} FROM {_files(root, segments)}{self._conditions()}"
        if any(segment.revises for segment in segments):
            sql += f" QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY {VERSION} DESC) = 1"
        elif len(segments) == 1:
            return sql  # a segment is sorted by key, and DuckDB keeps the order of a file
        return f"{sql} ORDER BY {key}"

    def versions(self, columns: Sequence[str], root: Path, segments: Sequence[Segment]) -> str:
        """Select every version, sorted by key and then age."""
        key = ", ".join(_quote(name) for name in self.table.key)
        source = f"{_files(root, segments)}{self._conditions()}"
        return f"SELECT {_list(columns)} FROM {source} ORDER BY {key}, {VERSION}"

    def _conditions(self) -> str:
        parts: list[str] = []
        if self.as_of is not None:
            parts.append(f"available_at <= {_literal(utc(self.as_of, 'as_of'))}")
        if self.start is not None:
            parts.append(f"{_quote(self.table.time)} >= {_literal(self._limit(self.start))}")
        if self.end is not None:
            parts.append(f"{_quote(self.table.time)} <= {_literal(self._limit(self.end))}")
        for name, wanted in (self.where or {}).items():
            if name not in self.table.kinds():
                raise UsageError(
                    f"table `{self.table.name}` has no column {name!r} to select by. Expected one "
                    f"of {', '.join(self.table.kinds())}."
                )
            values = [wanted] if pd.api.types.is_scalar(wanted) else wanted
            listed = ", ".join(_literal(self._plain(name, value)) for value in values)
            parts.append(f"{_quote(name)} IN ({listed})" if listed else "FALSE")
        return f" WHERE {' AND '.join(parts)}" if parts else ""

    def _limit(self, moment: Any) -> pd.Timestamp:
        return self._plain(self.table.time, moment)

    def _plain(self, name: str, value: Any) -> Any:
        kind = self.table.kinds()[name]
        if kind == "moment":
            stamp = pd.Timestamp(value)
            return utc(stamp if stamp.tzinfo else stamp.tz_localize("UTC"), name)
        return pd.Timestamp(value).tz_localize(None) if kind == "date" else value


def _literal(value: Any) -> str:
    if isinstance(value, pd.Timestamp):
        return f"TIMESTAMP '{value:%Y-%m-%d %H:%M:%S.%f}'"
    if isinstance(value, (bool, np.bool_)):
        return "TRUE" if value else "FALSE"
    if isinstance(value, (int, float, np.integer, np.floating)):
        return repr(value.item() if isinstance(value, np.generic) else value)
    return "'" + str(value).replace("'", "''") + "'"


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _list(columns: Sequence[str]) -> str:
    return ", ".join(_quote(name) for name in columns)


def _files(root: Path, segments: Sequence[Segment]) -> str:
    paths = ", ".join(_literal((root / segment.file).as_posix()) for segment in segments)
    return f"read_parquet([{paths}])"
