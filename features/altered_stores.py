"""Stores that end at an instant, or whose numbers are scrambled on one side of it.

What a check of the future reads instead of the true store (`features.checks`).
"""

from __future__ import annotations

import hashlib
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.pipeline import Store
from features.tables import TABLES
from features.tape_asof import NEVER
from features.tape_source import SCRAMBLED, EventSource, TruncatedTape, open_source

__all__ = ["PerturbedStore", "Side", "TruncatedStore"]

Side = Literal["after", "before"]


class TruncatedStore:
    """A store that holds nothing that came after an instant, whatever a reader asks for.

    Parameters
    ----------
    store : Store
        The whole store.
    until : Timestamp
        The instant.
    """

    def __init__(self, store: Store, until: pd.Timestamp) -> None:
        self.store = store
        self.until = until

    def read(
        self,
        name: str,
        *,
        as_of: pd.Timestamp | None = None,
        start: Any = None,
        end: Any = None,
    ) -> pd.DataFrame:
        """Read as of the earlier one of `as_of` and the instant."""
        bound = self.until if as_of is None else min(as_of, self.until)
        return self.store.read(name, as_of=bound, start=start, end=end)

    def tape(self) -> EventSource | None:
        """Return the tape as it stood at the instant."""
        whole = open_source(self.store)
        return None if whole is None else TruncatedTape(whole, _us(self.until))

    def revision_times(self, name: str) -> pd.DatetimeIndex:
        """Return the revisions up to the instant."""
        times = self.store.revision_times(name)
        return times[times <= self.until]


class PerturbedStore:
    """A store whose numbers are scrambled on one side of an instant.

    Parameters
    ----------
    store : Store
        The true store.
    instant : Timestamp
        Rows are told apart by ``available_at``.
    side : {"after", "before"}
        Which rows are scrambled.
    seed : int
        Seed of the factors.
    """

    def __init__(self, store: Store, instant: pd.Timestamp, side: Side, *, seed: int = 7) -> None:
        self.store = store
        self.instant = instant
        self.side = side
        self.seed = seed

    def read(
        self,
        name: str,
        *,
        as_of: pd.Timestamp | None = None,
        start: Any = None,
        end: Any = None,
    ) -> pd.DataFrame:
        """Read, then multiply the numbers of the chosen rows by factors between 0.6 and 1.6."""
        frame = self.store.read(name, as_of=as_of, start=start, end=end).copy()
        late = (frame["available_at"] > self.instant).to_numpy()
        chosen = late if self.side == "after" else ~late
        # the factor belongs to the row, not to its place in the answer
        keys = _mixed(frame.loc[chosen, list(TABLES[name].key)])
        for column in TABLES[name].values:
            if TABLES[name].column(column).kind != "number" or column == "interval_hours":
                continue
            values = frame[column].to_numpy(dtype=float, na_value=np.nan).copy()
            values[chosen] *= 0.6 + _unit(keys, f"{self.seed}:{name}:{column}")
            frame[column] = values
        return frame

    def tape(self) -> EventSource | None:
        """Return the tape with the sizes and prices of the chosen events scrambled."""
        whole = open_source(self.store)
        return None if whole is None else _PerturbedTape(whole, self)

    def revision_times(self, name: str) -> pd.DatetimeIndex:
        """Return the true revisions."""
        return self.store.revision_times(name)


class _PerturbedTape(TruncatedTape):
    """A tape whose events are scrambled on one side of an instant."""

    def __init__(self, whole: EventSource, store: PerturbedStore) -> None:
        super().__init__(whole, NEVER)
        self.store = store

    def events(self, day: int) -> pd.DataFrame:
        frame = self.whole.events(day)
        late = (frame["known_us"] > _us(self.store.instant)).to_numpy()
        chosen = late if self.store.side == "after" else ~late
        keys = _mixed(frame.loc[chosen, ["ts_us", "venue", "base", "side"]])
        for column in SCRAMBLED:
            values = frame[column].to_numpy(dtype=np.int64).copy()
            factor = 0.6 + _unit(keys, f"{self.store.seed}:tape:{column}")
            values[chosen] = (values[chosen] * factor).astype(np.int64)
            frame[column] = values
        return frame


def _us(instant: pd.Timestamp) -> int:
    return int(pd.DatetimeIndex([instant]).as_unit("us").asi8[0])


def _mixed(rows: pd.DataFrame) -> NDArray[np.uint64]:
    """Hash every key by itself, whatever rows stand around it."""
    mixed = np.zeros(len(rows), dtype=np.uint64)
    for column in rows.columns:
        codes, values = pd.factorize(rows[column])
        hashed = pd.util.hash_array(np.asarray(values, dtype=object).astype(str).astype(object))
        mixed = mixed * np.uint64(1_000_003) + hashed[codes]
    return mixed


def _unit(keys: NDArray[np.uint64], salt: str) -> NDArray[np.float64]:
    """Turn hashed keys into numbers between 0 and 1, other ones for each salt."""
    start = int.from_bytes(hashlib.sha256(salt.encode()).digest()[:8], "little")
    mixed = keys ^ np.uint64(start)
    mixed = (mixed ^ (mixed >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    mixed ^= mixed >> np.uint64(33)
    return mixed.astype(np.float64) / 2.0**64
