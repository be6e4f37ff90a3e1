"""A kill -9 at any moment leaves the store with the old or the new state, and usable."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from features.segments import FOLDER
from features.store import MarketStore

ROOT = Path(__file__).resolve().parents[2]

# Every transaction writes the same number into two tables, then says that it is through.
WRITER = """
import itertools, sys
from pathlib import Path
import pandas as pd
from features.store import MarketStore
store = MarketStore(Path(sys.argv[1]))
days = pd.bdate_range("2000-01-03", periods=400).as_unit("us")
first = store.read("dollar")["value_index"].max()
for number in itertools.count(1 if pd.isna(first) else int(first) + 1):
    with store.transaction(now=pd.Timestamp("2024-08-01", tz="UTC")) as transaction:
        rows = pd.DataFrame({"date": days, "value_index": float(number)})
        transaction.append("dollar", rows, source="fred")
        rows = pd.DataFrame({"date": days, "symbol": "vix", "close": number % 400 + 1.0})
        transaction.append("vol_indices", rows, source="cboe")
    print(number, flush=True)
"""


def killed_after(store: MarketStore, delay: float) -> int:
    """Run the writer, kill it `delay` seconds after its first commit, return its last word."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(store.root)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as writer:
        assert writer.stdout is not None
        said = [writer.stdout.readline()]
        time.sleep(delay)
        writer.send_signal(signal.SIGKILL)
        said += writer.stdout.readlines()
    return int(next(line for line in reversed(said) if line.endswith("\n")))


def kill_many(store: MarketStore, kills: int, seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(kills):
        committed = killed_after(store, rng.uniform(0.0, 0.12))
        numbers = set(store.read("dollar")["value_index"])
        assert len(numbers) == 1, "a table holds parts of two imports"
        number = int(numbers.pop())
        # The last word may be lost on its way through the pipe, never the commit before it.
        assert number in (committed, committed + 1)
        assert set(store.read("vol_indices")["close"]) == {number % 400 + 1.0}
    assert len(store.read("dollar")) == 400
    rows = pd.DataFrame({"date": [pd.Timestamp("2024-07-01").as_unit("us")], "value_index": [9.0]})
    store.append("dollar", rows, source="fred", now=pd.Timestamp("2024-08-01", tz="UTC"))
    assert len(store.read("dollar")) == 401


def test_ten_kills(tmp_path: Path) -> None:
    kill_many(MarketStore(tmp_path / "market"), kills=10, seed=1)


@pytest.mark.slow
def test_two_hundred_kills(tmp_path: Path) -> None:
    store = MarketStore(tmp_path / "market")
    kill_many(store, kills=200, seed=2)
    assert list((store.root / FOLDER).glob("*/*.parquet"))
