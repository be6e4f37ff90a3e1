"""What a canonical table is: columns with units and ranges, a key, an availability rule."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from features.errors import DataError
from features.names import coded
from features.sessions import Calendar

__all__ = ["Availability", "Check", "Column", "Kind", "Table", "arrow_type"]

Kind = Literal["date", "moment", "text", "number", "flag"]
Cadence = Literal["session", "day", "hour", "month", "event"]

_ARROW: dict[Kind, pa.DataType] = {
    "date": pa.timestamp("us"),
    "moment": pa.timestamp("us"),
    "text": pa.dictionary(pa.int32(), pa.string()),
    "number": pa.float64(),
    "flag": pa.bool_(),
}

_EMPTY: dict[Kind, str] = {
    "date": "datetime64[us]",
    "moment": "datetime64[us, UTC]",
    "text": "str",
    "number": "float64",
    "flag": "boolean",
}


def arrow_type(kind: Kind) -> pa.DataType:
    """Return the type in which a column of that kind is stored.

    Moments are stored as UTC without a zone: DuckDB needs an extension for zoned ones.
    """
    return _ARROW[kind]


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Parameters
    ----------
    name : str
        Its name; value columns carry their unit in the name where one unit holds for all rows.
    kind : {"date", "moment", "text", "number", "flag"}
        Midnight without zone, UTC moment, string, float64, or bool.
    unit : str
        Unit of the values, in words.
    about : str
        One line for the documentation.
    required : bool
        Whether a row without it is a bad row. Key columns are always required.
    low, high : float or None
        Range that a plausible value cannot leave, both ends allowed.
    above : float or None
        Value that a plausible one must exceed.
    choices : tuple of str
        The only texts allowed; empty means any.
    """

    name: str
    kind: Kind
    unit: str = ""
    about: str = ""
    required: bool = False
    low: float | None = None
    high: float | None = None
    above: float | None = None
    choices: tuple[str, ...] = ()

    def faults(self, values: pd.Series) -> list[tuple[str, npt.NDArray[np.bool_]]]:
        """Return (reason, rows) for everything that is wrong with `values`."""
        if self.kind == "text":
            return self._text_faults(values)
        found: list[tuple[str, npt.NDArray[np.bool_]]] = []
        if self.required:
            found.append((f"`{self.name}` is missing or unreadable", values.isna().to_numpy()))
        if self.kind == "number":
            numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
            found.append((f"`{self.name}` is infinite", np.isinf(numbers)))
            if self.low is not None:
                found.append((f"`{self.name}` is below {self.low:g}", numbers < self.low))
            if self.above is not None:
                found.append((f"`{self.name}` is not above {self.above:g}", numbers <= self.above))
            if self.high is not None:
                found.append((f"`{self.name}` is above {self.high:g}", numbers > self.high))
        return found

    def _text_faults(self, values: pd.Series) -> list[tuple[str, npt.NDArray[np.bool_]]]:
        names = coded(values).cat
        codes = names.codes.to_numpy()
        found: list[tuple[str, npt.NDArray[np.bool_]]] = []
        if self.required:
            found.append((f"`{self.name}` is missing", codes < 0))
        if self.choices:
            wrong = ~names.categories.isin(self.choices)
            reason = f"`{self.name}` is none of {', '.join(self.choices)}"
            found.append((reason, np.append(wrong, False)[codes]))
        return found


@dataclass(frozen=True)
class Availability:
    """When a row of a table could be known.

    Parameters
    ----------
    rule : str
        The rule in words.
    event_time : callable
        (rows, calendar) to the UTC moment that each row speaks about (the end of its span).
    known_at : callable
        (rows, calendar) to the UTC moment from which each row may be used.
    before_event : bool
        Whether a row may be known before what it speaks about has happened (a schedule).
    """

    rule: str
    event_time: Callable[[pd.DataFrame, Calendar], pd.DatetimeIndex]
    known_at: Callable[[pd.DataFrame, Calendar], pd.DatetimeIndex]
    before_event: bool = False


@dataclass(frozen=True)
class Check:
    """A rule over several columns of a row; `broken` returns the rows that violate it."""

    reason: str
    broken: Callable[[pd.DataFrame], npt.NDArray[np.bool_]]


@dataclass(frozen=True)
class Table:
    """A canonical table.

    Parameters
    ----------
    name : str
        Name in the store.
    about : str
        One paragraph for the documentation.
    key : tuple of str
        Columns that name a row; the first is its date or moment.
    columns : tuple of Column
        Key columns, then value columns.
    availability : Availability
        When rows can be known.
    cadence : {"session", "day", "hour", "month", "event"}
        How often a series is expected to have a row; "event" means that there are no gaps.
    checks : tuple of Check
        Rules over several columns.
    precedence : tuple of str
        Sources from the most to the least trusted. A row of a less trusted source never replaces
        one of a more trusted; a source not named here ranks with the first.
    fresh_sessions : int or None
        How many sessions the newest row may lie behind the last closed one and still be good
        enough to score; None for a table that no score waits for.
    step_hours : float
        Hours between the rows of a table of moments.
    essential : tuple of str
        Series by whose last row freshness is judged; empty means the latest of all.
    monthly : tuple of str
        Series that come monthly, whatever the cadence of the table.
    """

    name: str
    about: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    availability: Availability
    cadence: Cadence
    checks: tuple[Check, ...] = ()
    precedence: tuple[str, ...] = ()
    fresh_sessions: int | None = None
    step_hours: float = 1.0
    essential: tuple[str, ...] = ()
    monthly: tuple[str, ...] = ()

    @property
    def time(self) -> str:
        """Name of the date or moment column."""
        return self.key[0]

    @property
    def series(self) -> tuple[str, ...]:
        """Key columns that name a series."""
        identities = ("event_id", "record")
        return tuple(
            name
            for name in self.key[1:]
            if self.column(name).kind == "text" and name not in identities
        )

    @cached_property
    def by_name(self) -> dict[str, Column]:
        """Columns by name."""
        return {column.name: column for column in self.columns}

    def column(self, name: str) -> Column:
        """Return one column by its name."""
        return self.by_name[name]

    @property
    def values(self) -> tuple[str, ...]:
        """Names of the value columns."""
        return tuple(column.name for column in self.columns if column.name not in self.key)

    def kinds(self) -> dict[str, Kind]:
        """Return the kind of every stored column, in storage order."""
        own: dict[str, Kind] = {column.name: column.kind for column in self.columns}
        times: dict[str, Kind] = dict.fromkeys(
            ("event_time", "available_at", "ingested_at"), "moment"
        )
        return own | times | {"source": "text"}

    def rank(self, source: str) -> int:
        """Place of a source in the precedence, 0 first."""
        return self.precedence.index(source) if source in self.precedence else 0

    def complete(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the rows with every optional column that they lack, empty.

        Raises
        ------
        DataError
            If a key or required column is missing.
        """
        self.require(frame.columns)
        absent = [column for column in self.columns if column.name not in frame]
        return frame.assign(
            **{
                one.name: pd.Series(None, index=frame.index, dtype=_EMPTY[one.kind])
                for one in absent
            }
        )

    def faults(self, frame: pd.DataFrame) -> pd.Series:
        """Say what is wrong with each row.

        Parameters
        ----------
        frame : DataFrame
            Complete rows (see `complete`) of the right dtypes.

        Returns
        -------
        Series of str
            The first reason for each bad row, indexed like `frame`; good rows are absent.
        """
        found: list[tuple[str, npt.NDArray[np.bool_]]] = []
        for column in self.columns:
            found += column.faults(frame[column.name])
        found += [(check.reason, check.broken(frame)) for check in self.checks]
        reasons: dict[object, str] = {}
        for reason, rows in found:
            if rows.any():
                for label in frame.index[rows]:
                    reasons.setdefault(label, reason)
        return pd.Series(reasons, dtype="str")

    def require(self, columns: Sequence[str] | pd.Index) -> None:
        """Check that every key and required column is there.

        Raises
        ------
        DataError
            Naming what is missing.
        """
        needed = [
            column.name for column in self.columns if column.required or column.name in self.key
        ]
        missing = [name for name in needed if name not in columns]
        if missing:
            raise DataError(
                f"rows for table `{self.name}` lack {', '.join(missing)}. Expected the columns "
                f"{', '.join(needed)}; add them."
            )
