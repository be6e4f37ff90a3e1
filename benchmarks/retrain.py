"""Where the time of a retrain goes: python benchmarks/retrain.py HOME DATE [groups]."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

from features.home import Home


def main() -> None:
    from training.retrain import retrain

    home, until = Home(Path(sys.argv[1]).resolve()), sys.argv[2]
    report = retrain(home, until=until, groups="groups" in sys.argv[3:])
    total = report.seconds
    for name, seconds in report.stages.items():
        print(f"{name:12s} {seconds:8.1f} s {seconds / total:6.1%}")
    print(f"{'all':12s} {total:8.1f} s")
    for who, what in (
        ("this process", resource.RUSAGE_SELF),
        ("largest worker", resource.RUSAGE_CHILDREN),
    ):
        print(f"peak memory, {who}: {resource.getrusage(what).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
