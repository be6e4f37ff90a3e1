"""What every verb of the command line shares: options, output, progress.

JSON goes to stdout alone; progress, remarks and errors go to stderr. Nothing heavier than typer and
rich is imported before a verb runs.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from features.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

    from features.home import Home
    from features.store import MarketStore

__all__ = [
    "DATA",
    "EVENING",
    "LABORATORY",
    "SETTINGS",
    "AtOption",
    "DateOption",
    "FromOption",
    "HomeOption",
    "JsonOption",
    "Settings",
    "ToOption",
    "check_moment",
    "last_closed",
    "open_home",
    "open_store",
    "parse_date",
    "print_json",
    "progress_bar",
    "say",
    "show",
]

DATA, LABORATORY, EVENING = "Data", "Laboratory", "Evening"

HomeOption = Annotated[
    Path | None,
    typer.Option(
        "--home",
        envvar="STORMPETREL_HOME",
        show_default=False,
        help="Folder of market/, mlruns/ and scores/. Default: the project folder.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON to stdout, for machines.")]
AtOption = Annotated[
    str,
    typer.Option(
        "--at",
        help="The moment: evening (18:00 New York on the session), eve (17:00 before a Monday or "
        "the day after a holiday) or preopen (09:00 on the next session).",
    ),
]
DateOption = Annotated[
    str | None, typer.Option("--date", metavar="YYYY-MM-DD", help="The last closed session.")
]
FromOption = Annotated[
    str | None, typer.Option("--from", metavar="YYYY-MM-DD", help="First session of a span.")
]
ToOption = Annotated[
    str | None, typer.Option("--to", metavar="YYYY-MM-DD", help="Last session of a span.")
]


class Settings:
    """What the options before the verb said."""

    home: Path | None = None
    debug: bool = False


SETTINGS = Settings()


def open_home(given: Path | None) -> Home:
    """Take the verb's home, else the one given before the verb, else the default."""
    from features.home import Home

    return Home.resolve(given or SETTINGS.home)


def open_store(given: Path | None) -> MarketStore:
    """Open the market store of a home; an absent one reads as empty."""
    from features.store import MarketStore

    return MarketStore(open_home(given).market)


def parse_date(text: str, option: str) -> pd.Timestamp:
    """Read YYYY-MM-DD.

    Raises
    ------
    UsageError
        If it is no date.
    """
    import pandas as pd

    try:
        return pd.Timestamp(pd.to_datetime(text, format="%Y-%m-%d")).as_unit("us")
    except ValueError as error:
        raise UsageError(
            f"{option} {text!r} is no date. Expected YYYY-MM-DD, for example 2024-12-31."
        ) from error


def check_moment(home: Home, at: str) -> None:
    """Refuse a moment that neither the built-in ones nor the configuration knows.

    Raises
    ------
    UsageError
        If there is no such moment; the text names those that are.
    """
    from features.moments import moments

    known = moments(home)
    if at not in known:
        raise UsageError(f"no moment is called {at!r}. Expected one of {', '.join(known)}.")


def last_closed() -> pd.Timestamp:
    """Return the last session whose close is past."""
    import pandas as pd

    from features.sessions import calendar

    return calendar().last_closed(pd.Timestamp.now(tz="UTC"))


def print_json(value: Any) -> None:
    """Write one JSON value to stdout, and nothing else."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n")


def say(text: str) -> None:
    """Write a remark to stderr."""
    typer.echo(text, err=True)


def show(renderable: Any) -> None:
    """Draw a rich renderable on stdout."""
    from rich.console import Console

    Console().print(renderable)


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[float, str], None]]:
    """Draw a bar on stderr; silent when stderr is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description:<42.42}"), BarColumn(), TimeElapsedColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task(what, total=1.0)

        def report(fraction: float, doing: str) -> None:
            bar.update(task, completed=fraction, description=doing)

        yield report
