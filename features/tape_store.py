"""The event tape: deliveries in, sessions and hours out, each day on its own.

The result does not depend on how events were delivered: shuffled, split, repeated or late, the
files of sessions and hours are the same bytes as after one rebuild from all events.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from features.errors import UsageError
from features.sources.contracts import Contract
from features.sources.formats import format_named
from features.sources.ingest import read_events
from features.tape import MICRO
from features.tape_days import absorb, derive, reopened, to_table
from features.tape_engine import check_engine, connect
from features.tape_files import DAY_US, Manifest, TapeFiles, day_name
from features.tape_rows import events_frame, merge, to_pandas

__all__ = ["Tape", "import_events", "tape_of"]

# events that one run of the stage takes at most in a rebuild
CHUNK_EVENTS = 4_000_000

Progress = Callable[[float, str], None]


def tape_of(store: Any) -> Tape:
    """Return the tape that lives beside a market store."""
    return Tape(Path(store.root) / "tape")


class Tape:
    """Events by UTC day with the sessions and hours that follow from them.

    Parameters
    ----------
    root : Path
        Folder of the tape.
    gap_seconds : int
        Silence that ends a session; fixed by the first delivery.
    engine : {"duckdb", "spark"}
        What runs the stage.

    Raises
    ------
    UsageError
        If the engine is unknown, or not installed.
    """

    def __init__(self, root: Path, *, gap_seconds: int = 60, engine: str = "duckdb") -> None:
        check_engine(engine)
        self.files = TapeFiles(root)
        self.gap_seconds = gap_seconds
        self.engine = engine
        self._connection: Any = None

    @property
    def connection(self) -> Any:
        """The engine, opened at first use."""
        if self._connection is None:
            self._connection = connect(self.engine, spill=self.files.root / "spill")
        return self._connection

    def add(self, events: pd.DataFrame, *, progress: Progress | None = None) -> dict[str, Any]:
        """Add events (see `events_frame`) and bring sessions and hours up to date.

        Returns
        -------
        dict
            ``new``, ``changed`` and ``same`` events, and the ``days`` that were touched.
        """
        counts = {"new": 0, "changed": 0, "same": 0}
        with self.files.lock():
            manifest = self.files.manifest(gap_seconds=self.gap_seconds)
            stale = manifest.names()
            dirty: set[int] = set()
            days = events["ts_us"].to_numpy() // DAY_US
            for day in np.unique(days).tolist():
                part = events[days == day]
                old = None
                if day in manifest.files:
                    old = to_pandas(self.files.read("events", [manifest.files[day]["events"]]))
                merged, made, moved = merge(old, part)
                for name, count in made.items():
                    counts[name] += count
                if not made["new"] and not made["changed"]:
                    continue
                name = pd.Timestamp(day * DAY_US, unit="us").strftime("%Y-%m-%d")
                layers = manifest.files.setdefault(day, {})
                layers["events"] = self.files.write_table(
                    "events", name, to_table("events", merged)
                )
                manifest.counts[day] = len(merged)
                dirty.add(day)
                if moved:
                    # a record changed its time: what its neighbours hold may shrink
                    dirty |= {day - 1, day + 1} & set(manifest.files)
            if dirty:
                self._derive(manifest, dirty, progress=progress)
                self.files.write_manifest(manifest)
                self.files.sweep(stale - manifest.names())
        return {**counts, "days": sorted(dirty)}

    def rebuild(self, *, progress: Progress | None = None) -> None:
        """Compute all sessions and hours anew from the events."""
        with self.files.lock():
            manifest = self.files.manifest(gap_seconds=self.gap_seconds)
            stale = manifest.names()
            self._derive(manifest, set(manifest.files), progress=progress)
            self.files.write_manifest(manifest)
            self.files.sweep(stale - manifest.names())

    def _derive(self, manifest: Manifest, dirty: set[int], *, progress: Progress | None) -> None:
        done = 0
        for days in _chunks(sorted(dirty), manifest.counts):
            running = self._running_into(manifest, days[0])
            edge_us = days[0] * DAY_US - manifest.gap_seconds * MICRO
            still = {day: rows for day, rows in running.items() if day not in dirty}
            still_open = pd.concat(
                [rows[rows["end_us"] >= edge_us] for rows in still.values()]
                or [self._sessions(manifest, -1)],
                ignore_index=True,
            )
            made, fresh = derive(self.files, manifest, self.connection, days, still_open)
            for day, (found, hours) in made.items():
                self._keep(manifest, day, "sessions", found)
                self._keep(manifest, day, "hourly", hours)
            for day, rows in still.items():
                running[day] = reopened(rows, fresh)
                self._keep(manifest, day, "sessions", running[day])
            after = days[-1] + 1
            if after in manifest.files and after not in dirty:
                earlier = [*running.values(), *(self._sessions(manifest, day) for day in days)]
                known = self._sessions(manifest, after)
                mended = absorb(after, known, pd.concat(earlier, ignore_index=True))
                if mended is not None:
                    self._keep(manifest, after, "sessions", mended)
            done += len(days)
            if progress is not None:
                progress(done / len(dirty), "sessions")

    def _running_into(self, manifest: Manifest, first: int) -> dict[int, pd.DataFrame]:
        """Sessions of the earlier days that had one open when `first` began.

        A session may run on through a whole day, so the day before is not always the only one.
        """
        edge_us = first * DAY_US - manifest.gap_seconds * MICRO
        days = [d for d in manifest.days() if d < first and manifest.ends.get(d, 0) >= edge_us]
        return {day: self._sessions(manifest, day) for day in days}

    def _keep(self, manifest: Manifest, day: int, layer: str, frame: pd.DataFrame) -> None:
        relative = self.files.write_table(layer, day_name(day), to_table(layer, frame))
        manifest.files[day][layer] = relative
        if layer == "sessions":
            manifest.ends[day] = int(frame["end_us"].max()) if len(frame) else 0

    def _sessions(self, manifest: Manifest, day: int) -> pd.DataFrame:
        layers = manifest.files.get(day, {})
        names = [layers["sessions"]] if "sessions" in layers else []
        return self.files.read("sessions", names).to_pandas()

    def read(
        self, layer: str, start: pd.Timestamp | None = None, end: pd.Timestamp | None = None
    ) -> pd.DataFrame:
        """Read ``events``, ``sessions`` or ``hourly`` of the UTC days from start to end."""
        manifest = self.files.manifest(gap_seconds=self.gap_seconds)
        low = -(10**9) if start is None else int(start.timestamp() * MICRO) // DAY_US
        high = 10**9 if end is None else int(end.timestamp() * MICRO) // DAY_US
        names = [
            manifest.files[day][layer]
            for day in manifest.days()
            if low <= day <= high and layer in manifest.files[day]
        ]
        table = self.files.read(layer, names)
        return to_pandas(table) if layer == "events" else table.to_pandas()


def _chunks(days: list[int], counts: Mapping[int, int]) -> Iterable[list[int]]:
    """Group consecutive days into runs of a bounded number of events."""
    run: list[int] = []
    size = 0
    for day in days:
        count = counts.get(day, 0)
        if run and (day != run[-1] + 1 or size + count > CHUNK_EVENTS):
            yield run
            run, size = [], 0
        run.append(day)
        size += count
    if run:
        yield run


def import_events(
    store: Any,
    name: str,
    files: Iterable[Path],
    *,
    now: pd.Timestamp,
    contracts: Mapping[str, Contract] | None = None,
    engine: str = "duckdb",
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Import venue files into the tape beside the market store.

    Parameters
    ----------
    store : MarketStore
        Its folder holds the tape.
    name : str
        Format name.
    files : iterable of Path
        Raw files.
    now : Timestamp
        Time of the import.

    Returns
    -------
    dict
        ``events`` read, ``new``, ``changed``, ``same``, ``days`` touched, ``without_time`` (events
        that no receipt time places), ``without_size`` (kept, but in no cascade), ``duplicates``,
        ``ignored``, ``quarantined`` (file, line, reason).

    Raises
    ------
    UsageError
        If the format holds totals: they are no events.
    """
    if format_named(name).totals:
        raise UsageError(
            f"format {name!r} holds totals a bar, not events, so it cannot enter the tape. Look at "
            "it with --dry-run; daily totals are imported as the tidy Coinglass file."
        )
    share = (lambda f, what: progress(f / 2, what)) if progress else None
    result = read_events(name, files, contracts=contracts, progress=share)
    timed = [event for event in result.events.values() if event.ts_us is not None]
    later = (lambda f, what: progress(0.5 + f / 2, what)) if progress else None
    report: dict[str, Any] = {"new": 0, "changed": 0, "same": 0, "days": []}
    if timed:
        tape = Tape(Path(store.root) / "tape", engine=engine)
        report = tape.add(events_frame(timed, now=now), progress=later)
    return {
        "format": name,
        "events": len(result.events),
        **report,
        "days": [day_name(day) for day in report["days"]],
        "without_time": len(result.events) - len(timed),
        "without_size": sum(event.notional_usd is None for event in timed),
        "duplicates": result.duplicates,
        "ignored": result.ignored,
        "quarantined": [entry.to_json() for entry in result.quarantined],
    }
