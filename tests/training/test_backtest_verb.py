"""The verb on a simulated market: JSON on the screen, a page and plots in the home."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.home import Home
from features.sessions import calendar
from features.store import MarketStore

ROOT = Path(__file__).resolve().parents[2]
VERSION = "2000-01-01-simulated"


@pytest.fixture(scope="module")
def home(tmp_path_factory, simulated, tracked):
    """Give a home with four simulated years and forecasts of their last month."""
    home = Home(tmp_path_factory.mktemp("backtest"))
    shutil.copytree(simulated(years=4, seed=3, link=0.0, tape=False) / "market", home.market)
    shutil.copytree(tracked, home.mlruns)
    store = MarketStore(home.market)
    last = pd.Timestamp(store.read("spx_bars", columns=["date"])["date"].max())
    sessions = calendar().sessions(last - pd.Timedelta(days=30), last)
    p = np.random.default_rng(2).uniform(0.02, 0.45, len(sessions))
    evening = pd.DataFrame({"session": sessions, "p": p, "b_vix_spline": p.mean()})
    evening = evening.assign(head="shift_up", horizon=5, at="evening")
    folder = home.writable(home.mlruns / "runs" / VERSION)
    folder.mkdir(parents=True, exist_ok=True)
    pd.concat([evening, evening.assign(at="preopen", p=p + 0.1)]).to_parquet(folder / "oos.parquet")
    return home


def verb(home, *arguments):
    command = [sys.executable, "-m", "stormpetrel", "backtest", *arguments]
    return subprocess.run(
        [*command, "--home", str(home.root)], capture_output=True, text=True, cwd=ROOT, check=False
    )


def run(home, *arguments):
    return verb(home, "run", "--version", VERSION, "--processes", "1", *arguments)


def test_a_run_prints_json_and_leaves_page_report_and_plots(home):
    done = run(home, "--no-attribution", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert next(iter(report)) == "verdict" and report["model_version"] == VERSION
    folder = home.mlruns / report["folder"]
    page = (folder / "results.md").read_text(encoding="utf-8")
    assert page.startswith(f"**{report['verdict']}**")
    assert json.loads((folder / "report.json").read_text())["variants"] == report["variants"]
    assert {p.stem for p in folder.glob("*.png")} == {
        "equity",
        "drawdown",
        "by_rule",
        "events",
        "outcomes",
    }
    # every variant stands at every end of the band
    assert all(set(bands) == {"low", "mid", "high"} for bands in report["variants"].values())
    assert {"cndr", "vxth", "cash", "spx_total_return"} == set(report["benchmarks"])
    made = subprocess.run(
        [sys.executable, "-m", "training.backtest.page", str(folder / "report.json")],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert made.stdout == page


def test_a_book_that_cannot_stand_is_refused(home, tmp_path):
    book = tmp_path / "book.csv"
    book.write_text("nonsense\n", encoding="utf-8")
    done = run(home, "--no-attribution", "--book", str(book))
    assert done.returncode != 0 and "book" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("index", ["cndr", "vxth"])
def test_a_replication_without_levels_has_null_comparisons(home, index):
    done = verb(home, "replicate", index, "--from", "2024-01-02", "--json")
    assert done.returncode == 0, done.stderr
    row = json.loads(done.stdout)
    assert row["months"] > 6 and row["monthly_corr"] is None
    assert row["annual_return_index_pct"] is None and row["tracking_error_pct"] is None
    assert len(row["annual_return_band_pct"]) == 3
