"""The verbs of the back-test: replicate, run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from features.cli import (
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

__all__ = ["backtest_app"]

backtest_app = typer.Typer(no_args_is_help=True, help="Is the simulator honest?")


@backtest_app.command("replicate")
def backtest_replicate(
    index: Annotated[str, typer.Argument(help="cndr, put, bfly, bxm or vxth.")],
    first: FromOption = None,
    last: ToOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Rebuild a published Cboe index by its rules from the project's own marks, and compare."""
    from training.backtest.replicate import replicate

    document = replicate(
        open_store(home),
        index,
        start=parse_date(first, "--from") if first else None,
        end=parse_date(last, "--to") if last else None,
    )
    if as_json:
        print_json(document)
        return
    from features.screen import records_table

    rows = [{"figure": name, "value": value} for name, value in document.items()]
    show(records_table(f"{index} replicated", rows, ("figure", "value")))


@backtest_app.command("run")
def backtest_run(
    first: FromOption = None,
    last: ToOption = None,
    version: Annotated[
        str | None, typer.Option(help="Whose forecasts; default the champion's.")
    ] = None,
    book: Annotated[
        Path | None,
        typer.Option(help="Positions and equity at the start; default the paper account."),
    ] = None,
    attribution: Annotated[
        bool,
        typer.Option(help="Also replay with each rule, signal and feature group switched off."),
    ] = True,
    processes: Annotated[int, typer.Option(min=1, help="Worker processes.")] = 2,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Replay the served policy over walk-forward forecasts: did following it help."""
    from training.backtest.run import run

    with progress_bar("replaying") as progress:
        document = run(
            open_home(home),
            start=parse_date(first, "--from") if first else None,
            end=parse_date(last, "--to") if last else None,
            version=version,
            book_path=book,
            attribution=attribution,
            processes=processes,
            progress=progress,
        )
    if as_json:
        print_json(document)
    else:
        from features.screen import records_table
        from training.backtest.write_up import screen_rows

        say(str(document["verdict"]))
        rows = screen_rows(document)
        show(records_table(f"{document['from']} to {document['to']}", rows, tuple(rows[0])))
        if document["stopped"]:
            say(str(document["stopped"]))
        say(str(document["one_day_marks"]))
        say(f"tables and plots: {document['folder']}")
