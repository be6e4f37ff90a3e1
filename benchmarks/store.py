"""Time the market store: ``python benchmarks/store.py [FOLDER]`` (default: the shared files).

Each figure is the best of three fresh processes, so that neither side profits from a warmed one.
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


def pandas_alone(folder: Path) -> float:
    """Read every file that the importer stores, with pandas' own defaults."""
    import pandas as pd

    from features.sources.tidy import LAYOUTS

    names = [stem for stem, layout in LAYOUTS.items() if layout.tidy is not None]
    start = time.perf_counter()
    for stem in names:
        if (folder / f"{stem}.csv").exists():
            pd.read_csv(folder / f"{stem}.csv")
        elif (folder / f"{stem}.parquet").exists():
            pd.read_parquet(folder / f"{stem}.parquet")
    return time.perf_counter() - start


def imported(folder: Path, root: Path, now: str) -> float:
    import pandas as pd

    from features.sources.tidy import import_folder
    from features.store import MarketStore

    start = time.perf_counter()
    import_folder(MarketStore(root), folder, now=pd.Timestamp(now))
    return time.perf_counter() - start


def read(root: Path) -> float:
    import pandas as pd

    from features.store import MarketStore

    start = time.perf_counter()
    store = MarketStore(root)
    for name in FEATURE_TABLES:
        store.read(name, as_of=pd.Timestamp(AS_OF))
    return time.perf_counter() - start


def fresh(call: str) -> float:
    """Run one of the functions above in a process of its own; its last line is the time."""
    here = Path(__file__).resolve()
    # Run by path: another benchmark here has the name of a room, and must not hide it.
    code = (
        f"import sys, runpy; sys.path.insert(0, {str(here.parent.parent)!r}); "
        f"names = runpy.run_path({str(here)!r}); print(eval({call!r}, names))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout.splitlines()[-1])


def size(folder: Path, names: set[str] | None = None) -> int:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return sum(path.stat().st_size for path in files if names is None or path.stem in names)


def main() -> None:
    root = Path(__file__).resolve().parent.parent
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else root.parent / "shared" / "data"
    sys.path.insert(0, str(root))
    from features.sources.tidy import LAYOUTS

    stored = {stem for stem, layout in LAYOUTS.items() if layout.tidy is not None}
    base = min(fresh(f"pandas_alone(Path({str(folder)!r}))") for _ in range(ROUNDS))
    with tempfile.TemporaryDirectory() as scratch:
        stores = [Path(scratch) / str(place) for place in range(ROUNDS)]
        first = min(
            fresh(f"imported(Path({str(folder)!r}), Path({str(one)!r}), {NOW!r})") for one in stores
        )
        again = min(
            fresh(f"imported(Path({str(folder)!r}), Path({str(one)!r}), {NOW!r})") for one in stores
        )
        reading = min(fresh(f"read(Path({str(stores[0])!r}))") for _ in range(ROUNDS))
        ratio = size(stores[0]) / size(folder, stored)
    print(f"reading the files with pandas alone   {base:6.2f} s")
    print(
        f"import                                {first:6.2f} s   ratio {first / base:5.2f} (aim 3)"
    )
    print(f"the same import again                 {again:6.2f} s   ratio {again / base:5.2f}")
    print(f"as-of read of {len(FEATURE_TABLES)} tables              {reading:6.2f} s   (aim 0.5)")
    print(f"store size                            {ratio:6.2f} of the input")


if __name__ == "__main__":
    main()
