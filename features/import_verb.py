"""The verb import: tidy folders, venue files, logs of connections, and what is known of each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from features.cli import (
    HomeOption,
    JsonOption,
    open_store,
    print_json,
    progress_bar,
    say,
    show,
)
from features.errors import UsageError

__all__ = ["import_"]

#: Refused records that a terminal shows; `--json` has them all.
SHOWN = 20


def import_(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(help="A folder of tidy files, or with --format a venue's own files."),
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
    format_name: Annotated[
        str | None, typer.Option("--format", help="Read a venue's raw liquidation files.")
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="With --format: print the events as JSON, store nothing."),
    ] = False,
    engine: Annotated[
        str, typer.Option(help="With --format: what finds the cascades, duckdb or spark.")
    ] = "duckdb",
    coverage: Annotated[
        bool, typer.Option("--coverage", help="Read a recorder's logs of its connections.")
    ] = False,
    describe: Annotated[
        bool, typer.Option("--describe", help="List the file layouts and formats that are known.")
    ] = False,
) -> None:
    """Read market files into the store; the same files again change nothing."""
    if describe:
        _import_describe(as_json)
    elif not paths:
        raise UsageError("nothing to import. Give a folder, or --describe to see the layouts.")
    elif coverage:
        if format_name is not None or dry_run:
            raise UsageError("--coverage reads logs of connections alone. Leave --format out.")
        _import_coverage(home, paths, as_json=as_json)
    elif format_name is not None:
        _import_format(home, format_name, paths, engine=engine, dry_run=dry_run, as_json=as_json)
    elif dry_run or len(paths) != 1:
        raise UsageError("expected one folder. Several files, and --dry-run, go with --format.")
    else:
        _import_folder(home, paths[0], as_json=as_json)


def _import_folder(home: Path | None, folder: Path, *, as_json: bool) -> None:
    import pandas as pd

    from features.sources.tidy import import_folder

    with progress_bar("importing") as progress:
        report = import_folder(
            open_store(home), folder, now=pd.Timestamp.now(tz="UTC"), progress=progress
        )
    if as_json:
        print_json(report.to_json())
    else:
        from features.screen import import_screen

        show(import_screen(report.to_json()))
    if report.refused:
        names = ", ".join(file.file for file in report.refused)
        say(f"stormpetrel: refused {names}; nothing of them is stored. Mend them and import again.")
        raise typer.Exit(3)


def _import_coverage(home: Path | None, paths: list[Path], *, as_json: bool) -> None:
    from features.coverage_log import import_coverage

    report = import_coverage(open_store(home), paths)
    _print_counts("spans of connection", report, as_json=as_json)
    if report["read"] == 0:
        say("stormpetrel: no span of connection was read; the lines and reasons stand above.")
        raise typer.Exit(3)


def _import_format(
    home: Path | None,
    name: str,
    paths: list[Path],
    *,
    engine: str,
    dry_run: bool,
    as_json: bool,
) -> None:
    from features.sources import ingest

    if dry_run:  # what it is for is the events themselves
        print_json(ingest.dry_run(name, paths))
        return
    import pandas as pd

    from features.tape_store import import_events

    with progress_bar("importing") as progress:
        report = import_events(
            open_store(home),
            name,
            paths,
            now=pd.Timestamp.now(tz="UTC"),
            engine=engine,
            progress=progress,
        )
    _print_counts("events", report, as_json=as_json)


def _print_counts(title: str, report: dict[str, Any], *, as_json: bool) -> None:
    """Print how many of everything, and the first records that were refused."""
    if as_json:
        print_json(report)
        return
    from features.screen import records_table

    refused = report["quarantined"]
    counts = {name: len(x) if isinstance(x, list) else x for name, x in report.items()}
    show(records_table(title, [counts]))
    if refused:
        show(records_table(f"{len(refused)} refused", refused[:SHOWN]))


def _import_describe(as_json: bool) -> None:
    from features.sources.formats import describe_formats
    from features.sources.tidy import describe

    layouts, formats = describe(), describe_formats()
    if as_json:
        print_json({"files": layouts, "formats": formats})
        return
    from features.screen import layouts_text

    typer.echo(layouts_text(layouts, formats))
