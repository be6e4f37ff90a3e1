from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from features.home import Home
from features.pipeline import spine
from features.sessions import calendar
from models.labels import labels
from models.scores import log_loss
from serving.champion import load_champion
from serving.evidence import open_store
from serving.ledger import Ledger
from serving.monitor import health, health_path, write_health
from serving.score import run_scores
from serving.track import skill_rows, track_record
from serving.track_screen import track_screen

NOW = pd.Timestamp("2023-04-01 12:00", tz="UTC")


def test_live_sessions_are_judged_and_training_sessions_left_out(home: Home) -> None:
    days = calendar().sessions("2022-12-20", "2023-03-24")
    documents = run_scores(home, days).documents
    record = track_record(home, now=NOW)
    assert record["sessions_recorded"] == len(days)
    assert record["sessions_in_sample"] == int((days <= "2022-12-30").sum())
    assert record["outcomes_new"] > 0
    assert track_record(home, now=NOW)["outcomes_new"] == 0
    (row,) = [r for r in record["skill"] if (r["head"], r["horizon"]) == ("breach", 1)]
    y, _ = labels(spine(open_store(home)))
    told = {
        pd.Timestamp(d["session"]): h["probability"]
        for d in documents
        if not d["in_sample"]
        for h in d["heads"]
        if (h["head"], h["horizon"]) == ("breach", 1)
    }
    outcomes = y["breach_1"].reindex(list(told)).to_numpy(float)
    p = np.array(list(told.values()))
    assert row["n"] == len(told)
    assert row["log_loss"] == pytest.approx(log_loss(outcomes, p), abs=1e-12)
    assert row["base_rate"] == pytest.approx(outcomes.mean())


def test_the_skill_table_is_that_of_the_walk_forward_rows() -> None:
    from training.evaluate import skill_table
    from training.settings import TrainingSettings

    rng = np.random.default_rng(9)
    n = 400
    p = rng.uniform(0.05, 0.6, n)
    rows = pd.DataFrame(
        {
            "session": pd.bdate_range("2020-01-01", periods=n).as_unit("us"),
            "at": "evening",
            "head": "shift_up",
            "horizon": 5,
            "y": (rng.uniform(size=n) < p).astype(float),
            "p": p,
            "prior": np.clip(p + rng.normal(0, 0.05, n), 0.01, 0.99),
            "climatology": 0.3,
        }
    )
    walked = skill_table(rows.assign(b_prior=rows["prior"]), TrainingSettings()).iloc[0]
    (mine,) = skill_rows(rows)
    for key in ("n", "base_rate", "log_loss", "log_loss_climatology", "brier", "auc"):
        assert mine[key] == pytest.approx(walked[key], abs=1e-12), key


def test_a_young_track_record_has_no_interval_and_fits_eighty_columns() -> None:
    n = 62
    y = (np.arange(n) % 5 == 0).astype(float)
    rows = pd.DataFrame(
        {
            "session": pd.bdate_range("2022-01-03", periods=n),
            "at": "evening",
            "head": "premium_failure",
            "horizon": 5,
            "y": y,
            "p": 0.2 + 0.1 * y,
            "prior": 0.2,
            "climatology": 0.3,
        }
    )
    (young,) = skill_rows(rows)
    assert young["gain"] > 0.0
    assert young["gain_lo"] is None and young["gain_hi"] is None and young["ece_band"] is None
    older = pd.concat([rows, rows.tail(1).assign(session=pd.Timestamp("2022-06-01"))])
    (known,) = skill_rows(older)
    assert known["gain_lo"] < known["gain"] < known["gain_hi"]

    document = {
        "sessions_recorded": 63,
        "sessions_in_sample": 0,
        "outcomes_new": 1,
        "outcomes_waiting": 0,
        "skill": [young, known],
    }
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(track_screen(document))
    text = console.export_text()
    assert max(map(len, text.splitlines())) <= 80 and "…" not in text
    assert f"{young['gain']:+.3f}" in text and f"[{known['gain_lo']:+.3f}," in text


def test_health_says_whom_to_trust(home: Home) -> None:
    fresh = health(home, now=pd.Timestamp("2023-01-19 02:00", tz="UTC"))
    assert fresh["trust"] == "caution" and "nothing was scored" in fresh["reasons"][0]
    run_scores(home, calendar().sessions("2022-12-31", "2023-02-03"))
    later = health(home, now=pd.Timestamp("2023-02-04 02:00", tz="UTC"))
    assert later["drift"] is not None and later["drift"]["live_sessions"] == 23
    names = load_champion(home).manifest["feature_names"]["evening"]
    assert later["drift"]["features"]["tested"] == len(names)
    assert later["model"]["age_days"] == 35
    stale = health(home, now=pd.Timestamp("2023-05-20 02:00", tz="UTC"))
    assert stale["trust"] == "no"
    assert any("days old" in reason for reason in stale["reasons"])
    path = write_health(home, stale)
    assert path == health_path(home) and path.read_text(encoding="utf-8").startswith("{")


def test_health_without_a_champion_is_no(home: Home) -> None:
    (home.mlruns / "champion.json").unlink()
    document = health(home, now=NOW)
    assert document["trust"] == "no" and document["model"] is None
    with Ledger.of(home) as ledger:
        assert ledger.entries("score") == []
