from __future__ import annotations

import gc
import json
import math
import subprocess
import sys

import pandas as pd
import pytest

from features.errors import DataError, RefusedError, UsageError
from features.home import Home
from features.store import MarketStore
from serving.ledger import Ledger, canonical_json
from serving.reasons import explain_rows
from serving.score import collector_paused, due_sessions, run_scores, score

DAY = "2023-01-18"


def test_the_document_has_the_contract_s_keys_and_adds_up(home: Home) -> None:
    (document,) = score(home, [DAY])
    wanted = {
        "session", "at", "cutoff", "ticket_session", "model_version", "regime", "data_quality",
        "inputs_hash", "heads",
    }  # fmt: skip
    assert wanted <= set(document)
    assert document["ticket_session"] == "2023-01-19"
    assert document["cutoff"] == "2023-01-18T23:00:00+00:00"  # 18:00 New York in winter
    assert len(document["heads"]) == 17
    scored = [head for head in document["heads"] if head["probability"] is not None]
    assert len(scored) >= 12
    for head in scored:
        total = head["base_log_odds"] + sum(c["log_odds"] for c in head["contributions"])
        assert 1 / (1 + math.exp(-total)) == pytest.approx(head["probability"], abs=1e-9)
        low, high = head["interval"]
        assert 0 <= low <= head["probability"] <= high <= 1
    rows = explain_rows(document, scored[0]["head"], scored[0]["horizon"])
    assert rows[-1]["probability"] == pytest.approx(scored[0]["probability"], abs=1e-9)


def test_repeating_gives_the_same_bytes_and_records_nothing(home: Home) -> None:
    first = run_scores(home, [DAY])
    again = run_scores(home, [DAY])
    assert (first.recorded, first.nothing_new) == (1, False)
    assert (again.recorded, again.repeated, again.nothing_new) == (0, 1, True)
    assert first.entries[0].document == again.entries[0].document


def test_a_batch_equals_single_calls_to_the_last_byte(home: Home) -> None:
    days = pd.DatetimeIndex(["2023-01-13", "2023-01-17", DAY])
    batch = run_scores(home, days).documents
    (home.scores / "ledger.db").unlink()
    single = [score(home, [day])[0] for day in reversed(days)]
    assert [canonical_json(d) for d in batch] == [canonical_json(d) for d in reversed(single)]


def test_a_changed_close_becomes_a_revision_with_its_reason(home: Home) -> None:
    before = run_scores(home, [DAY]).entries[0]
    store = MarketStore(home.market)
    bars = store.read("spx_bars", start="2022-12-01", end="2022-12-01").drop(columns="available_at")
    late = bars.assign(close=bars["close"] * 1.001, high=bars["high"] * 1.002)
    # known before the cut-off of the session: the history of that evening is then another one
    store.append("spx_bars", late, source="synthetic", now=pd.Timestamp("2023-01-10", tz="UTC"))
    run = run_scores(home, [DAY])
    assert (run.revised, run.recorded) == (1, 0)
    after = run.entries[0]
    assert after.revision == 1 and after.reason and after.body["revision_reason"] == after.reason
    with Ledger.of(home) as ledger:
        kept = ledger.entries("score")
    assert [entry.document for entry in kept] == [before.document, after.document]
    assert run_scores(home, [DAY]).entries[0].document == after.document


def test_a_revision_after_the_cut_off_changes_nothing(home: Home) -> None:
    before = run_scores(home, [DAY]).entries[0]
    store = MarketStore(home.market)
    bars = store.read("spx_bars", start="2022-12-01", end="2022-12-01").drop(columns="available_at")
    late = bars.assign(close=bars["close"] * 1.001, high=bars["high"] * 1.002)
    store.append("spx_bars", late, source="synthetic", now=pd.Timestamp("2023-02-10", tz="UTC"))
    run = run_scores(home, [DAY])
    assert run.nothing_new and run.entries[0].document == before.document


def test_sessions_of_the_training_span_are_marked(home: Home) -> None:
    (document,) = score(home, ["2022-12-30"])
    assert document["in_sample"] and any("in-sample" in d for d in document["data_quality"])


@pytest.mark.parametrize(
    ("session", "at", "error", "words"),
    [
        ("2023-01-16", "evening", UsageError, "no exchange session"),  # Martin Luther King day
        ("2023-01-18", "noon", UsageError, "no moment is called"),
        ("2023-01-18", "eve", UsageError, "does not exist after"),
        ("2010-01-05", "evening", DataError, "run from 2018-01-02"),
        ("2024-01-18", "evening", DataError, "import or fetch"),
    ],
)
def test_bad_input_writes_nothing(
    home: Home, session: str, at: str, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        score(home, [session], at)
    assert not home.scores.exists()


def test_no_champion_and_no_data_each_say_what_to_do(home: Home, tmp_path: object) -> None:
    (home.mlruns / "champion.json").unlink()
    with pytest.raises(RefusedError, match="retrain"):
        score(home, [DAY])
    assert not home.scores.exists()


def test_missed_days_are_due_in_order(home: Home) -> None:
    now = pd.Timestamp("2023-01-19 12:00", tz="UTC")
    assert list(due_sessions(home, "evening", now=now)) == [pd.Timestamp(DAY)]
    score(home, ["2023-01-12"])
    due = due_sessions(home, "evening", now=now)
    assert [f"{day:%m-%d}" for day in due] == ["01-13", "01-17", "01-18"]


def test_the_scoring_path_is_light(home: Home) -> None:
    code = (
        "import sys, json; from pathlib import Path; from features.home import Home\n"
        f"import serving.score, serving.ticket\n"
        f"serving.ticket.ticket(Home(Path({str(home.root)!r})), {DAY!r})\n"
        "heavy = {'mlflow', 'shap', 'optuna', 'matplotlib', 'sklearn', 'lightgbm'}\n"
        "print(json.dumps(sorted(heavy & set(sys.modules))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


def test_the_collector_runs_again_after_a_run_that_fails() -> None:
    with pytest.raises(UsageError), collector_paused():
        assert not gc.isenabled()
        raise UsageError("a run that fails")
    assert gc.isenabled()
    gc.disable()
    try:
        with collector_paused():
            pass
        assert not gc.isenabled(), "who had it off keeps it off"
    finally:
        gc.enable()
