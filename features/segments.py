"""The store's files: immutable Parquet segments, and one manifest that names the live ones."""

from __future__ import annotations

import hashlib
import io
import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from features.errors import DataError, HomeError

__all__ = [
    "Manifest",
    "Segment",
    "collect_garbage",
    "read_manifest",
    "read_segment",
    "write_manifest",
    "write_segment",
]

FORMAT = 1
MANIFEST = "manifest.json"
FOLDER = "segments"
#: An unreferenced segment may still be read by a snapshot that was taken before; keep it this long.
GRACE_SECONDS = 24 * 3600
#: Rows that are compressed together, so that a read of the last year need not decode ten.
GROUP_ROWS = 32_768


@dataclass(frozen=True)
class Segment:
    """One immutable Parquet file.

    Parameters
    ----------
    file : str
        Path relative to the store's root.
    rows, size : int
        Rows and bytes.
    sha256 : str
        Hash of the bytes.
    revises : bool
        Whether any row is a later version of a key that an earlier row of the table has.
    """

    file: str
    rows: int
    size: int
    sha256: str
    revises: bool


@dataclass(frozen=True)
class Manifest:
    """Which segments make up each table; the number of the last append is its version."""

    version: int = 0
    tables: Mapping[str, tuple[Segment, ...]] = field(default_factory=dict)

    def segments(self, table: str) -> tuple[Segment, ...]:
        """Return the live segments of a table, oldest first."""
        return self.tables.get(table, ())

    def replaced(self, table: str, segments: Sequence[Segment]) -> Manifest:
        """Return a manifest with other segments for one table."""
        return Manifest(self.version, {**self.tables, table: tuple(segments)})


def read_manifest(root: Path) -> Manifest:
    """Read the manifest; an absent one is an empty store.

    Raises
    ------
    DataError
        If the file is there but is no manifest of a known format.
    """
    path = root / MANIFEST
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Manifest()
    except (OSError, ValueError) as error:
        raise _unreadable(path, str(error)) from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise _unreadable(path, "it is no manifest of format 1")
    tables = {
        name: tuple(Segment(**entry) for entry in entries)
        for name, entries in document["tables"].items()
    }
    return Manifest(document["version"], tables)


def _unreadable(path: Path, why: str) -> DataError:
    return DataError(
        f"cannot read the market store at {path}: {why}. Expected the file that an import wrote; "
        "move the folder away and import again."
    )


def write_manifest(root: Path, manifest: Manifest) -> None:
    """Replace the manifest in one step: a reader sees the old or the new one, never a part."""
    document = {
        "format": FORMAT,
        "version": manifest.version,
        "tables": {
            name: [asdict(segment) for segment in manifest.tables[name]]
            for name in sorted(manifest.tables)
        },
    }
    text = json.dumps(document, indent=1) + "\n"
    _write_beside(root / MANIFEST, text.encode())


def write_segment(
    root: Path, table: str, rows: pa.Table, *, version: int, revises: bool
) -> Segment:
    """Write rows as a new immutable file; equal rows give equal bytes."""
    buffer = io.BytesIO()
    text = [item.name for item in rows.schema if pa.types.is_dictionary(item.type)]
    moments = [item.name for item in rows.schema if pa.types.is_timestamp(item.type)]
    pq.write_table(
        rows.replace_schema_metadata(None),
        buffer,
        compression="zstd",
        compression_level=1,
        use_dictionary=text,
        column_encoding=dict.fromkeys(moments, "DELTA_BINARY_PACKED"),
        row_group_size=GROUP_ROWS,
        store_schema=False,
    )
    content = buffer.getbuffer()
    digest = hashlib.sha256(content).hexdigest()
    file = f"{FOLDER}/{table}/{version:06d}-{digest[:16]}.parquet"
    _write_beside(root / file, content)
    return Segment(file, rows.num_rows, len(content), digest, revises)


def read_segment(
    path: Path,
    columns: Sequence[str],
    texts: Sequence[str],
    time: str,
    start: np.datetime64 | None,
    end: np.datetime64 | None,
) -> pa.Table:
    """Read the rows of one segment whose time lies in a span, both ends included.

    Parameters
    ----------
    columns : sequence of str
        Columns wanted, among them `time`.
    texts : sequence of str
        Those that stay dictionaries, as they are stored.
    time : str
        Column that a segment is sorted by first.
    start, end : datetime64 or None
        Ends of the span.
    """
    file = pq.ParquetFile(path, read_dictionary=list(texts))
    groups = _groups(file.metadata, time, start, end)
    # threads of Arrow's would cost a short process more than they save
    rows = file.read_row_groups(groups, columns=list(columns), use_threads=False)
    times = rows.column(time).to_numpy()
    low = 0 if start is None else int(np.searchsorted(times, start, side="left"))
    high = len(times) if end is None else int(np.searchsorted(times, end, side="right"))
    return rows.slice(low, max(high - low, 0))


def _groups(
    about: pq.FileMetaData, time: str, start: np.datetime64 | None, end: np.datetime64 | None
) -> list[int]:
    """List the groups of rows that may hold a time of the span, by what the file says of each."""
    place = about.schema.names.index(time)
    found = []
    for group in range(about.num_row_groups):
        extremes = about.row_group(group).column(place).statistics
        if start is not None and np.datetime64(extremes.max) < start:
            continue
        if end is not None and np.datetime64(extremes.min) > end:
            continue
        found.append(group)
    return found


def _write_beside(path: Path, content: bytes | memoryview) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with beside.open("wb") as handle:
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
        beside.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise HomeError(
            f"cannot write {path}: {error.strerror}. Expected room and permission to write there; "
            "nothing of this import was stored."
        ) from error


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def collect_garbage(root: Path, manifest: Manifest, *, grace_seconds: float = GRACE_SECONDS) -> int:
    """Delete files that no manifest names and that are older than the grace; return how many.

    Call it under the writer's lock only: a half-finished import's files look the same.
    """
    live = {segment.file for segments in manifest.tables.values() for segment in segments}
    oldest = time.time() - grace_seconds
    removed = 0
    for path in (root / FOLDER).glob("*/*"):
        if path.relative_to(root).as_posix() not in live and path.stat().st_mtime < oldest:
            path.unlink(missing_ok=True)
            removed += 1
    return removed
