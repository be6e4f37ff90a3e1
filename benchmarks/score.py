"""Scoring, side by side with a bare process; run by hand, prints ratios.

``python benchmarks/score.py HOME DATE [SESSIONS]``: HOME holds data and a champion, DATE is a
session of it. The bare process imports numpy, pandas and the LightGBM Booster, loads one booster
of the champion and predicts one row; it keeps LightGBM from importing scikit-learn, and scoring
imports neither. CPU seconds are user plus system, the least of five runs, taken in turns; they keep
the bytecode of the first as any installed program does.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BARE = """
import sys; sys.modules["sklearn"] = None
import numpy as np, pandas as pd, lightgbm
booster = lightgbm.Booster(model_file=sys.argv[1])
frame = pd.DataFrame(np.zeros((1, booster.num_feature())))
booster.predict(frame.to_numpy())
"""
SCORE = """
import sys
from pathlib import Path
from features.home import Home
from serving.score import score
score(Home(Path(sys.argv[1])), [sys.argv[2]])
"""
REPLAY = """
import sys, time
from pathlib import Path
import pandas as pd
from features.home import Home
from features.sessions import calendar
from serving.ticket import run_tickets
end = pd.Timestamp(sys.argv[2])
days = calendar().sessions(end - pd.Timedelta(days=int(sys.argv[3]) * 2), end)[-int(sys.argv[3]):]
start = time.perf_counter()
run = run_tickets(Home(Path(sys.argv[1])), days)
print(len(run.entries), time.perf_counter() - start)
"""


ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}


def measure(code: str, *arguments: str) -> tuple[float, float, str]:
    """CPU seconds, peak MiB and output of one cold process."""
    with tempfile.NamedTemporaryFile("w+", suffix=".txt") as out:
        process = subprocess.Popen(
            [sys.executable, "-c", code, *arguments], stdout=out, env=ENVIRONMENT
        )
        _, status, usage = os.wait4(process.pid, 0)
        if status:
            raise SystemExit(f"the measured process failed with status {status}")
        out.seek(0)
        return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, out.read()


def copy_of(home: Path, root: Path) -> Path:
    """A home of the same data and champion with an empty ledger."""
    target = Path(tempfile.mkdtemp(dir=root))
    for name in ("market", "mlruns"):
        (target / name).symlink_to((home / name).resolve())
    return target


def main() -> None:
    home, date = Path(sys.argv[1]), sys.argv[2]
    count = sys.argv[3] if len(sys.argv) > 3 else "5000"
    booster = next((home / "mlruns" / "bundles").glob("*/evening/*.lgb"))
    root = Path(tempfile.mkdtemp())
    try:
        bare, cold = [], []
        for _ in range(5):
            bare.append(measure(BARE, str(booster)))
            cold.append(measure(SCORE, str(copy_of(home, root)), date))
        cpu_bare, cpu_score = min(run[0] for run in bare), min(run[0] for run in cold)
        print(f"bare process       {cpu_bare:6.2f} CPU s {min(r[1] for r in bare):6.0f} MiB")
        print(f"score, one session {cpu_score:6.2f} CPU s {min(r[1] for r in cold):6.0f} MiB")
        print(f"ratio              {cpu_score / cpu_bare:6.2f}")
        start = time.perf_counter()
        cpu, memory, text = measure(REPLAY, str(copy_of(home, root)), date, count)
        sessions, seconds = text.split()
        print(
            f"replay of {sessions} sessions with tickets: {float(seconds):.1f} s "
            f"({cpu:.1f} CPU s, {memory:.0f} MiB, {time.perf_counter() - start:.1f} s in all)"
        )
    finally:
        shutil.rmtree(root)


if __name__ == "__main__":
    main()
