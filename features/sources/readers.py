"""Files to raw records: JSON lines, CSV and Parquet, plain or compressed, with line numbers."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import pyarrow.parquet as pq

from features.errors import DataError, UsageError
from features.sources.event import RecordError

__all__ = ["Raw", "read_records"]

PARQUET_ROWS = 50_000


@dataclass(frozen=True, slots=True)
class Raw:
    """One raw record: where it stood, and its content or why it could not be read."""

    file: str
    line: int
    content: Any


def read_records(path: Path, *, columns: Sequence[str] = ()) -> Iterator[Raw]:
    """Read the records of one file, whatever it is packed in.

    Parameters
    ----------
    path : Path
        ``.jsonl .json .txt .csv .parquet``, each also as ``.gz``, ``.zip`` or ``.lz4``. A name
        without a known ending is read as JSON lines.
    columns : Sequence of str
        Column names of a CSV without header: a first row that holds none of them is data.

    Yields
    ------
    Raw
        Lines count from 1 in the unpacked file (a CSV header is line 1), Parquet rows from 1.
        A record that cannot be decoded carries a `RecordError` as content.

    Raises
    ------
    UsageError
        If the file does not exist, or is ``.lz4`` without the lz4 package.
    DataError
        If the file as a whole cannot be unpacked or is no Parquet file.
    """
    if not path.is_file():
        raise UsageError(f"no such file: {path}. Expected a file of venue messages.")
    try:
        if path.suffix.lower() == ".zip":
            with zipfile.ZipFile(path) as archive:
                for name in sorted(archive.namelist()):
                    if not name.endswith("/"):
                        with archive.open(name) as stream:
                            yield from _read(stream, Path(name), f"{path.name}/{name}", columns)
            return
        with _unpacked(path) as (stream, inner):
            yield from _read(stream, inner, path.name, columns)
    except (OSError, EOFError, zipfile.BadZipFile, RuntimeError) as error:
        raise DataError(f"{path} cannot be unpacked: {error}. Fetch the file again.") from error


@contextmanager
def _unpacked(path: Path) -> Iterator[tuple[BinaryIO, Path]]:
    inner = path.with_suffix("")
    match path.suffix.lower():
        case ".gz":
            with gzip.open(path, "rb") as stream:
                yield stream, inner  # type: ignore[misc]
        case ".lz4":
            try:
                import lz4.frame
            except ImportError as error:
                raise UsageError(
                    f"{path.name} needs the lz4 package: install stormpetrel[data]."
                ) from error
            with lz4.frame.open(path, "rb") as stream:
                yield stream, inner
        case _:
            with path.open("rb") as stream:
                yield stream, path


def _read(stream: Any, name: Path, label: str, columns: Sequence[str]) -> Iterator[Raw]:
    match name.suffix.lower():
        case ".csv":
            yield from _csv(stream, label, columns)
        case ".parquet":
            yield from _parquet(stream, label)
        case ".json":
            yield from _json_document(stream, label)
        case _:
            yield from _json_lines(stream, label)


def _refuse_constant(word: str) -> NoReturn:
    raise RecordError(f"{word} is no JSON number")


def _decode(line: bytes) -> Any:
    try:
        return json.loads(line.decode("utf-8"), parse_constant=_refuse_constant)
    except RecordError as error:
        return error
    except UnicodeDecodeError:
        return RecordError("the line is not UTF-8")
    except json.JSONDecodeError as error:
        return RecordError(f"the line is not JSON: {error.msg} at column {error.colno}")
    except RecursionError:
        return RecordError("the line is nested too deeply")


def _json_lines(stream: Any, label: str) -> Iterator[Raw]:
    for place, line in enumerate(stream, start=1):
        if line.strip():
            yield Raw(label, place, _decode(line))


def _json_document(stream: Any, label: str) -> Iterator[Raw]:
    """Read a saved answer that spans lines as one record; everything else as JSON lines."""
    content = stream.read()
    if content.count(b"\n") > 1:
        whole = _decode(content)
        if not isinstance(whole, RecordError):
            yield Raw(label, 1, whole)
            return
    yield from _json_lines(io.BytesIO(content), label)


def _csv(stream: Any, label: str, columns: Sequence[str]) -> Iterator[Raw]:
    wrapped = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="replace", newline="")
    reader = csv.reader(wrapped, strict=True)
    header: list[str] | None = None
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Raw(label, reader.line_num, RecordError(f"the line is not CSV: {error}"))
            continue
        if not row or not any(cell.strip() for cell in row):
            continue
        if header is None:
            header = [cell.strip() for cell in row]
            if columns and not set(header) & set(columns):
                header = list(columns)
            else:
                continue
        if len(row) != len(header):
            reason = RecordError(f"expected {len(header)} columns, got {len(row)}")
            yield Raw(label, reader.line_num, reason)
            continue
        yield Raw(label, reader.line_num, dict(zip(header, row, strict=True)))


def _parquet(stream: Any, label: str) -> Iterator[Raw]:
    # Parquet is read from its end: a packed stream must be held whole
    source = (
        stream if stream.seekable() and hasattr(stream, "fileno") else io.BytesIO(stream.read())
    )
    try:
        table = pq.ParquetFile(source)
    except (OSError, ValueError) as error:
        raise DataError(f"{label} is not a Parquet file: {error}") from error
    place = 0
    for batch in table.iter_batches(batch_size=PARQUET_ROWS):
        for row in batch.to_pylist():
            place += 1
            yield Raw(label, place, row)
