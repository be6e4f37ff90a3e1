"""Where the time of a retrain goes: python -m benchmarks.retrain HOME DATE [groups].

In one process, so that the LightGBM fits within can be counted: CPU seconds by stage, and the whole
as a ratio to the fits alone (`lightgbm.train` with its data, rows chosen and labels set). Two
workers take a little more than half of the time.
"""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path
from typing import Any

import models.shift_fit as fitting
from features.home import Home


def main() -> None:
    from training.retrain import retrain

    home, until = Home(Path(sys.argv[1]).resolve()), sys.argv[2]
    bare, fits = 0.0, 0
    train = fitting.fit_booster

    def counted(*args: Any, **kwargs: Any) -> Any:
        nonlocal bare, fits
        began = time.process_time()
        booster = train(*args, **kwargs)
        bare += time.process_time() - began
        fits += 1
        return booster

    fitting.fit_booster = counted  # type: ignore[assignment]
    began = time.process_time()
    report = retrain(home, until=until, groups="groups" in sys.argv[3:], processes=1)
    total = time.process_time() - began
    for name, seconds in report.stages.items():
        print(f"{name:12s} {seconds:8.1f} s {seconds / report.seconds:6.1%}")
    print(f"{'all':12s} {report.seconds:8.1f} s wall, {total:.1f} CPU s")
    print(f"{fits} LightGBM fits {bare:.1f} CPU s: ratio of the whole {total / bare:.2f} (aim 1.3)")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory {peak:.0f} MiB")


if __name__ == "__main__":
    main()
