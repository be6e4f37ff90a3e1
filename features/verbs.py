"""The verbs of the data: import, simulate, features, check."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from features.cli import (
    DATA,
    AtOption,
    DateOption,
    FromOption,
    HomeOption,
    JsonOption,
    ToOption,
    open_home,
    open_store,
    parse_date,
    print_json,
    progress_bar,
    say,
    show,
)
from features.errors import UsageError
from features.import_verb import import_

if TYPE_CHECKING:
    from features.recorded import Recorded

app = typer.Typer()
app.command("import", rich_help_panel=DATA)(import_)

features_app = typer.Typer(no_args_is_help=True, help="The feature catalogue and its values.")
app.add_typer(features_app, name="features", rich_help_panel=DATA)
check_app = typer.Typer(no_args_is_help=True, help="Proofs that no value knows the future.")
app.add_typer(check_app, name="check", rich_help_panel=DATA)


@app.command(rich_help_panel=DATA)
def simulate(
    out: Annotated[
        Path | None,
        typer.Option(
            show_default=False,
            help="Folder for the files: new, empty, or of an earlier simulation. Default: "
            "simulated/ in the home.",
        ),
    ] = None,
    years: Annotated[int, typer.Option(help="Length in years.")] = 8,
    seed: Annotated[int, typer.Option(help="Same seed, same bytes.")] = 7,
    link: Annotated[
        float, typer.Option(help="How strongly cascades lead volatility; 0 is the null world.")
    ] = 1.0,
    start: Annotated[
        str | None,
        typer.Option(metavar="YYYY-MM-DD", help="First day; default: it ends in 2024."),
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a simulated market in the layout that `import` reads."""
    from features.sources.simulated import simulate as write

    begin = parse_date(start, "--start") if start else None
    folder = out or open_home(home).root / "simulated"
    with progress_bar("simulating") as progress:
        report = write(folder, years=years, seed=seed, link=link, start=begin, progress=progress)
    print_json(report.to_json()) if as_json else say(f"wrote {folder}")


@features_app.command("list")
def features_list(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Every feature with its definition, unit, inputs and timing, and whether training uses it."""
    from features.catalog import describe
    from features.recorded import recorded

    made = recorded(open_store(home))
    rows = [row | {"training": _training(row, made.get(row["name"]))} for row in describe()]
    if as_json:
        print_json(rows)
        return
    from features.screen import catalogue_table

    show(catalogue_table(rows))


def _training(row: dict[str, Any], made: Recorded | None) -> str:
    if row["trainable"]:
        return "counts"
    return made.text() if made is not None else "untrainable: nothing is recorded in this home"


@features_app.command("show")
def features_show(
    as_of: Annotated[str, typer.Option("--as-of", metavar="YYYY-MM-DD", help="The session.")],
    at: AtOption = "evening",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """The values of every feature at one session and moment, as they were known then."""
    from features import pipeline

    document = pipeline.show(open_store(home), parse_date(as_of, "--as-of"), at)
    if as_json:
        print_json(document)
        return
    from features.screen import values_table

    show(values_table(document))


@features_app.command("build")
def features_build(
    out: Annotated[Path, typer.Option(help="Parquet file to write.")],
    at: AtOption = "evening",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the whole feature table of a moment as one Parquet file."""
    if not out.parent.is_dir():
        raise UsageError(f"there is no folder {out.parent}. Make it, or choose another --out.")
    from features.pipeline import build

    with progress_bar("features") as progress:
        table = build(open_store(home), at=at, progress=progress)
    beside = out.with_name(f"{out.name}.tmp")
    table.to_parquet(beside)
    beside.replace(out)
    if as_json:
        print_json({"path": str(out), "at": at, "rows": len(table), "columns": table.shape[1]})
    else:
        say(f"wrote {len(table):,} sessions x {table.shape[1]} features to {out}")


@features_app.command("plot")
def features_plot(
    names: Annotated[list[str], typer.Argument(help="Features of the catalogue.")],
    out: Annotated[Path, typer.Option(help="PNG file to write.")] = Path("features.png"),
    at: AtOption = "evening",
    first: FromOption = None,
    last: ToOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Draw features over the VIX bands, to check them by eye."""
    from features.plot import plot

    begin = parse_date(first, "--from") if first else None
    end = parse_date(last, "--to") if last else None
    with progress_bar("plotting") as progress:
        path = plot(open_store(home), names, out, at=at, start=begin, end=end, progress=progress)
    print_json({"path": str(path)}) if as_json else say(f"wrote {path}")


@check_app.command("lookahead")
def check_lookahead(
    at: AtOption = "evening",
    samples: Annotated[int, typer.Option(min=1, help="Sessions to rebuild.")] = 12,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Rebuild sampled rows without their future and with another one; nothing may change."""
    from features import checks

    with progress_bar("checking") as progress:
        report = checks.check_lookahead(open_store(home), at=at, samples=samples, progress=progress)
    if as_json:
        print_json(report.to_json())
    else:
        say(
            f"{report.compared:,} values of {len(report.sessions)} sessions compared, "
            f"{len(report.violations)} of them know the future"
        )
        for violation in report.violations[:20]:
            say(f"  {violation}")
    if not report.passed:
        raise typer.Exit(3)


@check_app.command("warmup")
def check_warmup(
    date: DateOption = None,
    at: AtOption = "evening",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Shorten the history until recursive features move; they must be null before that."""
    from features import warmup

    session = parse_date(date, "--date") if date else None
    with progress_bar("checking") as progress:
        report = warmup.check_warmup(open_store(home), session=session, at=at, progress=progress)
    if as_json:
        print_json(report.to_json())
    else:
        moved = [row for row in report.rows if row.moved]
        say(f"{len(report.rows)} features, {len(moved)} with a value before it stopped moving")
    if not report.passed:
        raise typer.Exit(3)


@check_app.command("data")
def check_data(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Read every stored row again and hold it against its table's rules."""
    from features.data_check import check_data as check
    from features.sessions import calendar

    with progress_bar("checking") as progress:
        report = check(open_store(home), calendar(), progress=progress)
    if as_json:
        print_json(report.to_json())
    else:
        say(
            f"{sum(report.tables.values()):,} rows of {len(report.tables)} tables read, "
            f"{len(report.faults)} kinds of fault"
        )
        for fault in report.faults:
            say(f"  {fault}")
    if not report.passed:
        raise typer.Exit(3)


@app.command(rich_help_panel=DATA)
def cascades(
    first: FromOption = None,
    last: ToOption = None,
    symbol: Annotated[str | None, typer.Option(help="One symbol or base, for example BTC.")] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Liquidation cascades of a span, with their attributes and the definition that found them."""
    if not (first and last):
        raise UsageError("the span is missing. Give --from and --to as YYYY-MM-DD.")
    from features.cascade_list import cascades as list_cascades

    begin, end = parse_date(first, "--from"), parse_date(last, "--to")
    if begin > end:
        raise UsageError(f"--from {first} lies after --to {last}. Swap them.")
    with progress_bar("cascades") as progress:
        rows = list_cascades(open_store(home), begin, end, symbol, progress=progress)
    if as_json:
        print_json(rows)
        return
    from features.screen import records_table

    columns = ("definition", "base", "side", "start", "notional_usd", "severity", "move_bps")
    brief = [row | {"start": row["start"][:16]} for row in rows]
    show(records_table(f"{len(rows)} cascades", brief, columns))


@app.command(rich_help_panel=DATA)
def fetch(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            help="Some of cboe, vx, cboe_strategy, fred, binance, bybit, okx, okx_liquidations, "
            "coinglass, coinalyze, sheet. Default: all but the last three, which need a key or "
            "an address."
        ),
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="YYYY-MM-DD", help="Go back to this day.")
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring the store up to date from public sources."""
    import pandas as pd

    from features.sources.fetch import fetch as fetch_all
    from features.sources.fetchers.settings import load_settings

    with progress_bar("fetching") as progress:
        report = fetch_all(
            open_store(home),
            sources or (),
            since=parse_date(since, "--since") if since else None,
            now=pd.Timestamp.now(tz="UTC"),
            settings=load_settings(open_home(home)),
            progress=progress,
        )
    document = report.to_json()
    if as_json:
        print_json(document)
    else:
        from features.screen import fetch_screen

        show(fetch_screen(document))
    raise typer.Exit(report.exit_code)
