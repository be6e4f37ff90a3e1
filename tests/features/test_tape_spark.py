"""The same expression on Spark: equal rows on the real OKX tape and on a simulated tied one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.sources.event import Event
from features.tape import hourly, run, sessions
from features.tape_cascades import select
from features.tape_engine import connect, scan
from features.tape_files import DAY_US
from features.tape_oracle import sessions_oracle
from features.tape_rows import events_frame
from features.tape_store import Tape

pytestmark = pytest.mark.spark

ORDER = ("start_us", "base", "side")
T0 = 1_700_006_400_000_000


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    pytest.importorskip("pyspark", reason="the spark extra is not installed")
    connection = connect("spark")
    yield connection
    connection._session.stop()


def tied_tape() -> pd.DataFrame:
    """Whole-second stamps: most events share theirs with others."""
    rng = np.random.default_rng(5)
    n = 20_000
    parents = rng.integers(0, DAY_US, 600)
    ts = parents[rng.integers(0, 600, n)] + rng.exponential(2e7, n).astype(np.int64)
    return pd.DataFrame(
        {
            "ts_us": T0 + ts // 1_000_000 * 1_000_000,
            "known_us": T0 + ts + 1,
            "base": rng.choice(["BTC", "ETH"], n),
            "side": rng.choice(["long", "short", "unknown"], n, p=[0.6, 0.35, 0.05]),
            "venue": rng.choice(["binance", "bybit", "okx"], n),
            "cents": np.exp(rng.normal(13, 2, n)).astype(np.int64),
            "price_e8": np.where(
                rng.random(n) < 0.05, 0, (5e12 * (1 + rng.random(n) / 100)).astype(np.int64)
            ),
            "throttled": rng.integers(0, 2, n),
        }
    )


def real_tape(folder: Path) -> pd.DataFrame:
    rows = pd.read_parquet(folder / "crypto_liquidation_events_okx_hl.parquet")
    rows = rows[(rows["venue"] == "okx") & rows["notional_usd"].notna()]
    stamps = pd.DatetimeIndex(rows["timestamp"]).as_unit("us").asi8
    return pd.DataFrame(
        {
            "ts_us": stamps,
            "known_us": stamps + 1_000_000,
            "base": rows["coin"].to_numpy(dtype=object),
            "side": rows["liquidated_side"].to_numpy(dtype=object),
            "venue": "okx",
            "cents": (rows["notional_usd"] * 100).round().astype("int64").to_numpy(),
            "price_e8": (rows["price"] * 1e8).round().astype("int64").to_numpy(),
            "throttled": 1,
        }
    )


def both(events: pd.DataFrame, folder: Path, spark: Any) -> None:
    path = folder / "events.parquet"
    events.to_parquet(path, index=False)
    duck = connect()
    made = []
    for connection in (duck, spark):
        rows = scan(connection, [path])
        made.append(
            (
                run(sessions(rows, origin_us=int(events["ts_us"].min())), order=ORDER),
                run(hourly(rows), order=("hour_us", "base", "side")),
            )
        )
    (duck_sessions, duck_hours), (spark_sessions, spark_hours) = made
    pd.testing.assert_frame_equal(duck_sessions, spark_sessions, check_exact=True)
    pd.testing.assert_frame_equal(duck_hours, spark_hours, check_exact=True)
    cascades = select(spark_sessions)
    assert len(cascades) > 5
    pd.testing.assert_frame_equal(select(duck_sessions), cascades, check_exact=True)
    expected = sessions_oracle(events)
    pd.testing.assert_frame_equal(
        spark_sessions, expected[spark_sessions.columns], check_dtype=False
    )


def test_simulated_tape_with_ties(tmp_path: Path, spark: Any) -> None:
    both(tied_tape(), tmp_path, spark)


def test_the_store_writes_the_same_files(tmp_path: Path, spark: Any) -> None:
    """Two days of events through either engine: equal bytes of sessions and hours."""
    rng = np.random.default_rng(1)
    events = [
        Event(
            venue=str(rng.choice(["okx", "bybit"])), symbol="X", base="BTC",
            liquidated_side="long" if rng.random() < 0.7 else "short", price=50_000.0,
            price_kind="bankruptcy", qty_base=1.0, notional_usd=float(rng.integers(1, 10**6)),
            mechanism="market", completeness="all", event_id=str(i),
            ts_us=T0 + DAY_US + int(rng.normal(0, 3e8)),
        )
        for i in range(200)
    ]  # fmt: skip
    frame = events_frame(events, now=pd.Timestamp("2024-01-01", tz="UTC"))
    names = []
    for engine in ("duckdb", "spark"):
        tape = Tape(tmp_path / engine, engine=engine)
        tape.add(frame)
        live = tape.files.manifest().names()
        names.append({n for n in live if not n.startswith("events/")})
    assert names[0] == names[1]  # a file is named by its content


@pytest.mark.real
def test_real_okx_tape(tmp_path: Path, spark: Any, real_data: Path) -> None:
    both(real_tape(real_data), tmp_path, spark)
