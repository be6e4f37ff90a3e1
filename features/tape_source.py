"""Where the events of the tape come from: its own files, or the store's short table.

Whoever asks for features gives a store. `open_source` finds the tape beside it; a store that hides
or scrambles rows to prove something gives one that hides or scrambles events.
"""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Any, Protocol

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from features.errors import DataError
from features.tape import EVENT_COLUMNS, HOUR_US, PRICE_LIMIT, SESSION_COLUMNS, run, sessions
from features.tape_files import DAY_US, Manifest, TapeFiles

__all__ = [
    "FORCED",
    "SCRAMBLED",
    "STAGED",
    "DiskTape",
    "EventSource",
    "TruncatedTape",
    "loose_events",
    "open_source",
    "stage",
    "tape_hash",
]

STAGED = list(EVENT_COLUMNS)
FORCED = ("market", "backstop")
SCRAMBLED = ("cents", "price_e8")
# a session may run on from the days before those that are asked for
LEAD_DAYS = 2


class EventSource(Protocol):
    """Events by UTC day (days since 1970)."""

    gap_seconds: int

    def days(self) -> list[int]:
        """Return the days that have events, ascending."""
        ...

    def events(self, day: int) -> pd.DataFrame:
        """Return the sized forced orders of a day, with the columns `STAGED`."""
        ...

    def sessions(self, first: int, last: int) -> pd.DataFrame:
        """Return the sessions that begin on the days from `first` to `last`."""
        ...

    def connected(self) -> pd.DataFrame:
        """Return the recorder's spans of connection: ``venue``, ``start``, ``end``."""
        ...

    def heard_hours(self) -> NDArray[np.int64]:
        """Return the hours since 1970 that have an event."""
        ...


class DiskTape:
    """The tape's files, as one manifest names them.

    Parameters
    ----------
    files : TapeFiles
        The files.
    manifest : Manifest
        Pins the state that is read.
    """

    def __init__(self, files: TapeFiles, manifest: Manifest) -> None:
        self.files = files
        self.manifest = manifest
        self.gap_seconds = manifest.gap_seconds

    def days(self) -> list[int]:
        """See `EventSource`."""
        return self.manifest.days()

    def events(self, day: int) -> pd.DataFrame:
        """See `EventSource`."""
        table = self._read("events", [day], columns=[*STAGED, "mechanism"])
        frame = table.to_pandas(integer_object_nulls=True)
        kept = frame["mechanism"].isin(FORCED) & frame["cents"].notna() & frame["base"].notna()
        return frame.loc[kept, STAGED].astype({"cents": "int64"}).reset_index(drop=True)

    def sessions(self, first: int, last: int) -> pd.DataFrame:
        """See `EventSource`."""
        days = [day for day in self.days() if first <= day <= last]
        return self._read("sessions", days).to_pandas()

    def connected(self) -> pd.DataFrame:
        """See `EventSource`."""
        return self.files.spans(self.manifest)

    def heard_hours(self) -> NDArray[np.int64]:
        """See `EventSource`."""
        table = self._read("hourly", self.days(), columns=["hour_us"])
        return np.unique(table["hour_us"].to_numpy()) // HOUR_US

    def _read(self, layer: str, days: list[int], columns: list[str] | None = None) -> pa.Table:
        names = [self.manifest.files[day][layer] for day in days]
        try:
            return self.files.read(layer, names, columns=columns)
        except FileNotFoundError as error:
            raise DataError(
                f"{error.filename} is gone: the tape was written to while it was read, or is "
                "damaged. Run the command again; if it fails again, import the events anew."
            ) from error


class TruncatedTape:
    """A tape that holds nothing that came after an instant.

    Parameters
    ----------
    whole : EventSource
        The whole tape.
    until_us : int
        The instant; sessions are made anew from the events that had come.
    """

    def __init__(self, whole: EventSource, until_us: int) -> None:
        self.whole = whole
        self.until_us = until_us
        self.gap_seconds = whole.gap_seconds

    def days(self) -> list[int]:
        """See `EventSource`."""
        return [day for day in self.whole.days() if day * DAY_US <= self.until_us]

    def events(self, day: int) -> pd.DataFrame:
        """See `EventSource`."""
        rows = self.whole.events(day)
        return rows[rows["known_us"] <= self.until_us].reset_index(drop=True)

    def sessions(self, first: int, last: int) -> pd.DataFrame:
        """See `EventSource`."""
        return made_sessions(self, first, last)

    def connected(self) -> pd.DataFrame:
        """See `EventSource`."""
        spans = self.whole.connected()
        until = pd.Timestamp(self.until_us, unit="us", tz="UTC").as_unit("us")
        begun = spans[spans["start"] <= until]
        return begun.assign(end=begun["end"].where(begun["end"] <= until, until))

    def heard_hours(self) -> NDArray[np.int64]:
        """See `EventSource`."""
        hours = [self.events(day)["ts_us"].to_numpy() // HOUR_US for day in self.days()]
        return np.unique(np.concatenate([np.zeros(0, dtype=np.int64), *hours]))


def made_sessions(source: EventSource, first: int, last: int) -> pd.DataFrame:
    """Make the sessions of some days from the events of a source."""
    days = [day for day in source.days() if first - LEAD_DAYS <= day <= last]
    found = stage([source.events(day) for day in days], gap_seconds=source.gap_seconds)
    return found[found["start_us"] >= first * DAY_US].reset_index(drop=True)


def stage(events: list[pd.DataFrame], *, gap_seconds: int) -> pd.DataFrame:
    """Run the stage on events in memory: integer sessions by start, base and side."""
    parts = [part[STAGED] for part in events if len(part)]
    if not parts:
        return pd.DataFrame(columns=list(SESSION_COLUMNS))
    table = pa.Table.from_pandas(pd.concat(parts, ignore_index=True), preserve_index=False)
    connection = _engine()
    name = "staged_events"
    connection.con.register(name, table)
    origin = int(pa.compute.min(table["ts_us"]).as_py()) // DAY_US * DAY_US
    expression = sessions(connection.table(name), gap_seconds=gap_seconds, origin_us=origin)
    try:
        return run(expression, order=("start_us", "base", "side"))
    finally:
        connection.con.unregister(name)


@cache
def _engine() -> Any:
    from features.tape_engine import connect

    return connect()


def loose_events(rows: pd.DataFrame) -> pd.DataFrame:
    """Turn rows of the store's table of events into events of the tape."""
    rows = rows[rows["notional_usd"].notna() & ~rows["mechanism"].isin(("onchain", "adl"))]
    price = (rows["price"] * 1e8).round().astype("int64").to_numpy()
    return pd.DataFrame(
        {
            "ts_us": pd.DatetimeIndex(rows["ts"]).as_unit("us").asi8,
            "known_us": pd.DatetimeIndex(rows["available_at"]).as_unit("us").asi8,
            "base": rows["base"].to_numpy(),
            "side": rows["liquidated_side"].fillna("unknown").to_numpy(),
            "venue": rows["venue"].to_numpy(),
            "cents": (rows["notional_usd"] * 100).round().astype("int64").to_numpy(),
            "price_e8": np.where((price > 0) & (price < PRICE_LIMIT), price, 0),
            "throttled": rows["completeness"].isin(("1_per_s", "snapshot")).astype("int64").array,
        }
    )


def open_source(store: Any) -> EventSource | None:
    """Return the tape beside a store; None where there is none.

    Parameters
    ----------
    store : Reader
        One with a method ``tape`` answers for itself; otherwise the tape lies in its folder.
    """
    own = getattr(store, "tape", None)
    if own is not None:
        found: EventSource | None = own()
        return found
    root = getattr(store, "root", None)
    if root is None:
        return None
    files = TapeFiles(root / "tape")
    manifest = files.manifest()
    return DiskTape(files, manifest) if manifest.files else None


def tape_hash(store: Any, *, as_of: pd.Timestamp) -> str | None:
    """Hash what the tape beside a store knew at a moment; None where it knew nothing.

    Notes
    -----
    *Timing:* events known, and connections begun, by `as_of`: what is recorded later changes
    nothing.
    """
    whole = open_source(store)
    if whole is None:
        return None
    source = TruncatedTape(whole, int(as_of.timestamp() * 1e6))
    digest, count = hashlib.sha256(), 0
    for day in source.days():
        rows = source.events(day).sort_values(STAGED, ignore_index=True)
        count += len(rows)
        digest.update(pd.util.hash_pandas_object(rows, index=False).to_numpy().tobytes())
    spans = source.connected().sort_values(["venue", "start"], ignore_index=True)
    digest.update(pd.util.hash_pandas_object(spans, index=False).to_numpy().tobytes())
    return digest.hexdigest() if count else None
