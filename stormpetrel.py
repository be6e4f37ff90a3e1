"""The front door: one command, one verb for each thing that a person does with Stormpetrel.

Every verb imports its room only when it is called, so that help appears at once.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 refused (stale or invalid data, a gate),
4 nothing to do (the stored result is printed all the same).
"""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

import features.verbs
import serving.verbs
import training.verbs
from features.cli import SETTINGS, HomeOption, say
from features.errors import StormpetrelError

app = typer.Typer(
    name="stormpetrel",
    help="Volatility-regime shift probabilities for people who sell SPX iron condors: "
    "data in, a calibrated forecast every evening, and tomorrow's ticket or NO TRADE. "
    "It sends no orders and gives no advice.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
for room in (features.verbs, training.verbs, serving.verbs):
    app.add_typer(room.app)


@app.callback()
def _before_the_verb(
    home: HomeOption = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    SETTINGS.home = home
    SETTINGS.debug = debug or SETTINGS.debug


def main() -> None:
    """Run the command line; turn known errors into one clear line and an exit code."""
    SETTINGS.debug = "--debug" in sys.argv
    sys.argv = [argument for argument in sys.argv if argument != "--debug"]
    try:
        app()
    except StormpetrelError as error:
        if SETTINGS.debug:
            raise
        say(f"stormpetrel: {error}")
        raise SystemExit(error.exit_code) from None
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        say("stormpetrel: interrupted; what was stored before stands.")
        raise SystemExit(130) from None
    except Exception as error:
        if SETTINGS.debug:
            raise
        say(
            f"stormpetrel: {type(error).__name__}: {error}\n"
            "This is not an error that Stormpetrel knows. Run it again with --debug to see where."
        )
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
