"""The verbs of the evening: score, ticket, status."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from features.cli import (
    EVENING,
    SETTINGS,
    AtOption,
    DateOption,
    FromOption,
    HomeOption,
    JsonOption,
    ToOption,
    last_closed,
    open_home,
    open_store,
    parse_date,
    print_json,
    progress_bar,
    say,
    show,
)
from features.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

    from features.home import Home

app = typer.Typer()


@app.command(rich_help_panel=EVENING)
def score(
    date: DateOption = None,
    first: FromOption = None,
    last: ToOption = None,
    at: AtOption = "evening",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Forecast the last closed session, or those missed since; record each exactly once."""
    sessions = _sessions(open_home(home), date, first, last, at)
    _light_lightgbm()
    from serving.score import run_scores

    with progress_bar("scoring") as progress:
        run = run_scores(open_home(home), sessions, at, progress=progress)
    for session, why in run.skipped:
        say(f"stormpetrel: {session} is left out: {why}")
    if as_json:
        print_json(run.documents)
    else:
        from serving.screen import forecast_screen

        for document in run.documents:
            show(forecast_screen(document))
    if run.nothing_new:
        raise typer.Exit(4)


@app.command(rich_help_panel=EVENING)
def ticket(
    date: DateOption = None,
    at: AtOption = "evening",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write tomorrow's condor and hedge ticket, or NO TRADE with the reason."""
    session = parse_date(date, "--date") if date else last_closed()
    _light_lightgbm()
    from serving.ticket import ticket as write

    document = write(open_home(home), session, at)
    if as_json:
        print_json(document)
    else:
        from serving.screen import ticket_screen

        show(ticket_screen(document))
    if document["refused"]:
        raise typer.Exit(3)


@app.command(rich_help_panel=EVENING)
def status(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Whether to trust tonight's number: data, model, drift, in one screen."""
    import pandas as pd

    from features.sessions import calendar
    from serving.champion import champion_path, read_champion

    tables = open_store(home).status(calendar(), now=pd.Timestamp.now(tz="UTC"))
    chosen = open_home(home)
    champion = read_champion(chosen) if champion_path(chosen).is_file() else None
    document = {"tables": tables, "champion": champion}
    if as_json:
        print_json(document)
        return
    from serving.screen import status_screen

    show(status_screen(document))


def _sessions(
    home: Home, date: str | None, first: str | None, last: str | None, at: str
) -> pd.DatetimeIndex:
    import pandas as pd

    from features.sessions import calendar
    from serving.score import due_sessions

    if date and (first or last):
        raise UsageError("--date and --from/--to exclude each other. Give one session or a span.")
    if date:
        return pd.DatetimeIndex([parse_date(date, "--date")])
    if not (first or last):
        return due_sessions(home, at, now=pd.Timestamp.now(tz="UTC"))
    if not (first and last):
        raise UsageError("--from and --to go together. Give both ends of the span.")
    begin, end = parse_date(first, "--from"), parse_date(last, "--to")
    if begin > end:
        raise UsageError(f"--from {first} lies after --to {last}. Swap them.")
    return calendar().sessions(begin, end)


def _light_lightgbm() -> None:
    """Keep LightGBM from importing scikit-learn in a console process that only predicts.

    LightGBM takes scikit-learn as optional and its Booster never uses it; leaving it out halves the
    start-up. It would break a later import, so a process that is not the console never does it.
    """
    if SETTINGS.console and "sklearn" not in sys.modules:
        sys.modules["sklearn"] = None  # type: ignore[assignment]
