"""The recorder's log of connections, stored beside the tape.

One JSON object a line: ``{"venue": "okx", "connected_from": ISO, "connected_to": ISO}``. Repeats
and overlaps are fine; the stored spans are merged.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from features.coverage import hourly_coverage, merge_intervals
from features.sources.event import RecordError, stamp, text
from features.sources.ingest import Quarantined
from features.sources.readers import read_records
from features.tape_store import Tape, tape_of

__all__ = ["coverage_of", "import_coverage"]

COLUMNS = ["venue", "start", "end"]


def import_coverage(store: Any, files: Iterable[Path]) -> dict[str, Any]:
    """Add logs of connections to the tape beside a market store.

    Returns
    -------
    dict
        ``spans`` stored now, ``read`` from the files, ``quarantined`` (file, line, reason).
    """
    rows: list[dict[str, Any]] = []
    refused: list[Quarantined] = []
    for path in files:
        for raw in read_records(Path(path)):
            try:
                rows.append(_span(raw.content))
            except RecordError as error:
                refused.append(Quarantined(raw.file, raw.line, str(error)))
    tape = tape_of(store)
    with tape.files.lock():
        manifest = tape.files.manifest(gap_seconds=tape.gap_seconds)
        stale = manifest.names()
        spans = merge_intervals(pd.concat([_stored(tape), _frame(rows)], ignore_index=True))
        table = pa.Table.from_pandas(spans[COLUMNS], preserve_index=False)
        manifest.coverage = tape.files.write_table(
            "coverage", "spans", table.replace_schema_metadata(None)
        )
        tape.files.write_manifest(manifest)
        tape.files.sweep(stale - manifest.names())
    return {
        "spans": len(spans),
        "read": len(rows),
        "quarantined": [entry.to_json() for entry in refused],
    }


def coverage_of(store: Any, *, start: pd.Timestamp, end: pd.Timestamp) -> pd.DataFrame:
    """Share of each UTC hour that each venue was connected; see `hourly_coverage`."""
    return hourly_coverage(_stored(tape_of(store)), start=start, end=end)


def _span(content: Any) -> dict[str, Any]:
    if isinstance(content, RecordError):
        raise content
    venue = text(content, "venue").lower()
    start, end = stamp(content, "connected_from", "iso"), stamp(content, "connected_to", "iso")
    if end < start:
        raise RecordError("`connected_to` lies before `connected_from`")
    return {"venue": venue, "start": start, "end": end}


def _frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=COLUMNS)
    for name in ("start", "end"):
        frame[name] = pd.to_datetime(frame[name], unit="us", utc=True).dt.as_unit("us")
    return frame.astype({"venue": "str"})


def _stored(tape: Tape) -> pd.DataFrame:
    return tape.files.spans(tape.files.manifest(gap_seconds=tape.gap_seconds))
