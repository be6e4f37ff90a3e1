"""Where the time of a retrain goes: python -m benchmarks.retrain HOME DATE [groups].

In one process, so that the LightGBM fits within can be counted: CPU seconds by stage, and the whole
as a ratio to what the fits alone cost. They are counted twice. As run: they share one set of bins a
fold. Bare: the same `lightgbm.train` calls from raw rows, each with bins of its own; every tenth is
timed, outside of the total. Two workers take a little more than half of the time.
"""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path
from typing import Any

from features.home import Home
from models import mover_fit, shift_fit
from models.boosters import Matrix, fit_booster, parameters
from models.settings import ModelSettings

SAMPLE = 10


class Counter:
    """Stands in for `fit_booster`; keeps its CPU seconds and those of a few bare calls."""

    def __init__(self) -> None:
        self.fits = self.sampled = 0
        self.as_run = self.bare = 0.0

    def __call__(
        self,
        matrix: Matrix,
        rows: Any,
        y: Any,
        offset: Any,
        settings: ModelSettings,
        **how: Any,
    ) -> Any:
        began = time.process_time()
        booster = fit_booster(matrix, rows, y, offset, settings, **how)
        self.as_run += time.process_time() - began
        if self.fits % SAMPLE == 0:
            self.sampled += 1
            began = time.process_time()
            bare_call(matrix.values[rows], y, offset, settings, **how)
            self.bare += time.process_time() - began
        self.fits += 1
        return booster

    @property
    def all_bare(self) -> float:
        return self.bare * self.fits / self.sampled


def bare_call(
    x: Any, y: Any, offset: Any, settings: ModelSettings, *, seed: int, shares: bool = False
) -> None:
    import lightgbm

    own = parameters(settings, len(y), seed, shares=shares)
    data = lightgbm.Dataset(x, y, init_score=offset, params=own)
    lightgbm.train(own, data, num_boost_round=settings.rounds)


def main() -> None:
    from training.retrain import retrain

    home, until = Home(Path(sys.argv[1]).resolve()), sys.argv[2]
    counter = Counter()
    shift_fit.fit_booster = mover_fit.fit_booster = counter  # type: ignore[assignment]
    began = time.process_time()
    report = retrain(home, until=until, groups="groups" in sys.argv[3:], processes=1)
    total = time.process_time() - began - counter.bare
    for name, seconds in report.stages.items():
        print(f"{name:12s} {seconds:8.1f} s {seconds / report.seconds:6.1%}")
    print(f"{'all':12s} {report.seconds:8.1f} s wall, {total:.1f} CPU s without the sample")
    print(
        f"{counter.fits} LightGBM fits: as run {counter.as_run:.1f} CPU s, ratio of the whole "
        f"{total / counter.as_run:.2f}; bare {counter.all_bare:.1f} CPU s (from a sample of "
        f"{counter.sampled}), ratio {total / counter.all_bare:.2f} (aim 1.3)"
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory {peak:.0f} MiB")


if __name__ == "__main__":
    main()
