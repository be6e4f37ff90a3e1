"""The verbs of the laboratory: retrain, runs, promote, rollback, demo."""

from __future__ import annotations

from typing import Annotated

import typer

from features.cli import (
    DATA,
    LABORATORY,
    HomeOption,
    JsonOption,
    last_closed,
    open_home,
    parse_date,
    print_json,
    progress_bar,
    say,
    show,
)

app = typer.Typer()


@app.command(rich_help_panel=DATA)
def init(home: HomeOption = None) -> None:
    """Make the home's folders, the tracking database and a commented configuration."""
    from training.init_home import init_home

    for line in init_home(open_home(home)):
        say(line)


@app.command(rich_help_panel=LABORATORY)
def retrain(
    until: Annotated[
        str | None,
        typer.Option(metavar="YYYY-MM-DD", help="Last session known. Default: the last closed."),
    ] = None,
    groups: Annotated[
        bool, typer.Option(help="Refit without each feature group and say what it was worth.")
    ] = True,
    processes: Annotated[int, typer.Option(min=1, help="Worker processes.")] = 2,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train, judge against every baseline, record in MLflow, and promote when the gates pass."""
    from training.retrain import retrain as train

    session = parse_date(until, "--until") if until else last_closed()
    with progress_bar("retraining") as progress:
        report = train(
            open_home(home), until=session, groups=groups, processes=processes, progress=progress
        ).to_json()
    if as_json:
        print_json(report)
        return
    from training.screen import retrain_screen

    show(retrain_screen(report))


@app.command(rich_help_panel=LABORATORY)
def runs(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """What was trained, and which version is champion."""
    from training.records import runs as list_runs

    rows = list_runs(open_home(home))
    if as_json:
        print_json(rows)
        return
    from features.screen import records_table

    show(records_table("runs", rows))


@app.command(rich_help_panel=LABORATORY)
def promote(
    version: Annotated[str, typer.Argument(help="A model version of `runs`.")],
    force: Annotated[bool, typer.Option(help="Although a gate failed; needs a reason.")] = False,
    reason: Annotated[str | None, typer.Option(help="Kept in the audit.")] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a trained version the champion."""
    from dataclasses import asdict

    from training.promote import promote as move

    champion = move(open_home(home), version, force=force, reason=reason)
    print_json(asdict(champion)) if as_json else say(f"champion is {champion.model_version}")


@app.command(rich_help_panel=LABORATORY)
def rollback(
    reason: Annotated[str | None, typer.Option(help="Kept in the audit.")] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give the championship back to the previous version."""
    from dataclasses import asdict

    from training.promote import rollback as back

    champion = back(open_home(home), reason=reason)
    print_json(asdict(champion)) if as_json else say(f"champion is {champion.model_version}")


@app.command(rich_help_panel=LABORATORY)
def demo(
    home: HomeOption = None,
    years: Annotated[int, typer.Option(help="Years of simulated market.")] = 8,
    seed: Annotated[int, typer.Option(help="Seed of the market.")] = 7,
) -> None:
    """Run the main job on a simulated market: no network, no keys, three minutes."""
    from training.demo import run_demo
    from training.screen import demo_screen

    with progress_bar("demo") as progress:
        report = run_demo(open_home(home), years=years, seed=seed, progress=progress)
    show(
        demo_screen(
            home=str(report.home),
            retrain=report.retrain,
            forecast=report.forecasts[-1],
            ticket=report.ticket,
        )
    )
