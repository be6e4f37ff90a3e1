"""Columns of a table as arrays: thousands of cut-offs ask for a few rows each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["Rows"]


@dataclass(frozen=True)
class Rows:
    """Rows of coins.

    Parameters
    ----------
    base : array of str
        Coin of each row.
    columns : dict
        The other columns by name, each as long.
    """

    base: NDArray[np.object_]
    columns: dict[str, NDArray[Any]]

    @classmethod
    def of(cls, frame: pd.DataFrame, names: Sequence[str]) -> Rows:
        """Take the coin and some columns of a frame."""
        columns = {name: frame[name].to_numpy() for name in names if name != "base"}
        return cls(frame["base"].to_numpy(dtype=object), columns)

    @classmethod
    def joined(cls, parts: Sequence[Rows]) -> Rows:
        """Put parts with the same columns, at least one, below each other."""
        if len(parts) == 1:
            return parts[0]
        columns = {
            name: np.concatenate([part.columns[name] for part in parts])
            for name in parts[0].columns
        }
        return cls(np.concatenate([part.base for part in parts]), columns)

    def __len__(self) -> int:
        return len(self.base)

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.columns[name]

    def take(self, which: Any) -> Rows:
        """Take rows by slice, mask or place."""
        columns = {name: values[which] for name, values in self.columns.items()}
        return Rows(self.base[which], columns)

    def replaced(self, name: str, values: NDArray[Any]) -> Rows:
        """Put values in the place of a column."""
        return Rows(self.base, {**self.columns, name: values})

    def of_coin(self, base: str) -> Rows:
        """Take the rows of a coin."""
        return self.take(self.base == base)

    def frame(self) -> pd.DataFrame:
        """Turn them into a frame again."""
        return pd.DataFrame({"base": self.base, **self.columns})
