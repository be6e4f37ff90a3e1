"""Explain: named terms that add up, nothing recorded, pictures whole, bad input refused."""

from __future__ import annotations

import io
import math

import pandas as pd
import pytest
from rich.console import Console
from typer.testing import CliRunner

from features.errors import HomeError, UsageError
from features.home import Home
from serving.reasons import LAST, OFFSET, PRIOR, TOTAL, drift, explain_rows, told
from serving.score import run_scores
from serving.verbs import app
from serving.why import explain_session, explain_span

DAYS = pd.DatetimeIndex(["2023-01-13", "2023-01-17", "2023-01-18", "2023-01-19"])
HEAD = ("shift_up", 5)


def _text(renderable: object) -> str:
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(renderable)
    return console.export_text()


def test_named_terms_add_up_in_log_odds_and_in_points(home: Home) -> None:
    (document,) = told(home, DAYS[:1], "evening")
    spoken = 0
    for head in document["heads"]:
        if head["probability"] is None:
            continue
        spoken += 1
        rows = explain_rows(document, head["head"], head["horizon"])
        assert [row["term"] for row in rows[:2]] == [PRIOR, OFFSET]
        assert tuple(row["term"] for row in rows[-4:-1]) == LAST
        assert rows[-1]["term"] == TOTAL
        total = math.fsum(row["log_odds"] for row in rows[:-1])
        assert abs(total - rows[-1]["log_odds"]) < 1e-9
        assert 1 / (1 + math.exp(-total)) == pytest.approx(head["probability"], abs=1e-9)
        assert rows[0]["probability"] == pytest.approx(head["prior"], abs=2e-6)
        points = sum(row["points"] for row in rows[1:-1])
        assert points == pytest.approx(100 * (head["probability"] - rows[0]["probability"]))
        features = [abs(row["log_odds"]) for row in rows[2:-4]]
        assert features == sorted(features, reverse=True)
    assert spoken >= 10


def test_drift_adds_up_by_group_and_names_what_changed(home: Home) -> None:
    documents = told(home, DAYS, "evening")
    found = drift(documents, *HEAD)
    assert [row["session"] for row in found["sessions"]] == [f"{d:%Y-%m-%d}" for d in DAYS]
    for row in found["sessions"]:
        assert abs(math.fsum(row["terms"].values()) - row["log_odds"]) < 1e-9
    sizes = [abs(row["change"]) for row in found["changes"]]
    assert sizes == sorted(sizes, reverse=True)
    first, last = found["sessions"][0], found["sessions"][-1]
    moved = math.fsum(row["change"] for row in found["changes"])
    assert moved == pytest.approx(last["log_odds"] - first["log_odds"], abs=1e-9)


def test_asking_why_records_nothing_and_repeats_what_was_recorded(home: Home) -> None:
    explain_session(home, DAYS[:1], "evening", *HEAD)
    assert not (home.scores / "ledger.db").exists()
    recorded = run_scores(home, DAYS[1:2]).documents[0]
    assert told(home, DAYS[:2], "evening")[1] == recorded


def test_pictures_are_png_and_the_screen_says_what_the_json_says(home: Home) -> None:
    one = explain_session(home, DAYS[:1], "evening", *HEAD)
    span = explain_span(home, DAYS, "evening", *HEAD)
    for found in (one, span):
        assert found.picture.parent == home.scores / "why"
        assert found.picture.read_bytes().startswith(b"\x89PNG")
        assert found.picture.stat().st_size > 10_000
    assert len(list((home.scores / "why").iterdir())) == 2
    screen = _text(one.screen)
    total = one.document["rows"][-1]["probability"]
    assert f"{100 * total:.1f} %" in screen
    assert "calibration" in screen and "coherence" in screen
    assert "by group, log odds (points):" in screen
    error = one.document["prior_monte_carlo_error"]
    assert 0.0 < error < 0.05  # 200 paths
    assert f"give or take {100 * error:.1f} points" in screen
    sudden = explain_session(home, DAYS[:1], "evening", "breach", 1)
    assert sudden.document["prior_monte_carlo_error"] is None
    drifted = _text(span.screen)
    for row in span.document["sessions"]:
        assert row["session"] in drifted
        assert f"{100 * row['probability']:.1f} %" in drifted


def test_what_cannot_be_explained_is_refused_before_a_picture_is_written(home: Home) -> None:
    with pytest.raises(UsageError, match="no head nonsense 5"):
        explain_session(home, DAYS[:1], "evening", "nonsense", 5)
    with pytest.raises(UsageError, match="two sessions or more"):
        explain_span(home, DAYS[:1], "evening", *HEAD)
    with pytest.raises(UsageError, match="no exchange session"):
        explain_session(home, pd.DatetimeIndex(["2023-01-16"]), "evening", *HEAD)
    with pytest.raises(HomeError, match="does not exist"):
        explain_session(home, DAYS[:1], "evening", *HEAD, png=home.root / "none" / "a.png")
    assert not (home.scores / "why").exists()


def test_a_head_that_is_not_scored_leaves_a_gap_in_the_drift(home: Home) -> None:
    documents = told(home, DAYS, "evening")
    for answer in documents[1]["heads"]:
        answer["probability"] = None
    found = drift(documents, *HEAD)
    assert found["sessions"][1]["terms"] is None
    for document in documents:
        for answer in document["heads"]:
            answer["probability"] = None
    with pytest.raises(UsageError, match="scored on none of the 4 sessions"):
        drift(documents, *HEAD)


def test_the_verb_takes_a_date_or_a_span(home: Home) -> None:
    runner = CliRunner()
    one = runner.invoke(
        app, ["explain", "--date", "2023-01-18", "--home", str(home.root), "--json"]
    )
    assert one.exit_code == 0, one.output
    assert '"term": "coherence"' in one.stdout
    span = ["explain", "--from", "2023-01-13", "--to", "2023-01-19", "--home", str(home.root)]
    both = runner.invoke(app, [*span, "--date", "2023-01-18"])
    assert both.exit_code != 0
    half = runner.invoke(app, span[:3] + span[5:])
    assert half.exit_code != 0
    done = runner.invoke(app, [*span, "--json"])
    assert done.exit_code == 0, done.output
    assert '"changes"' in done.stdout
