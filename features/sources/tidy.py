"""Import a folder of tidy files: known names, documented columns, nothing guessed.

A file is all or nothing: above 1 % bad lines, or without one of its columns, it is refused and
nothing of it is stored. Below that, bad lines go to the quarantine table with their reason. The
other files of the folder are imported all the same; all of it becomes visible in one step.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from features.errors import DataError, UsageError
from features.ingest import Counts
from features.sources import (
    tidy_breadth,
    tidy_crypto,
    tidy_equity,
    tidy_events,
    tidy_liquidations,
    tidy_macro,
)
from features.sources.joined import joined
from features.sources.layout import AVAILABLE_AT, Layout
from features.sources.lines import TidiedFile, tidied_file
from features.sources.read import FIRST_LINE, RawFile, read_file
from features.store import MarketStore
from features.tables import QUARANTINE, TABLES

__all__ = ["LAYOUTS", "FileReport", "ImportReport", "describe", "import_folder"]

LAYOUTS: dict[str, Layout] = {
    layout.stem: layout
    for layout in (
        *tidy_equity.LAYOUTS,
        *tidy_breadth.LAYOUTS,
        *tidy_macro.LAYOUTS,
        *tidy_events.LAYOUTS,
        *tidy_crypto.LAYOUTS,
        *tidy_liquidations.LAYOUTS,
    )
}

Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class FileReport:
    """What became of one file.

    Parameters
    ----------
    file : str
        Its name.
    outcome : {"imported", "skipped", "refused"}
        What happened.
    reason : str or None
        Why it was skipped or refused.
    lines : int
        Lines of data.
    tables : dict
        Table to rows taken from this file.
    left_out : dict
        Rule to the number of known rows that it leaves out.
    quarantined : list of dict
        `line`, `reason` of each bad line.
    """

    file: str
    outcome: str
    reason: str | None = None
    lines: int = 0
    tables: dict[str, int] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)
    quarantined: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class ImportReport:
    """What an import did: per file, per table, and where files disagree."""

    files: list[FileReport]
    tables: dict[str, Counts]
    disagreements: dict[str, int]

    @property
    def refused(self) -> list[FileReport]:
        """Files of which nothing was stored."""
        return [report for report in self.files if report.outcome == "refused"]

    @property
    def changed(self) -> bool:
        """Whether the store has anything that it had not before."""
        return any(counts.new or counts.revised for counts in self.tables.values())

    def to_json(self) -> dict[str, Any]:
        """Return plain values for ``--json``."""
        return asdict(self) | {"changed": self.changed}


def import_folder(
    store: MarketStore, folder: Path, *, now: pd.Timestamp, progress: Progress | None = None
) -> ImportReport:
    """Import every file of a folder whose name is known.

    Parameters
    ----------
    store : MarketStore
        Where the rows go, in one transaction.
    folder : Path
        CSV and Parquet files laid out as `describe` says. Sub-folders are not entered.
    now : Timestamp
        Timezone-aware moment of the import.
    progress : callable, optional
        Called with the fraction done and the file or table in work.

    Returns
    -------
    ImportReport
        It has refused files (exit code 3 on the command line) beside what was imported.

    Raises
    ------
    UsageError
        If the folder does not exist.
    DataError
        If no file with a known name has rows.

    Notes
    -----
    *Timing:* rows without their own `available_at` get their table's rule; corrections of stored
    rows are available from `now` on.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UsageError(
            f"{folder} is no folder. Expected a folder of CSV or Parquet files to import."
        )
    say = progress or (lambda done, what: None)
    paths = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    known = {path: _recognised(path) for path in paths}
    reports: list[FileReport] = []
    tidied: list[TidiedFile] = []
    with ThreadPoolExecutor(max_workers=1) as reader:  # the next files are read meanwhile
        ahead = {
            path: reader.submit(read_file, path, layout)
            for path, layout in known.items()
            if isinstance(layout, Layout)
        }
        for place, (path, layout) in enumerate(known.items()):
            say(0.6 * place / len(paths), path.name)
            if isinstance(layout, str):
                reports.append(FileReport(path.name, "skipped", layout))
                continue
            taken = _taken(path, layout, ahead.pop(path), now)
            if isinstance(taken, TidiedFile):
                tidied.append(taken)
                taken = _imported(taken)
            reports.append(taken)
    if all(report.outcome == "skipped" for report in reports):
        raise DataError(
            f"nothing to import in {folder}: no file with a known name has rows. Expected files "
            "such as spx_ohlcv.csv; `import --describe` lists every name and its columns."
        )
    tables, disagreements = _store(store, tidied, now, say) if tidied else ({}, {})
    return ImportReport(reports, tables, disagreements)


def describe() -> list[dict[str, Any]]:
    """List every file that an import knows: name, columns with units, tables, rules."""
    described = []
    for layout in LAYOUTS.values():
        optional = [{"name": AVAILABLE_AT, "kind": "moment", "unit": "UTC", "optional": True}]
        columns = [asdict(one) for one in layout.fields] + (optional if layout.tidy else [])
        described.append(
            {
                "file": f"{layout.stem}.csv or {layout.stem}.parquet",
                "about": layout.about,
                "columns": columns,
                "tables": list(layout.tables),
                "available": {name: TABLES[name].availability.rule for name in layout.tables},
                "not_stored": layout.not_stored or None,
            }
        )
    return described


def _taken(
    path: Path, layout: Layout, read: Future[RawFile], now: pd.Timestamp
) -> TidiedFile | FileReport:
    """Return the file's good rows, or the report of why there are none."""
    try:
        taken = tidied_file(read.result(), layout, now=now)
    except DataError as error:
        return FileReport(path.name, "refused", str(error))
    return taken if taken.raw.lines else FileReport(path.name, "skipped", "has no rows")


def _recognised(path: Path) -> Layout | str:
    """Return the layout of a file, or why it is skipped."""
    if path.is_dir():
        return "is a folder"
    layout = LAYOUTS.get(path.stem) if path.suffix in FIRST_LINE else None
    if layout is None:
        return "has a name that the importer does not know"
    if layout.tidy is None:
        return layout.not_stored
    if path.suffix == ".parquet" and path.with_suffix(".csv").exists():
        return f"{path.stem}.csv stands beside it and is taken instead"
    return layout


def _imported(one: TidiedFile) -> FileReport:
    left_out: dict[str, int] = {}
    for part in one.parts:
        for reason, count in part.left_out.items():
            left_out[reason] = left_out.get(reason, 0) + count
    return FileReport(
        one.raw.path.name,
        "imported",
        lines=one.raw.lines,
        tables={part.table: len(part.rows) for part in one.parts},
        left_out=left_out,
        quarantined=[
            {"line": line, "reason": reason} for line, reason in sorted(one.faults.items())
        ],
    )


def _store(
    store: MarketStore, tidied: list[TidiedFile], now: pd.Timestamp, say: Progress
) -> tuple[dict[str, Counts], dict[str, int]]:
    counts: dict[str, Counts] = {}
    disagreements: dict[str, int] = {}
    with store.transaction(now=now) as transaction:
        names = [
            name
            for name in TABLES
            if any(part.table == name for one in tidied for part in one.parts)
        ]
        for place, name in enumerate(names):
            say(0.6 + 0.4 * place / len(names), name)
            rows, disagreements[name] = joined(TABLES[name], tidied)
            counts[name] = transaction.append(name, rows, source="user")
        bad = _quarantine(tidied)
        if len(bad):
            counts[QUARANTINE.name] = transaction.append(QUARANTINE.name, bad, source="import")
    say(1.0, "stored")
    return counts, {name: count for name, count in disagreements.items() if count}


def _quarantine(tidied: list[TidiedFile]) -> pd.DataFrame:
    entries = []
    for one in tidied:
        for line, reason in sorted(one.faults.items()):
            record = one.raw.records.get(line) or one.raw.rows.loc[line].to_dict()
            text = json.dumps({name: str(cell) for name, cell in record.items()}, sort_keys=True)
            entries.append((one.raw.path.name, float(line), text, reason))
    rows = pd.DataFrame(entries, columns=["file", "line", "record", "reason"])
    return rows.assign(ts=pd.Timestamp(0, tz="UTC").as_unit("us"))
