"""Many replays over one tape, one band after another, on as many processes as asked."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass

from serving.book import Book
from serving.settings import ServingSettings
from training.backtest.engine import Replay, replay
from training.backtest.forecasts import Forecasts
from training.backtest.shelf import Shelf
from training.backtest.states import Tape
from training.backtest.variants import Variant

__all__ = ["Plan", "run_all"]


@dataclass(frozen=True)
class Plan:
    """What every trial shares.

    Attributes
    ----------
    tape, forecasts, settings, book
        Market, walk-forward probabilities, served settings, account at the start.
    first, last : int
        Positions of the first evening and the last marked session.
    """

    tape: Tape
    forecasts: Forecasts
    settings: ServingSettings
    book: Book
    first: int
    last: int


Key = tuple[str, float]


def run_all(
    plan: Plan,
    wanted: Sequence[tuple[Variant, float]],
    *,
    processes: int = 1,
    progress: Callable[[float, str], None] | None = None,
) -> dict[Key, Replay]:
    """Run every (variant, band) and give the results by (name, band).

    Parameters
    ----------
    plan : Plan
        What they share.
    wanted : sequence of (Variant, float)
        What to run.
    processes : int
        1 runs here; more fork workers, which share the tape's memory.
    progress : callable, optional
        Called after each replay.
    """
    jobs = [(variant, band) for variant, band in wanted]
    results: dict[Key, Replay] = {}
    if processes <= 1:
        shelves: dict[float, Shelf] = {}
        for done, (variant, band) in enumerate(jobs):
            shelf = shelves.setdefault(band, Shelf(plan.settings, band))
            results[variant.name, band] = _one(plan, variant, shelf)
            _tell(progress, done + 1, len(jobs), variant.name)
        return results
    global _PLAN
    _PLAN = plan
    context = multiprocessing.get_context("fork")
    try:
        with ProcessPoolExecutor(processes, mp_context=context) as pool:
            futures = {
                pool.submit(_work, variant, band): (variant.name, band) for variant, band in jobs
            }
            for done, future in enumerate(as_completed(futures)):
                results[futures[future]] = future.result()
                _tell(progress, done + 1, len(jobs), futures[future][0])
    finally:
        _PLAN = None
    return {(v.name, b): results[v.name, b] for v, b in jobs}


_PLAN: Plan | None = None
_SHELVES: dict[float, Shelf] = {}


def _work(variant: Variant, band: float) -> Replay:
    if _PLAN is None:
        raise RuntimeError("a worker was started without a plan")
    shelf = _SHELVES.setdefault(band, Shelf(_PLAN.settings, band))
    return _one(_PLAN, variant, shelf)


def _one(plan: Plan, variant: Variant, shelf: Shelf) -> Replay:
    told = plan.forecasts
    p = {"model": told.evening, "vix": told.vix, "none": told.evening}[variant.forecast]
    if variant.silent:
        p = told.without[variant.silent]
    return replay(
        plan.tape,
        variant,
        first=plan.first,
        last=plan.last,
        p_evening=p,
        p_preopen=told.preopen,
        settings=plan.settings,
        shelf=shelf,
        book=plan.book,
    )


def _tell(progress: Callable[[float, str], None] | None, done: int, of: int, name: str) -> None:
    if progress is not None:
        progress(0.1 + 0.85 * done / of, f"replayed {name}")
