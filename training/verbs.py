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
from training.backtest.verbs import backtest_app

app = typer.Typer()
track_app = typer.Typer(no_args_is_help=True, help="MLflow.")
app.add_typer(track_app, name="track", rich_help_panel=LABORATORY)
app.add_typer(backtest_app, name="backtest", rich_help_panel=LABORATORY)


@app.command(rich_help_panel=DATA)
def init(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Make the home's folders, the tracking database and a commented configuration."""
    from training.init_home import init_home

    lines = init_home(open_home(home))
    if as_json:
        print_json({"home": str(open_home(home).root), "steps": lines})
        return
    for line in lines:
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
    all_heads: Annotated[
        bool, typer.Option("--all-heads", help="The group table for every head.")
    ] = False,
    trials: Annotated[int, typer.Option("--tune", help="Tune first, with this many trials.")] = 0,
    processes: Annotated[int, typer.Option(min=1, help="Worker processes.")] = 2,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train, judge against every baseline, record in MLflow, and promote when the gates pass."""
    from training.retrain import retrain as train

    session = parse_date(until, "--until") if until else last_closed()
    with progress_bar("retraining") as progress:
        found = None
        if trials:
            from training.tune import tune as search

            found = search(open_home(home), until=session, trials=trials, progress=progress)
        report = train(
            open_home(home),
            until=session,
            groups=groups,
            all_heads=all_heads,
            processes=processes,
            tuning=found,
            progress=progress,
        ).to_json()
    if as_json:
        print_json(report)
        return
    from training.screen import retrain_screen

    show(retrain_screen(report))


@app.command(rich_help_panel=LABORATORY)
def tune(
    until: Annotated[str, typer.Option(metavar="YYYY-MM-DD", help="Last session known.")],
    trials: Annotated[int, typer.Option(min=1, help="Finished trials wanted.")] = 30,
    workers: Annotated[
        int, typer.Option(min=1, help="1 is reproducible; more share the study and are not.")
    ] = 1,
    storage: Annotated[
        str | None, typer.Option(help="Database URL for several machines; default a local journal.")
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Search model settings before the first scored year; the default stays unless beaten."""
    from training.tune import tune as search

    session = parse_date(until, "--until")
    with progress_bar("tuning") as progress:
        report = search(
            open_home(home),
            until=session,
            trials=trials,
            workers=workers,
            storage=storage,
            progress=progress,
        )
    if as_json:
        print_json(report.to_json())
        return
    from training.screen import tuning_screen

    show(tuning_screen(report.to_json()))


@app.command(rich_help_panel=LABORATORY)
def evaluate(
    run: Annotated[str, typer.Argument(help="A version, a run id, or champion.")] = "champion",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Judge a kept run again: strata, reliability, lead time, multiple testing."""
    from training.evaluate_run import evaluate_run

    with progress_bar("evaluating") as progress:
        document = evaluate_run(open_home(home), run, progress=progress)
    if as_json:
        print_json(document)
        return
    from training.screen_evaluate import evaluate_screen
    from training.settings import load_settings

    show(evaluate_screen(document, load_settings(open_home(home)).primary))


@app.command(rich_help_panel=LABORATORY)
def ui(
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = 5000,
    home: HomeOption = None,
) -> None:
    """Start the MLflow UI of the home on 127.0.0.1 and print its address; Ctrl-C ends it."""
    import os

    from training.ui import start_ui

    if os.environ.get("MLFLOW_TRACKING_URI"):
        say("MLFLOW_TRACKING_URI is set: new runs go there; this shows the home's own")
    server = start_ui(open_home(home), port=port)
    say(f"MLflow at {server.address} (Ctrl-C ends it)")
    raise typer.Exit(server.wait())


@track_app.command("push")
def track_push(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Send runs to MLflow that could not be tracked when they were made."""
    from training.settings import load_settings
    from training.track import pending, push

    chosen = open_home(home)
    sent = {}
    for version in pending(chosen):
        sent[version] = push(chosen, version, load_settings(chosen))
        say(f"{version}: run {sent[version]}")
    if as_json:
        print_json({"pushed": sent})
    if not sent:
        say("nothing waits to be tracked")
        raise typer.Exit(4)


@app.command(rich_help_panel=LABORATORY)
def runs(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """What was trained, and which version is champion."""
    from training.records import runs as list_runs

    rows = list_runs(open_home(home))
    if as_json:
        print_json(rows)
        return
    if not rows:
        say("nothing was trained in this home yet: stormpetrel retrain")
        return
    from training.screen import runs_table

    show(runs_table(rows))


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
    as_json: JsonOption = False,
) -> None:
    """Run the main job on a simulated market: no network, no keys, three minutes."""
    from training.demo import run_demo
    from training.screen import demo_screen

    with progress_bar("demo") as progress:
        report = run_demo(open_home(home), years=years, seed=seed, progress=progress)
    if as_json:
        print_json(
            {
                "home": str(report.home),
                "retrain": report.retrain,
                "forecasts": report.forecasts,
                "ticket": report.ticket,
            }
        )
        return
    show(
        demo_screen(
            home=str(report.home),
            retrain=report.retrain,
            forecast=report.forecasts[-1],
            ticket=report.ticket,
        )
    )
