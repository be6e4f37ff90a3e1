from __future__ import annotations

import json
import threading

import pytest

from features.errors import DataError, RefusedError, UsageError
from features.home import Home
from serving.champion import champion_path
from training import records
from training.atomic import write_json
from training.promote import audit, promote, read_champion, rollback, set_champion


def add_run(
    home: Home, version: str, *, closed: tuple[str, ...] = (), fallback: bool = False
) -> None:
    (home.mlruns / "bundles" / version).mkdir(parents=True)
    names = ("beats_champion", "beats_baseline", "look_ahead")
    gates = [{"gate": n, "passed": n not in closed, "detail": f"{n} said"} for n in names]
    write_json(
        records.run_folder(home, version) / "report.json",
        {
            "run_id": f"run-{version}",
            "until": version[:10],
            "fallback": fallback,
            "promoted": False,
            "seconds": 1.0,
            "gates": gates,
            "skill": [],
            "groups": [],
            "group_verdicts": [],
        },
    )


A, B = "2020-01-02-aaaaaaaa", "2020-02-03-bbbbbbbb"


def test_promote_then_rollback_and_the_record_of_both(home: Home) -> None:
    add_run(home, A)
    add_run(home, B)
    assert read_champion(home) is None
    promote(home, A)
    promote(home, B)
    champion = read_champion(home)
    assert champion is not None
    assert (champion.model_version, champion.previous) == (B, A)
    back = rollback(home, reason="odd numbers")
    assert (back.model_version, back.previous) == (A, B)
    assert [(e["action"], e["model_version"]) for e in audit(home)] == [
        ("promote", A),
        ("promote", B),
        ("rollback", A),
    ]
    assert audit(home)[-1]["reason"] == "odd numbers"


def test_closed_gate_refuses_and_force_needs_a_reason(home: Home) -> None:
    add_run(home, A, closed=("beats_baseline",))
    with pytest.raises(RefusedError, match="beats_baseline said"):
        promote(home, A)
    with pytest.raises(UsageError, match="needs a reason"):
        promote(home, A, force=True, reason="  ")
    assert read_champion(home) is None
    promote(home, A, force=True, reason="the desk wants it")
    entry = audit(home)[0]
    assert entry["forced"] is True and entry["reason"] == "the desk wants it"


def test_a_fallback_may_be_promoted_but_never_one_that_looked_ahead(home: Home) -> None:
    add_run(home, A, closed=("beats_baseline",), fallback=True)
    add_run(home, B, closed=("look_ahead",), fallback=True)
    assert promote(home, A).fallback
    with pytest.raises(RefusedError, match="look_ahead"):
        promote(home, B)


def test_unknown_version_names_the_known_ones(home: Home) -> None:
    add_run(home, A)
    with pytest.raises(UsageError, match=A):
        promote(home, "2019-01-02-cccccccc")


def test_promoting_the_champion_again_changes_nothing(home: Home) -> None:
    add_run(home, A)
    promote(home, A)
    before = champion_path(home).read_bytes()
    promote(home, A)
    assert champion_path(home).read_bytes() == before
    assert len(audit(home)) == 1


def test_nothing_to_roll_back_to(home: Home) -> None:
    with pytest.raises(RefusedError, match="no champion"):
        rollback(home)
    add_run(home, A)
    promote(home, A)
    with pytest.raises(RefusedError, match="first champion"):
        rollback(home)


def test_a_damaged_champion_file_is_refused(home: Home) -> None:
    home.mlruns.mkdir()
    champion_path(home).write_text('{"model_version": "x"', encoding="utf-8")
    with pytest.raises(DataError, match="damaged"):
        read_champion(home)


def test_the_champion_file_does_not_name_the_home(home: Home) -> None:
    add_run(home, A)
    promote(home, A)
    document = json.loads(champion_path(home).read_text(encoding="utf-8"))
    assert document["bundle"] == f"bundles/{A}"
    assert str(home.root) not in champion_path(home).read_text(encoding="utf-8")


def test_promotions_at_once_leave_a_whole_chain(home: Home) -> None:
    names = [f"2020-01-02-{n:08x}" for n in range(12)]
    for name in names:
        add_run(home, name)
    threads = [
        threading.Thread(
            target=set_champion,
            args=(home,),
            kwargs={
                "model_version": name,
                "fallback": False,
                "until": "2020-01-02",
                "action": "promote",
                "reason": "race",
            },
        )
        for name in names
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    entries = audit(home)
    assert sorted(e["model_version"] for e in entries) == names
    # each names the one before it: no promotion was lost
    assert [e["previous"] for e in entries[1:]] == [e["model_version"] for e in entries[:-1]]


def test_runs_and_resolve(home: Home) -> None:
    add_run(home, A)
    add_run(home, B)
    promote(home, B)
    assert [r["model_version"] for r in records.runs(home)] == [A, B]
    assert [r["champion"] for r in records.runs(home)] == [False, True]
    assert records.resolve(home, "champion") == B
    assert records.resolve(home, "2020-01") == A
    assert records.resolve(home, f"run-{B}") == B
    with pytest.raises(UsageError, match="several runs match"):
        records.resolve(home, "2020")
    with pytest.raises(UsageError, match="no run matches"):
        records.resolve(home, "2031")
