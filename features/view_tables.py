"""Tables of the store as arrays: each read once, each column converted once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.asof import Known
from features.names import places
from features.windows import Array

__all__ = ["Reader", "TableArrays"]

NOWHERE = np.zeros(0, dtype=np.intp)

Made = TypeVar("Made")


class Reader(Protocol):
    """The part of the market store that features use."""

    def read(
        self,
        table: str,
        *,
        as_of: pd.Timestamp | None = None,
        start: pd.Timestamp | None = None,
        end: pd.Timestamp | None = None,
    ) -> pd.DataFrame:
        """Return the newest versions that were available at `as_of`."""
        ...


class TableArrays:
    """Tables as they stood at one instant.

    Parameters
    ----------
    store : Reader
        Where tables are read from, each at most once.
    as_of : Timestamp or None
        Only rows available by then are read; None reads all.
    """

    def __init__(self, store: Reader, as_of: pd.Timestamp | None) -> None:
        self.store = store
        self.as_of = as_of
        self._tables: dict[str, pd.DataFrame] = {}
        self._made: dict[Any, Any] = {}

    def make(self, key: Any, function: Callable[[], Made]) -> Made:
        """Compute something once for this view."""
        if key not in self._made:
            self._made[key] = function()
        made: Made = self._made[key]
        return made

    def table(self, name: str) -> pd.DataFrame:
        """Rows of one table from the first row of its clock on."""
        if name not in self._tables:
            begin = self._begin(name)
            self._tables[name] = self.store.read(name, as_of=self.as_of, start=begin)
        return self._tables[name]

    def times(self, table: str, column: str) -> NDArray[np.int64]:
        """Dates or moments of a table, in microseconds since 1970."""

        def read() -> NDArray[np.int64]:
            return pd.DatetimeIndex(self.table(table)[column]).as_unit("us").asi8

        return self.make(("times", table, column), read)

    def numbers(self, table: str, column: str) -> Array:
        """Numbers of a table, NaN where null."""

        def read() -> Array:
            return self.table(table)[column].to_numpy(dtype=float, na_value=np.nan)

        return self.make(("numbers", table, column), read)

    def places(self, table: str, *names: str) -> dict[tuple[str, ...], NDArray[np.intp]]:
        """Rows of each series of a table, by the columns that name it, in the table's order."""

        def split() -> dict[tuple[str, ...], NDArray[np.intp]]:
            frame = self.table(table)
            return places([frame[name] for name in names])

        return self.make(("places", table, *names), split)

    def _series(self, table: str, where: dict[str, str]) -> NDArray[np.intp] | slice:
        """Rows of one series, such as ``symbol="vix"``; of a table of one series, all."""
        if not where:
            return slice(None)
        return self.places(table, *where).get(tuple(where.values()), NOWHERE)

    def known(self, table: str, column: str, **where: str) -> Known:
        """Rows of a slow series that say something, in the order of the table."""
        rows = self._series(table, where)
        date, available = (self.times(table, name)[rows] for name in ("date", "available_at"))
        return Known(date, available, self.numbers(table, column)[rows]).without_nulls()

    def _begin(self, name: str) -> pd.Timestamp | None:
        """Return the first date or moment to read of a table; None reads all."""
        return None
