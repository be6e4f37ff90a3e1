"""Time the market store: ``python benchmarks/store.py [FOLDER]`` (default: the shared files).

Each figure is the best of three fresh processes, so that neither side profits from a warmed one.
Wall seconds decide on an idle machine, CPU seconds on a shared one.

The aim of three times pandas alone is not reached. Where the CPU time of an import of 940,000 rows
goes, in milliseconds (pandas alone: 250): 250 to name, check and filter the lines of 26 files (60
of it hashes that identify liquidations), 110 to join the files of a table field by field, 240 to
check again what the store is given, stamp it with its availability, sort it by key and bring it
into Arrow columns, 250 to compress, hash and sync 17 segments, and 300 to decode the files and to
load what a first import needs. Compression and reading run beside the rest.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS = 3
NOW = "2026-01-02T12:00Z"
AS_OF = "2024-06-03T22:00Z"
FEATURE_TABLES = (
    "spx_bars",
    "vol_indices",
    "vix_futures",
    "breadth",
    "rates",
    "dollar",
    "valuation",
    "perp_bars",
    "funding",
    "open_interest",
    "liquidation_totals",
    "scheduled_events",
)


Times = tuple[float, float]


def clock() -> Times:
    """Wall and CPU seconds, threads included."""
    return time.perf_counter(), time.process_time()


def since(start: Times) -> Times:
    now = clock()
    return now[0] - start[0], now[1] - start[1]


def pandas_alone(folder: Path) -> Times:
    """Read every file that the importer stores, with pandas' own defaults."""
    import pandas as pd

    from features.sources.tidy import LAYOUTS

    names = [stem for stem, layout in LAYOUTS.items() if layout.tidy is not None]
    start = clock()
    for stem in names:
        if (folder / f"{stem}.csv").exists():
            pd.read_csv(folder / f"{stem}.csv")
        elif (folder / f"{stem}.parquet").exists():
            pd.read_parquet(folder / f"{stem}.parquet")
    return since(start)


def imported(folder: Path, root: Path, now: str) -> Times:
    import pandas as pd

    from features.sources.tidy import import_folder
    from features.store import MarketStore

    start = clock()
    import_folder(MarketStore(root), folder, now=pd.Timestamp(now))
    return since(start)


def read(root: Path) -> Times:
    import pandas as pd

    from features.store import MarketStore

    start = clock()
    store = MarketStore(root)
    for name in FEATURE_TABLES:
        store.read(name, as_of=pd.Timestamp(AS_OF))
    return since(start)


def fresh(call: str) -> Times:
    """Run one of the functions above in a process of its own; its last line has the times."""
    here = Path(__file__).resolve()
    # Run by path: another benchmark here has the name of a room, and must not hide it.
    code = (
        f"import sys, runpy; sys.path.insert(0, {str(here.parent.parent)!r}); "
        f"names = runpy.run_path({str(here)!r}); print(*eval({call!r}, names))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    wall, cpu = map(float, done.stdout.splitlines()[-1].split())
    return wall, cpu


def best(calls: list[str]) -> Times:
    """Smallest wall and smallest CPU time of several runs."""
    times = [fresh(call) for call in calls]
    return min(wall for wall, _ in times), min(cpu for _, cpu in times)


def line(what: str, times: Times, rest: str = "") -> None:
    print(f"{what:<38} {times[0]:6.2f} s {times[1]:6.2f} CPU s   {rest}".rstrip())


def size(folder: Path, names: set[str] | None = None) -> int:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return sum(path.stat().st_size for path in files if names is None or path.stem in names)


def main() -> None:
    root = Path(__file__).resolve().parent.parent
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else root.parent / "shared" / "data"
    sys.path.insert(0, str(root))
    from features.sources.tidy import LAYOUTS

    stored = {stem for stem, layout in LAYOUTS.items() if layout.tidy is not None}
    base = best([f"pandas_alone(Path({str(folder)!r}))"] * ROUNDS)
    with tempfile.TemporaryDirectory() as scratch:
        stores = [Path(scratch) / str(place) for place in range(ROUNDS)]
        calls = [f"imported(Path({str(folder)!r}), Path({str(one)!r}), {NOW!r})" for one in stores]
        first, again = best(calls), best(calls)
        reading = best([f"read(Path({str(stores[0])!r}))"] * ROUNDS)
        ratio = size(stores[0]) / size(folder, stored)
    line("reading the files with pandas alone", base)
    for what, times in (("import", first), ("the same import again", again)):
        wall, cpu = times[0] / base[0], times[1] / base[1]
        line(what, times, f"ratio {wall:.1f}, in CPU {cpu:.1f} (aim 3)")
    line(f"as-of read of {len(FEATURE_TABLES)} tables", reading, "(aim 0.5)")
    print(f"{'store size':<38} {ratio:6.2f} of the input")


if __name__ == "__main__":
    main()
