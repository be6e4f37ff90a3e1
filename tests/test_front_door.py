"""The command line: what it loads, how it refuses, where it prints."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("features", "serving", "training")
HEAVY = {
    "pandas",
    "numpy",
    "mlflow",
    "shap",
    "optuna",
    "matplotlib",
    "sklearn",
    "lightgbm",
    "duckdb",
}


def run(*args: str, home: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "stormpetrel", *args]
    if home is not None:
        command += ["--home", str(home)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)


def test_help_loads_nothing_heavier_than_typer_and_rich():
    code = (
        "import sys; sys.argv = ['stormpetrel', '--help']\n"
        "import stormpetrel\n"
        "try: stormpetrel.main()\n"
        "except SystemExit as stop: assert stop.code == 0\n"
        f"print(sorted({HEAVY!r} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.stderr.strip() == "[]"
    assert "retrain" in done.stdout


def test_no_room_imports_the_front_door():
    for room in ("features", "models", "serving", "training"):
        for path in (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                names = (
                    [alias.name for alias in node.names]
                    if isinstance(node, ast.Import)
                    else [node.module or ""]
                    if isinstance(node, ast.ImportFrom)
                    else []
                )
                assert "stormpetrel" not in {name.split(".")[0] for name in names}, path


def test_verbs_import_rooms_only_when_called():
    verbs = (
        *(ROOT / room / "verbs.py" for room in ROOMS),
        ROOT / "features" / "import_verb.py",
        ROOT / "training" / "backtest" / "verbs.py",
    )
    for path in (ROOT / "stormpetrel.py", *verbs):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        top = {n.module for n in tree.body if isinstance(n, ast.ImportFrom)}
        top |= {a.name for n in tree.body if isinstance(n, ast.Import) for a in n.names}
        rooms = {name for name in top if name and name.split(".")[0] in ROOMS}
        light = {"features.cli", "features.errors", "features.import_verb"}
        light |= {"training.backtest.verbs"}
        light |= {f"{room}.verbs" for room in ROOMS}
        assert rooms <= light, path


def test_scoring_path_loads_no_laboratory():
    code = (
        "import sys\n"
        "import serving.score, serving.ticket, models.bundle, features.pipeline\n"
        "loaded = {name for name, module in sys.modules.items() if module is not None}\n"
        "print(sorted({'mlflow', 'shap', 'optuna', 'matplotlib', 'sklearn'} & loaded))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (("import", "does/not/exist"), 2, "does/not/exist"),
        (("score", "--date", "31.12.2024"), 2, "YYYY-MM-DD"),
        (("score", "--from", "2024-12-31"), 2, "--from and --to go together"),
        (("score", "--from", "2024-12-31", "--to", "2024-01-01"), 2, "Swap"),
        (("ticket", "--date", "2024-12-25"), 2, "2024-12-24"),
        (("retrain", "--until", "2024-12-25"), 2, "2024-12-24"),
        (("score", "--date", "2024-12-31", "--at", "noon"), 2, "evening"),
    ],
)
def test_bad_input_is_one_clear_line_and_writes_nothing(tmp_path, args, code, says):
    home = tmp_path / "home"
    done = run(*args, home=home)
    assert done.returncode == code, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert not home.exists() or not any(home.iterdir())


def test_debug_shows_the_traceback(tmp_path):
    done = run("--debug", "score", "--date", "31.12.2024", home=tmp_path)
    assert "Traceback" in done.stderr


def test_a_home_that_cannot_be_written_is_named(tmp_path):
    blocker = tmp_path / "file"
    blocker.write_text("in the way", encoding="utf-8")
    done = run("init", home=blocker / "home")
    assert done.returncode == 1
    assert str(blocker) in done.stderr
    assert "--home" in done.stderr


def test_status_of_an_empty_home_is_json(tmp_path):
    done = run("status", "--json", home=tmp_path / "new")
    assert done.returncode == 0, done.stderr
    assert "tables" in json.loads(done.stdout)
