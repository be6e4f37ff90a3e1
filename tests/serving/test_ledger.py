from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from features.errors import DataError, StormpetrelError
from serving.ledger import Ledger
from serving.pushes import Pushes
from serving.records import Fill, canonical_json

KEY = {"kind": "score", "at": "evening", "model_version": "m1", "in_sample": False}


def put(ledger: Ledger, session: str, inputs: str, value: int) -> tuple[int, bool]:
    entry, new = ledger.record(
        **KEY, session=session, inputs_hash=inputs, document={"session": session, "v": value},
        reason="late data", now="2026-01-01T00:00:00+00:00",
    )  # fmt: skip
    return entry.revision, new


def test_the_same_inputs_are_recorded_once_and_others_beside(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.db") as ledger:
        assert put(ledger, "2026-01-02", "a", 1) == (0, True)
        assert put(ledger, "2026-01-02", "a", 1) == (0, False)
        assert put(ledger, "2026-01-02", "b", 2) == (1, True)
        assert put(ledger, "2026-01-02", "b", 2) == (1, False)
        kept = ledger.entries("score")
        assert [entry.body["v"] for entry in kept] == [1, 2]
        assert [entry.reason for entry in kept] == [None, "late data"]
        assert ledger.last_session("score", "evening") == "2026-01-02"


def test_reading_creates_nothing(tmp_path: Path) -> None:
    with Ledger(tmp_path / "none" / "ledger.db") as ledger:
        assert ledger.entries("score") == [] and ledger.outcomes() == {} and ledger.fills() == []
        assert ledger.last_session("score", "evening") is None
    assert not (tmp_path / "none").exists()


def test_outcomes_and_fills_are_kept_once(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.db") as ledger:
        rows = [("2026-01-02", "shift_up", 5, 1, "2026-01-09")]
        assert ledger.record_outcomes(rows, now="n") == 1
        assert ledger.record_outcomes([(*rows[0][:3], 0, rows[0][4])], now="n") == 0
        assert ledger.outcomes() == {("2026-01-02", "shift_up", 5): 1}
        fill = Fill("f", "s", "condor_1dte", "2026-01-02T21:10:00+00:00", 1, 65, 70)
        assert ledger.record_fills([fill], now="n") == [True]
        assert ledger.record_fills([fill, fill], now="n") == [False, False]
        assert ledger.fills() == [fill]


def test_a_ledger_of_the_future_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    with Ledger(path) as ledger, pytest.raises(StormpetrelError, match="ledger version 99"):
        put(ledger, "2026-01-02", "a", 1)


def head(name: str, pushes: list[float], values: list[float]) -> dict[str, Any]:
    terms = Pushes(("a", "b", "c"), np.arange(len(pushes)), np.array(values), np.array(pushes))
    return {"head": name, "contributions": terms if pushes else []}


def test_pushes_are_packed_and_read_back_to_the_last_byte(tmp_path: Path) -> None:
    heads = [
        head("up", [0.1, -1e-17], [3.0, np.nan]),
        head("none", [], []),
        head("down", [2.5], [3.0]),
    ]
    document = {"session": "2026-01-02", "heads": heads}
    text = canonical_json({**document, "revision": 0, "revision_reason": None})
    assert '{"feature":"b","value":null,"log_odds":-1e-17}' in text
    path = tmp_path / "ledger.db"
    with Ledger(path) as ledger:
        key = {**KEY, "session": "2026-01-02", "reason": "late", "now": "n"}
        entry, new = ledger.record(**key, inputs_hash="a", document=document)
        assert new and entry.document == text and "feature" not in entry.text
        again, _ = ledger.record(**key, inputs_hash="a", document=document)
        ledger.record(**key, inputs_hash="b", document=document)
    with Ledger(path) as ledger:
        kept = ledger.entries("score")
    assert [e.document for e in (again, kept[0])] == [text, text]
    assert kept[0].body["heads"] == json.loads(text)["heads"] == kept[0].printed["heads"]
    with sqlite3.connect(path) as raw:
        assert raw.execute("SELECT count(*) FROM names").fetchone() == (1,)
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            raw.execute("DELETE FROM names")


def test_an_infinite_push_is_not_recorded(tmp_path: Path) -> None:
    document = {"heads": [head("up", [np.inf], [1.0])]}
    key = {**KEY, "session": "2026-01-02", "reason": "late", "now": "n"}
    with Ledger(tmp_path / "ledger.db") as ledger:
        with pytest.raises(DataError, match="not finite"):
            ledger.record(**key, inputs_hash="a", document=document)
        assert ledger.entries("score") == []


# what version 1 made: pushes stood in the text
_FIRST = """
CREATE TABLE entries (kind TEXT NOT NULL, session TEXT NOT NULL, at TEXT NOT NULL,
    model_version TEXT NOT NULL, revision INTEGER NOT NULL, inputs_hash TEXT NOT NULL,
    in_sample INTEGER NOT NULL, reason TEXT, recorded_at TEXT NOT NULL, document TEXT NOT NULL,
    PRIMARY KEY (kind, session, at, model_version, revision),
    UNIQUE (kind, session, at, model_version, inputs_hash)) STRICT;
CREATE TABLE outcomes (session TEXT NOT NULL, head TEXT NOT NULL, horizon INTEGER NOT NULL,
    outcome INTEGER NOT NULL, ended TEXT NOT NULL, recorded_at TEXT NOT NULL,
    PRIMARY KEY (session, head, horizon)) STRICT, WITHOUT ROWID;
CREATE TRIGGER entries_update BEFORE UPDATE ON entries
    BEGIN SELECT RAISE(ABORT, 'entries is append-only'); END;
PRAGMA user_version = 1;
"""


def test_a_ledger_of_version_one_is_read_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    row = head("up", [0.25], [3.0])
    old = {"session": "2026-01-02", "heads": [{**row, "contributions": list(row["contributions"])}]}
    text = canonical_json(old)
    with sqlite3.connect(path) as raw:
        raw.executescript(_FIRST)
        raw.execute(
            "INSERT INTO entries VALUES ('score','2026-01-02','evening','m1',0,'a',0,NULL,'n',?)",
            (text,),
        )
    with Ledger(path) as ledger:
        (kept,) = ledger.entries("score")
        assert kept.document == text and kept.printed == old
        assert put(ledger, "2026-01-02", "a", 1) == (0, False), "said once, said for ever"
        new = {"session": "2026-01-05", "heads": [head("up", [0.5], [1.0])]}
        key = {**KEY, "session": "2026-01-05", "reason": "late", "now": "n"}
        ledger.record(**key, inputs_hash="b", document=new)
    with Ledger(path) as ledger:
        first, second = ledger.entries("score")
    assert first.document == text and second.body["heads"] == new["heads"]


def test_documents_never_hold_nan() -> None:
    with pytest.raises(ValueError, match="JSON"):
        canonical_json({"p": float("nan")})


# Three sessions are recorded; the process kills itself with SIGKILL when it is about to run its
# n-th statement on the file. Every n up to the last is tried.
_VICTIM = """
    import os, signal, sqlite3, sys
    from pathlib import Path
    from serving import ledger as module

    left = int(sys.argv[2])

    class Deadly(sqlite3.Connection):
        def execute(self, *args):
            global left
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return super().execute(*args)

    connect = sqlite3.connect
    module.sqlite3.connect = lambda *a, **k: connect(*a, factory=Deadly, **k)
    book = module.Ledger(Path(sys.argv[1]))
    for day in (2, 5, 6):
        book.record(kind="score", session=f"2026-01-0{day}", at="evening", model_version="m1",
                    inputs_hash=str(day), in_sample=False, document={"day": day, "pad": "x" * 9000},
                    reason="late", now="now")
    print("done")
"""


def test_kill_minus_nine_leaves_all_of_a_session_or_nothing(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    script = tmp_path / "victim.py"
    script.write_text(textwrap.dedent(_VICTIM), encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    killed, survived, counts = 0, False, set()
    for statement in range(30):
        for leftover in tmp_path.glob("ledger.db*"):
            leftover.unlink()
        done = subprocess.run(
            [sys.executable, str(script), str(path), str(statement)],
            capture_output=True, text=True, env=environment,
        )  # fmt: skip
        if done.returncode == 0:
            survived = True
            break
        assert done.returncode == -signal.SIGKILL, done.stderr
        killed += 1
        with Ledger(path) as ledger:
            kept = ledger.entries("score")
            counts.add(len(kept))
            assert [entry.session for entry in kept] == [f"2026-01-0{day}" for day in (2, 5, 6)][
                : len(kept)
            ]
            assert all(len(entry.body["pad"]) == 9000 for entry in kept)
            # running again completes what is missing and repeats what is there
            for day in (2, 5, 6):
                _, new = put(ledger, f"2026-01-0{day}", str(day), 0)
                assert new is (f"2026-01-0{day}" not in [entry.session for entry in kept])
    assert survived and killed >= 12 and counts == {0, 1, 2}
