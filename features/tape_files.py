"""The tape on disk: an immutable file for each UTC day and layer, and a manifest of the live ones.

Layers are ``events`` (what was recorded), ``sessions`` and ``hourly`` (what follows from it). A
writer puts new files beside the old ones and replaces the manifest last, so a reader sees the
tape before or after a delivery and nothing between.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from features.errors import DataError, HomeError

__all__ = ["DAY_US", "EVENTS", "SCHEMAS", "Manifest", "TapeFiles", "day_name"]

DAY_US = 86_400_000_000
LOCK_SECONDS = 120
VERSION = 1

EVENTS = pa.schema(
    [
        ("ts_us", pa.int64()),
        ("known_us", pa.int64()),
        ("received_us", pa.int64()),
        ("ingested_us", pa.int64()),
        ("venue", pa.string()),
        ("symbol", pa.string()),
        ("base", pa.string()),
        ("side", pa.string()),
        ("price", pa.float64()),
        ("price_kind", pa.string()),
        ("price_e8", pa.int64()),
        ("qty_base", pa.float64()),
        ("cents", pa.int64()),
        ("mechanism", pa.string()),
        ("completeness", pa.string()),
        ("throttled", pa.int64()),
        ("rank", pa.int64()),
        ("event_id", pa.string()),
    ]
)
_SESSIONS = pa.schema(
    [("base", pa.string()), ("side", pa.string())]
    + [
        (name, pa.int64())
        for name in ("start_us", "end_us", "n", "cents", "opposite_cents", "peak_1s_cents")
    ]
    + [(name, pa.int64()) for name in ("peak_10s_cents", "dollars", "moment", "n_venues")]
    + [("top_venue_cents", pa.int64()), ("venue_squares", pa.float64())]
    + [
        (name, pa.float64())
        for name in ("first_price_high", "first_price_low", "price_low", "price_high")
    ]
    + [("n_throttled", pa.int64()), ("known_us", pa.int64())]
)
_HOURLY = pa.schema(
    [("base", pa.string()), ("side", pa.string())]
    + [
        (name, pa.int64())
        for name in ("hour_us", "n", "cents", "n_venues", "n_throttled", "known_us")
    ]
)
SCHEMAS = {"events": EVENTS, "sessions": _SESSIONS, "hourly": _HOURLY}


def day_name(day: int) -> str:
    """Write a day (days since 1970) as ``YYYY-MM-DD``."""
    import datetime as dt

    return (dt.date(1970, 1, 1) + dt.timedelta(days=day)).isoformat()


@dataclass
class Manifest:
    """Live files by day (days since 1970) and layer, its events, and when its last session ends."""

    gap_seconds: int
    files: dict[int, dict[str, str]] = field(default_factory=dict)
    counts: dict[int, int] = field(default_factory=dict)
    ends: dict[int, int] = field(default_factory=dict)
    coverage: str | None = None

    def names(self) -> set[str]:
        """Return the live files."""
        live = {name for layers in self.files.values() for name in layers.values()}
        return live | ({self.coverage} if self.coverage else set())

    def days(self) -> list[int]:
        """Return the days that have events."""
        return sorted(self.files)


class TapeFiles:
    """Reading and atomic writing of the tape's files.

    Parameters
    ----------
    root : Path
        Folder of the tape; made by the first write.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root)

    @property
    def manifest_path(self) -> Path:
        """Path of the manifest."""
        return self.root / "manifest.json"

    def manifest(self, *, gap_seconds: int = 60) -> Manifest:
        """Read the manifest; an absent one is an empty tape.

        Raises
        ------
        DataError
            If it cannot be read or is of another version.
        """
        try:
            document = json.loads(self.manifest_path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return Manifest(gap_seconds)
        except (OSError, json.JSONDecodeError) as error:
            raise DataError(
                f"{self.manifest_path} cannot be read: {error}. Restore it, or delete the tape "
                "folder and import the events again."
            ) from error
        if document.get("version") != VERSION:
            raise DataError(
                f"{self.manifest_path} is of version {document.get('version')!r}, expected "
                f"{VERSION}. Import the events again."
            )
        return Manifest(
            gap_seconds=document["gap_seconds"],
            files={int(day): dict(layers) for day, layers in document["files"].items()},
            counts={int(day): count for day, count in document["counts"].items()},
            ends={int(day): end for day, end in document["ends"].items()},
            coverage=document.get("coverage"),
        )

    def write_manifest(self, manifest: Manifest) -> None:
        """Make a state live in one step."""
        document = {
            "version": VERSION,
            "gap_seconds": manifest.gap_seconds,
            "coverage": manifest.coverage,
            "counts": {str(day): manifest.counts[day] for day in manifest.days()},
            "ends": {str(day): manifest.ends[day] for day in sorted(manifest.ends)},
            "files": {str(day): manifest.files[day] for day in manifest.days()},
        }
        text = json.dumps(document, indent=0, sort_keys=True)
        self._replace(self.manifest_path, text.encode())

    def write_table(self, layer: str, name: str, table: pa.Table) -> str:
        """Write one file, named by its content, and return its path relative to the root."""
        sink = pa.BufferOutputStream()
        # fixed options: equal rows must give equal bytes
        pq.write_table(
            table, sink, compression="zstd", row_group_size=500_000, store_schema=False,
            use_dictionary=True, write_statistics=True,
        )  # fmt: skip
        content = sink.getvalue().to_pybytes()
        relative = f"{layer}/{name}-{hashlib.sha256(content).hexdigest()[:12]}.parquet"
        target = self.root / relative
        if not target.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            self._replace(target, content)
        return relative

    def path(self, relative: str) -> Path:
        """Return the full path of a live file."""
        return self.root / relative

    def read(self, layer: str, files: list[str], *, columns: list[str] | None = None) -> pa.Table:
        """Read some files of one layer as one table."""
        schema = SCHEMAS[layer]
        if columns is not None:
            schema = pa.schema([schema.field(name) for name in columns])
        if not files:
            return schema.empty_table()
        tables = [pq.read_table(self.path(name), schema=schema, columns=columns) for name in files]
        return pa.concat_tables(tables)

    def spans(self, manifest: Manifest) -> pd.DataFrame:
        """Read the recorder's spans of connection: ``venue``, ``start``, ``end`` (UTC)."""
        if manifest.coverage is None:
            moments = pd.DatetimeIndex([], dtype="datetime64[us, UTC]")
            return pd.DataFrame(
                {"venue": pd.Series([], dtype="str"), "start": moments, "end": moments}
            )
        return pq.read_table(self.path(manifest.coverage)).to_pandas().astype({"venue": "str"})

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the writer's lock; readers need none.

        Raises
        ------
        HomeError
            If another writer holds it for two minutes, or the folder cannot be written.
        """
        import filelock

        try:
            self.root.mkdir(parents=True, exist_ok=True)
            guard = filelock.FileLock(self.root / ".lock", timeout=LOCK_SECONDS)
            guard.acquire()
        except filelock.Timeout as error:
            raise HomeError(
                f"{self.root} is being written by another process for over {LOCK_SECONDS} s. "
                "Wait for it, or end it."
            ) from error
        except OSError as error:
            raise HomeError(f"cannot write {self.root}: {error.strerror}.") from error
        try:
            yield
        finally:
            guard.release()

    def sweep(self, stale: set[str]) -> None:
        """Delete files that no manifest names any more."""
        for name in stale:
            self.path(name).unlink(missing_ok=True)

    def _replace(self, target: Path, content: bytes) -> None:
        beside = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            with beside.open("wb") as sink:
                sink.write(content)
                sink.flush()
                os.fsync(sink.fileno())
            beside.replace(target)
        except OSError as error:
            beside.unlink(missing_ok=True)
            raise HomeError(f"cannot write {target}: {error.strerror}.") from error
