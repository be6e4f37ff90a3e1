"""Killed or not, a retrain leaves no process behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from training.workers import crew

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = """
import multiprocessing, os, sys, time
from concurrent.futures import ProcessPoolExecutor
from training.workers import leave_with_parent, single_threaded_children

def name(_):
    time.sleep(0.5)
    return os.getpid(), os.environ["OMP_NUM_THREADS"]

if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    with single_threaded_children():
        pool = ProcessPoolExecutor(2, mp_context=context, initializer=leave_with_parent)
        told = set(pool.map(name, range(4)))
    print(*sorted(pid for pid, _ in told), {threads for _, threads in told} == {"1"}, flush=True)
    time.sleep(120)
"""


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    # where nobody reaps orphans, a zombie is as gone as can be
    return not (status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z")


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_workers_end_with_a_killed_parent(tmp_path: Path, method: str) -> None:
    script = tmp_path / "pool.py"
    script.write_text(SCRIPT, "utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    parent = subprocess.Popen(
        [sys.executable, str(script), method], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert parent.stdout is not None
    *pids, alone = parent.stdout.readline().split()
    workers = [int(pid) for pid in pids]
    assert workers and alone == "True" and all(map(alive, workers))
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + 30.0
    while any(map(alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(alive, workers))


@pytest.mark.parametrize("processes", [1, 2])
def test_a_crew_gives_what_plain_calls_give(processes: int) -> None:
    with crew(processes) as hands:
        assert hands.submit(divmod, 17, 5).result() == (3, 2)
        assert list(hands.map(abs, range(-5, 5))) == [abs(n) for n in range(-5, 5)]
        assert sorted(hands.completed(hex, range(20))) == sorted(map(hex, range(20)))
        with pytest.raises(ZeroDivisionError):
            hands.submit(divmod, 1, 0).result()


def test_the_processes_of_a_crew_have_one_thread_each_and_we_keep_ours() -> None:
    before = dict(os.environ)
    with crew(2) as hands:
        assert dict(os.environ) == before
        assert set(hands.map(os.getenv, ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"] * 4)) == {"1"}
