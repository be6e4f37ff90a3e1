"""Speed and memory of the event tape, side by side with hand-written SQL and pandas.

    python benchmarks/tape.py --events 20000000
    python benchmarks/tape.py --events 20000000 --large 100000000
    python benchmarks/tape.py --events 1000000 --data ../shared/data

Prints events per second, peak memory and ratios, all measured in one run. Machines differ; ratios
carry over. With --data it also prints what the definitions find on the real files.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from features.tape import run, sessions
from features.tape_engine import MEMORY_LIMIT, connect
from features.tape_files import DAY_US, EVENTS, Manifest, day_name
from features.tape_oracle import sessions_oracle
from features.tape_rows import to_pandas
from features.tape_store import Tape

A_DAY = 100_000
FIRST_DAY = 18_262  # 2020-01-01
ORACLE_EVENTS = 5_000_000
COINS = ("BTC", "ETH", "SOL", "XRP", "DOGE", "BNB", "ADA", "AVAX", "LINK", "LTC")
VENUES = ("binance", "bybit", "okx", "hyperliquid")
ORDER = ("start_us", "base", "side")

# the same sessions and attributes as features.tape.sessions, as one would write them by hand
BY_HAND = """
WITH by_venue AS (
  SELECT base, side, venue, ts_us - ts_us % 60000000 AS bucket,
         min(ts_us) AS start_us, max(ts_us) AS end_us, count(*) AS n, sum(cents)::BIGINT AS cents,
         min((ts_us % 60000000) // 1000000 * 1125899906842624 + nullif(price_e8, 0)) AS first_low,
         min((ts_us % 60000000) // 1000000 * 1125899906842624
             + (1125899906842623 - nullif(price_e8, 0))) AS first_high,
         min(nullif(price_e8, 0)) AS price_low, max(nullif(price_e8, 0)) AS price_high,
         sum(throttled)::BIGINT AS n_throttled, max(known_us) AS known_us
  FROM read_parquet($files)
  WHERE mechanism IN ('market', 'backstop') AND cents IS NOT NULL AND base IS NOT NULL
  GROUP BY ALL),
second AS (
  SELECT base, side, ts_us - ts_us % 1000000 AS sec, sum(cents)::BIGINT AS cents
  FROM read_parquet($files)
  WHERE mechanism IN ('market', 'backstop') AND cents IS NOT NULL AND base IS NOT NULL
  GROUP BY ALL),
ten AS (
  SELECT base, side, sec - sec % 10000000 AS ten, sum(cents)::BIGINT AS cents, max(cents) AS peak,
         sum(cents // 100)::BIGINT AS dollars,
         sum((cents // 100) * ((sec - $origin) // 1000000))::BIGINT AS moment
  FROM second GROUP BY ALL),
peaks AS (
  SELECT base, side, ten - ten % 60000000 AS bucket, max(peak) AS peak_1s, max(cents) AS peak_10s,
         sum(dollars)::BIGINT AS dollars, sum(moment)::BIGINT AS moment
  FROM ten GROUP BY ALL),
bucket AS (
  SELECT base, side, bucket, min(start_us) AS start_us, max(end_us) AS end_us,
         sum(n)::BIGINT AS n, sum(cents)::BIGINT AS cents, min(first_low) AS first_low,
         min(first_high) AS first_high, min(price_low) AS price_low,
         max(price_high) AS price_high, sum(n_throttled)::BIGINT AS n_throttled,
         max(known_us) AS known_us
  FROM by_venue GROUP BY ALL),
opened AS (
  SELECT *, coalesce(start_us - lag(end_us) OVER w > 60000000, true) AS opens,
         sum(cents) OVER (PARTITION BY base, bucket) - cents AS opposite
  FROM bucket JOIN peaks USING (base, side, bucket)
  WINDOW w AS (PARTITION BY base, side ORDER BY bucket)),
numbered AS (
  SELECT *, sum(opens::BIGINT) OVER (PARTITION BY base, side ORDER BY bucket
                                     ROWS UNBOUNDED PRECEDING) AS session
  FROM opened),
share AS (
  SELECT base, side, session, venue, sum(v.cents)::BIGINT AS cents
  FROM by_venue v JOIN numbered USING (base, side, bucket) GROUP BY ALL),
spread AS (
  SELECT base, side, session, count(*) AS n_venues, max(cents) AS top_venue_cents,
         sum(cents::HUGEINT * cents)::DOUBLE AS venue_squares
  FROM share GROUP BY ALL),
whole AS (
  SELECT base, side, session, min(start_us) AS start_us, max(end_us) AS end_us,
         sum(n)::BIGINT AS n, sum(cents)::BIGINT AS cents, sum(opposite)::BIGINT AS opposite_cents,
         max(peak_1s) AS peak_1s_cents, max(peak_10s) AS peak_10s_cents,
         sum(dollars)::BIGINT AS dollars, sum(moment)::BIGINT AS moment,
         max(first_low % 1125899906842624) FILTER (opens) AS first_price_low,
         max(1125899906842623 - first_high % 1125899906842624) FILTER (opens) AS first_price_high,
         min(price_low) AS price_low, max(price_high) AS price_high,
         sum(n_throttled)::BIGINT AS n_throttled, max(known_us) AS known_us
  FROM numbered GROUP BY ALL)
SELECT base, side, start_us, end_us, n, cents, opposite_cents, peak_1s_cents, peak_10s_cents,
       dollars, moment - (start_us - start_us % 1000000 - $origin) // 1000000 * dollars AS moment,
       n_venues, top_venue_cents, venue_squares, first_price_high, first_price_low, price_low,
       price_high, n_throttled, known_us
FROM whole JOIN spread USING (base, side, session)
"""


def make_day(day: int, events: int, seed: int) -> pa.Table:
    """One day of bursts: most events come within a second of another."""
    rng = np.random.default_rng(seed)
    bursts = max(events // 25, 1)
    parent = rng.integers(0, DAY_US, bursts)
    which = rng.integers(0, bursts, events)
    ts = parent[which] + (rng.exponential(8e6, events)).astype(np.int64)
    ts = day * DAY_US + np.minimum(ts, DAY_US - 1) // 1000 * 1000
    order = np.argsort(ts, kind="stable")
    ts, which = ts[order], which[order]
    coins = rng.integers(0, len(COINS), bursts)[which]
    longs = (rng.random(bursts) < 0.55)[which] ^ (rng.random(events) < 0.05)
    usd = np.exp(rng.normal(7.5, 1.8, events))
    price = 100.0 * (1 + coins) * np.exp(0.01 * rng.standard_normal(events))
    number = pa.array(np.arange(events) + day * 10_000_000)
    text = lambda names, index: pa.array(np.array(names)[index])  # noqa: E731
    columns = {
        "ts_us": pa.array(ts),
        "known_us": pa.array(ts + 1_000_000),
        "received_us": pa.nulls(events, pa.int64()),
        "ingested_us": pa.array(np.full(events, (day + 1) * DAY_US)),
        "venue": text(VENUES, rng.integers(0, len(VENUES), events)),
        "symbol": text([f"{c}USDT" for c in COINS], coins),
        "base": text(COINS, coins),
        "side": text(("short", "long"), longs.astype(int)),
        "price": pa.array(price),
        "price_kind": text(("bankruptcy",), np.zeros(events, dtype=int)),
        "price_e8": pa.array((price * 1e8).astype(np.int64)),
        "qty_base": pa.array(usd / price),
        "cents": pa.array((usd * 100).astype(np.int64) + 1),
        "mechanism": text(("market",), np.zeros(events, dtype=int)),
        "completeness": text(("all",), np.zeros(events, dtype=int)),
        "throttled": pa.array(np.zeros(events, dtype=np.int64)),
        "rank": pa.array(np.zeros(events, dtype=np.int64)),
        "event_id": pc.cast(number, pa.string()),
    }
    return pa.table({name: columns[name] for name in EVENTS.names}, schema=EVENTS)


def make_tape(root: Path, events: int) -> Tape:
    """Write the events of a tape, day by day, without deriving anything."""
    tape = Tape(root)
    manifest = Manifest(gap_seconds=60)
    for place in range(max(events // A_DAY, 1)):
        day = FIRST_DAY + place
        count = min(A_DAY, events)
        table = make_day(day, count, seed=place)
        manifest.files[day] = {"events": tape.files.write_table("events", day_name(day), table)}
        manifest.counts[day] = count
    tape.files.root.mkdir(parents=True, exist_ok=True)
    tape.files.write_manifest(manifest)
    return tape


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def child(task: str, root: Path, *more: str) -> dict[str, float]:
    """Run one task in a process of its own, so that its peak memory is its own."""
    done = subprocess.run(
        [sys.executable, __file__, "--task", task, "--root", str(root), *more],
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def event_files(tape: Tape) -> list[str]:
    manifest = tape.files.manifest()
    return [str(tape.files.path(manifest.files[day]["events"])) for day in manifest.days()]


def task_expression(root: Path) -> dict[str, float]:
    tape = Tape(root)
    connection = connect(spill=root / "spill")
    connection.raw_sql("SELECT 1")  # opening an engine is no part of its speed
    started, busy = time.perf_counter(), time.process_time()
    rows = connection.read_parquet(event_files(tape))
    rows = rows.filter(
        rows.mechanism.isin(("market", "backstop")),
        rows.cents.notnull(),  # noqa: PD004
        rows.base.notnull(),  # noqa: PD004
    )
    frame = run(sessions(rows, origin_us=FIRST_DAY * DAY_US), order=ORDER)
    seconds = time.perf_counter() - started
    return {
        "seconds": seconds,
        "cpu": time.process_time() - busy,
        "sessions": len(frame),
        "sum": check(frame),
        "peak": peak_mib(),
    }


def task_sql(root: Path) -> dict[str, float]:
    import duckdb

    connection = duckdb.connect(
        config={
            "memory_limit": MEMORY_LIMIT,
            "temp_directory": str(root / "spill"),
            "preserve_insertion_order": "false",
        }
    )
    connection.execute("SELECT 1")
    started, busy = time.perf_counter(), time.process_time()
    names = {"files": event_files(Tape(root)), "origin": FIRST_DAY * DAY_US}
    frame = connection.execute(BY_HAND, names).df().sort_values(list(ORDER), ignore_index=True)
    seconds = time.perf_counter() - started
    return {
        "seconds": seconds,
        "cpu": time.process_time() - busy,
        "sessions": len(frame),
        "sum": check(frame),
        "peak": peak_mib(),
    }


def task_oracle(root: Path) -> dict[str, float]:
    tape = Tape(root)
    started, busy = time.perf_counter(), time.process_time()
    table = tape.files.read(
        "events", [layer["events"] for layer in tape.files.manifest().files.values()]
    )
    frame = sessions_oracle(to_pandas(table).astype({"cents": "int64"}))
    seconds = time.perf_counter() - started
    return {
        "seconds": seconds,
        "cpu": time.process_time() - busy,
        "sessions": len(frame),
        "sum": check(frame),
        "peak": peak_mib(),
    }


def task_rebuild(root: Path) -> dict[str, float]:
    tape = Tape(root)
    tape.connection.raw_sql("SELECT 1")
    started, busy = time.perf_counter(), time.process_time()
    tape.rebuild()
    return {
        "seconds": time.perf_counter() - started,
        "cpu": time.process_time() - busy,
        "peak": peak_mib(),
    }


def task_increment(root: Path) -> dict[str, float]:
    """Add one day after the last, the way a nightly import does."""
    tape = Tape(root)
    days = tape.files.manifest().days()
    day = days[-1] + 1 if days else FIRST_DAY
    frame = to_pandas(make_day(day, A_DAY, seed=day))
    tape.connection.raw_sql("SELECT 1")  # opening the engine is no part of a day's work
    started, busy = time.perf_counter(), time.process_time()
    tape.add(frame)
    return {
        "seconds": time.perf_counter() - started,
        "cpu": time.process_time() - busy,
        "peak": peak_mib(),
    }


def check(frame: pd.DataFrame) -> float:
    """A number that two engines only share if all their rows agree."""
    whole = frame[["start_us", "end_us", "n", "cents", "opposite_cents", "moment", "known_us"]]
    return float(int((whole.to_numpy(dtype=object) % 1_000_003).sum() % 10**12))


TASKS = {
    "expression": task_expression,
    "sql": task_sql,
    "oracle": task_oracle,
    "rebuild": task_rebuild,
    "increment": task_increment,
}


def compare(folder: Path, events: int, rounds: int) -> None:
    root = folder / "small"
    make_tape(root, events)
    best: dict[str, dict[str, float]] = {}
    tasks = ["expression", "sql"] + (["oracle"] if events <= ORACLE_EVENTS else [])
    for _ in range(rounds):
        for name in tasks:
            made = child(name, root)
            # a busy machine stretches wall time: the least CPU time is the cleaner measure
            if name not in best or made["cpu"] < best[name]["cpu"]:
                best[name] = made
    if events > ORACLE_EVENTS:
        half = folder / "oracle"
        make_tape(half, ORACLE_EVENTS)
        best["oracle"] = child("oracle", half)
        best["expression on the oracle's events"] = child("expression", half)
    print(f"\n{events:,} events, best of {rounds}")
    for name, made in best.items():
        print(
            f"  {name:34s} {made['seconds']:7.1f} s  {made['cpu']:7.1f} CPU s  "
            f"{made['peak']:7.0f} MiB  "
            f"{made['sessions']:,.0f} sessions"
        )
    assert best["expression"]["sum"] == best["sql"]["sum"], "hand-written SQL disagrees"
    own = best.get("expression on the oracle's events", best["expression"])
    assert own["sum"] == best["oracle"]["sum"], "the oracle disagrees"
    print(f"  events a second                    {events / best['expression']['seconds']:,.0f}")
    hand = best["sql"]
    print("  ratios of wall time and of CPU time")
    for name, one, other in (
        ("hand-written SQL", best["expression"], hand),
        ("pandas oracle", own, best["oracle"]),
    ):
        wall, cpu = one["seconds"] / other["seconds"], one["cpu"] / other["cpu"]
        print(f"  expression / {name:20s} {wall:5.2f} {cpu:5.2f}")


def grow(folder: Path, events: int, large: int | None) -> None:
    rows = {}
    for size in (events, large):
        if size is None:
            continue
        root = folder / f"history-{size}"
        make_tape(root, size)
        rows[size] = child("rebuild", root)
        print(
            f"\nrebuild of {size:,} events by day: {rows[size]['seconds']:.1f} s, "
            f"{size / rows[size]['seconds']:,.0f} events a second, "
            f"{rows[size]['cpu']:.0f} CPU s, peak {rows[size]['peak']:.0f} MiB"
        )
    if large is not None:
        wall, cpu = (rows[large][unit] / rows[events][unit] for unit in ("seconds", "cpu"))
        print(f"  {large:,} / {events:,}: wall {wall:.2f}, CPU {cpu:.2f}")
    last = folder / f"history-{large or events}"
    full = [child("increment", last) for _ in range(3)]
    empty = [child("increment", folder / f"empty-{i}") for i in range(3)]
    best = [min(runs, key=lambda made: made["cpu"]) for runs in (full, empty)]
    print(
        f"\none more day of {A_DAY:,} events: {best[0]['seconds']:.2f} s on that history, "
        f"{best[1]['seconds']:.2f} s on none"
    )
    wall, cpu = (best[0][unit] / best[1][unit] for unit in ("seconds", "cpu"))
    print(f"  ratio: wall {wall:.2f}, CPU {cpu:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--events", type=int, default=5_000_000)
    parser.add_argument("--large", type=int)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--data", type=Path)
    parser.add_argument(
        "--folder", type=Path, help="where to put the tapes (needs 40 bytes an event)"
    )
    parser.add_argument("--task", choices=TASKS)
    parser.add_argument("--root", type=Path)
    given = parser.parse_args()
    if given.task:
        print(json.dumps(TASKS[given.task](given.root)))
        return
    folder = Path(tempfile.mkdtemp(prefix="tape-", dir=given.folder))
    try:
        compare(folder, given.events, given.rounds)
        grow(folder, given.events, given.large)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if given.data is not None:
        from tape_real import report

        report(given.data)


if __name__ == "__main__":
    main()
