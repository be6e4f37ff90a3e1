"""The verbs of the evening: score, ticket, status."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
    check_moment,
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
ticket_app = typer.Typer(
    invoke_without_command=True,
    help="Write tomorrow's condor and hedge ticket, or NO TRADE with the reason.",
)
app.add_typer(ticket_app, name="ticket", rich_help_panel=EVENING)


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
    check_moment(open_home(home), at)
    sessions = _sessions(open_home(home), date, first, last, at)
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


@ticket_app.callback()
def ticket(
    context: typer.Context,
    date: DateOption = None,
    at: AtOption = "evening",
    book: Annotated[
        Path | None, typer.Option(help="Your open positions; default book.toml of the home.")
    ] = None,
    chain: Annotated[
        Path | None, typer.Option(help="Your option quotes as CSV; marks fall back on the smile.")
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write tomorrow's condor and hedge ticket, or NO TRADE with the reason."""
    if context.invoked_subcommand is not None:
        SETTINGS.home = home or SETTINGS.home
        return

    check_moment(open_home(home), at)
    session = parse_date(date, "--date") if date else last_closed()
    from features.sessions import calendar
    from serving.ticket import ticket_or_refusal

    day = calendar().require_session(session)
    document, notes = ticket_or_refusal(open_home(home), day, at, book_path=book, chain_path=chain)
    for note in notes:
        say(note)
    if as_json:
        print_json(document)
    else:
        from serving.screen import ticket_screen

        show(ticket_screen(document))
    if document["refused"]:
        raise typer.Exit(3)


@ticket_app.command()
def fill(
    signal_id: Annotated[
        str | None, typer.Argument(help="`signal_id` of the ticket that was filled.")
    ] = None,
    credit: Annotated[
        float | None, typer.Option(help="Net credit of one condor, index points.")
    ] = None,
    quantity: Annotated[int, typer.Option(help="Condors filled.")] = 1,
    filled_at: Annotated[
        str | None, typer.Option(help="When, ISO 8601 with a zone; default now.")
    ] = None,
    book: Annotated[str, typer.Option(help="condor_1dte or condor_30_60.")] = "condor_1dte",
    csv: Annotated[
        Path | None,
        typer.Option(help="Many fills: signal_id,book,filled_at,quantity,credit; all or none."),
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give actual fills back: realised against modelled credit calibrates the slippage."""
    import pandas as pd

    from serving.fills import give_fill, give_fills

    if (csv is None) == (signal_id is None or credit is None):
        raise UsageError("Give a SIGNAL_ID with --credit, or --csv FILE; one of the two.")
    now = pd.Timestamp.now(tz="UTC")
    if csv is not None:
        new, known = give_fills(open_home(home), csv, now=now)
    else:
        _, added = give_fill(
            open_home(home),
            signal_id=str(signal_id),
            credit=float(credit or 0.0),
            quantity=quantity,
            filled_at=filled_at or now.isoformat(),
            book=book,
            now=now,
        )
        new, known = int(added), int(not added)
    if as_json:
        print_json({"new": new, "known": known})
    else:
        say(f"{new} fills recorded, {known} known before")
    if not new:
        raise typer.Exit(4)


@app.command(rich_help_panel=EVENING)
def explain(
    date: DateOption = None,
    first: FromOption = None,
    last: ToOption = None,
    head: Annotated[str, typer.Option(help="Which question.")] = "shift_up",
    horizon: Annotated[int, typer.Option(help="Sessions ahead.")] = 5,
    at: AtOption = "evening",
    png: Annotated[
        Path | None, typer.Option(help="Picture to write; default under scores/why of the home.")
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Why a forecast says what it says, and with --from and --to how the reasons drift."""
    check_moment(open_home(home), at)
    span = bool(first or last)
    if span or date:
        sessions = _sessions(open_home(home), date, first, last, at)
    else:
        sessions = _one(last_closed())
    from serving.why import explain_session, explain_span

    with progress_bar("explaining") as progress:
        make = explain_span if span else explain_session
        found = make(open_home(home), sessions, at, head, horizon, png=png, progress=progress)
    say(f"wrote {found.picture}")
    if as_json:
        print_json(found.document)
    else:
        show(found.screen)


@app.command("track-record", rich_help_panel=EVENING)
def track_record(
    replay: Annotated[
        bool,
        typer.Option("--replay", help="Replay history with the champion's kept fold models."),
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """How the recorded forecasts have done since, against the baselines; in-sample is left out."""
    if replay:
        from serving.replay import replay as again

        with progress_bar("replaying") as progress:
            document = again(open_home(home), progress=progress)
    else:
        from serving.track import track_record as record

        document = record(open_home(home))
    if as_json:
        print_json(document)
        return
    from serving.track_screen import track_screen

    show(track_screen(document))


@app.command(rich_help_panel=EVENING)
def status(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Whether to trust tonight's number: data, model, drift, in one screen."""
    import pandas as pd

    from features.arrivals import arrivals
    from features.sessions import calendar
    from features.status import status as describe
    from serving.monitor import health, scored_at

    now = pd.Timestamp.now(tz="UTC")
    store, days = open_store(home).snapshot(), calendar()
    document = {
        "tables": describe(store, days, now=now),
        "arrivals": arrivals(store, days, scored=scored_at(open_home(home))),
        "health": health(open_home(home), now=now),
    }
    if as_json:
        print_json(document)
        return
    from rich.console import Console

    from serving.screen import status_screen

    show(status_screen(document, width=Console().width))


def _sessions(
    home: Home, date: str | None, first: str | None, last: str | None, at: str
) -> pd.DatetimeIndex:
    import pandas as pd

    from features.sessions import calendar
    from serving.score import due_sessions

    if date and (first or last):
        raise UsageError("--date and --from/--to exclude each other. Give one session or a span.")
    if date:
        return _one(parse_date(date, "--date"))
    if not (first or last):
        return due_sessions(home, at, now=pd.Timestamp.now(tz="UTC"))
    if not (first and last):
        raise UsageError("--from and --to go together. Give both ends of the span.")
    begin, end = parse_date(first, "--from"), parse_date(last, "--to")
    if begin > end:
        raise UsageError(f"--from {first} lies after --to {last}. Swap them.")
    return calendar().sessions(begin, end)


def _one(session: pd.Timestamp) -> pd.DatetimeIndex:
    import pandas as pd

    return pd.DatetimeIndex([session])
