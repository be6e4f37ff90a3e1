"""The verbs of the data: import, simulate, features, check."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from features.cli import (
    DATA,
    AtOption,
    HomeOption,
    JsonOption,
    open_store,
    parse_date,
    print_json,
    progress_bar,
    say,
    show,
)
from features.errors import UsageError

if TYPE_CHECKING:
    pass

app = typer.Typer()

features_app = typer.Typer(no_args_is_help=True, help="The feature catalogue and its values.")
app.add_typer(features_app, name="features", rich_help_panel=DATA)


@app.command("import", rich_help_panel=DATA)
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
        bool, typer.Option("--dry-run", help="With --format: print the events, store nothing.")
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
    elif format_name is not None:
        _import_format(home, format_name, paths, dry_run=dry_run, as_json=as_json)
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


def _import_format(
    home: Path | None, name: str, paths: list[Path], *, dry_run: bool, as_json: bool
) -> None:
    from features.sources import ingest

    if dry_run:
        print_json(ingest.dry_run(name, paths))
        return
    import pandas as pd

    from features.tape import import_events

    with progress_bar("importing") as progress:
        report = import_events(
            open_store(home), name, paths, now=pd.Timestamp.now(tz="UTC"), progress=progress
        )
    print_json(report)


def _import_describe(as_json: bool) -> None:
    from features.sources.formats import describe_formats
    from features.sources.tidy import describe

    layouts, formats = describe(), describe_formats()
    if as_json:
        print_json({"files": layouts, "formats": formats})
        return
    from features.screen import layouts_text

    typer.echo(layouts_text(layouts, formats))


@app.command(rich_help_panel=DATA)
def simulate(
    out: Annotated[Path, typer.Option(help="Folder for the files; it must be new or empty.")],
    years: Annotated[int, typer.Option(help="Length in years.")] = 8,
    seed: Annotated[int, typer.Option(help="Same seed, same bytes.")] = 7,
    link: Annotated[
        float, typer.Option(help="How strongly cascades lead volatility; 0 is the null world.")
    ] = 1.0,
    as_json: JsonOption = False,
) -> None:
    """Write a simulated market in the layout that `import` reads."""
    from features.sources.simulated import simulate as write

    with progress_bar("simulating") as progress:
        report = write(out, years=years, seed=seed, link=link, progress=progress)
    print_json(report.to_json()) if as_json else say(f"wrote {out}")


@features_app.command("list")
def features_list(as_json: JsonOption = False) -> None:
    """Every feature, with its definition, unit, inputs and timing."""
    from features.catalog import describe

    rows = describe()
    if as_json:
        print_json(rows)
        return
    from features.screen import catalogue_table

    show(catalogue_table(rows))


@features_app.command("show")
def featuresshow(
    as_of: Annotated[str, typer.Option("--as-of", metavar="YYYY-MM-DD", help="The session.")],
    at: AtOption = "evening",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """The values of every feature at one session and moment, as they were known then."""
    from features.pipeline import show

    document = show(open_store(home), parse_date(as_of, "--as-of"), at)
    if as_json:
        print_json(document)
        return
    from features.screen import values_table

    show(values_table(document))
