"""One study for several machines: a real PostgreSQL server, started here on the loopback."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from features.home import Home
from models.dataset import Dataset
from models.settings import ModelSettings
from training.search_space import SPACE, default_parameters
from training.study import open_study, run_trials, trial_table
from training.tuning_folds import TuningFolds

pytestmark = pytest.mark.postgres
pytest.importorskip("psycopg", reason="the extra `postgres` is not installed")
PASSWORD = "not-a-secret"


def _binary(name: str) -> Path | None:
    """The newest server's own binary; wrappers on the path cannot start a cluster of one's own."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found = [folder / name for folder in folders if (folder / name).exists()]
    on_path = shutil.which(name)
    return found[0] if found else Path(on_path) if on_path else None


def _as_user() -> tuple[list[str], pwd.struct_passwd | None]:
    """PostgreSQL refuses root: run it as its own user then."""
    if os.geteuid() != 0:
        return [], None
    for name in ("postgres", "nobody"):
        try:
            return ["setpriv", "--reuid", name, "--clear-groups", "--"], pwd.getpwnam(name)
        except KeyError:
            continue
    pytest.skip("PostgreSQL does not run as root, and there is no other user here")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    initdb, control = _binary("initdb"), _binary("pg_ctl")
    if initdb is None or control is None:
        pytest.skip("no PostgreSQL server here (Debian: apt-get install postgresql)")
    prefix, user = _as_user()
    # not under pytest's folder: another user could not enter it
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    if user is not None:
        os.chown(folder, user.pw_uid, user.pw_gid)
    secret = folder / "password"
    secret.write_text(PASSWORD)
    secret.chmod(0o644)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    data = folder / "data"

    def run(*command: Any) -> None:
        subprocess.run(
            [*prefix, *map(str, command)],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            timeout=60,
        )

    run(initdb, "-D", data, "-U", "tuner", "-A", "scram-sha-256", f"--pwfile={secret}", "-N")
    options = f"-h 127.0.0.1 -p {port} -k {folder} -F"
    run(control, "-D", data, "-w", "-l", folder / "log", "-o", options, "start")
    try:
        yield f"postgresql://tuner:{PASSWORD}@127.0.0.1:{port}/postgres"
    finally:
        run(control, "-D", data, "-m", "immediate", "stop")
        shutil.rmtree(folder)


def test_two_machines_share_a_study_on_postgresql(
    home: Home, url: str, dataset: Dataset, folds: TuningFolds, oracle: Any
) -> None:
    def machine(trials: int) -> None:
        study = open_study(home, "shared", storage=url)
        run_trials(study, dataset, folds, ModelSettings(), trials=trials, lay=oracle, seed=3)

    machine(1)
    # a machine that died within a trial leaves it running and must not hold the others up
    open_study(home, "shared", storage=url).load().ask()
    with ThreadPoolExecutor(2) as machines:
        list(machines.map(machine, (6, 6)))
    table = trial_table(open_study(Home(home.root / "third"), "shared", storage=url))
    assert len(table) >= 6
    assert table["number"].is_unique
    assert table["default"].tolist().count(True) == 1
    first = table.iloc[0]
    assert {name: first[name] for name in SPACE} == pytest.approx(
        default_parameters(ModelSettings())
    )
    assert table["loss"].min() <= first["loss"]


def test_the_password_is_not_part_of_the_label(home: Home, url: str) -> None:
    study = open_study(home, "shared", storage=url)
    assert PASSWORD not in study.label
    assert study.label.startswith("postgresql://127.0.0.1:")
