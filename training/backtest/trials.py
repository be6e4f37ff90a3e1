"""Many replays over one tape, dealt to as many processes as asked."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass

from serving.book import Book
from serving.settings import ServingSettings
from training.backtest.engine import Replay, replay
from training.backtest.forecasts import Forecasts
from training.backtest.shelf import Shelf
from training.backtest.states import Tape
from training.backtest.variants import Variant
from training.workers import leave_with_parent

__all__ = ["Plan", "deal", "run_all"]


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
Job = tuple[Variant, float]


def run_all(
    plan: Plan,
    wanted: Sequence[Job],
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
        1 runs here; more fork workers, which share the tape's memory. Results do not depend on it.
    progress : callable, optional
        Called after each replay.
    """
    results: dict[Key, Replay] = {}
    lanes = deal(wanted, processes)
    if len(lanes) == 1:
        for done, (key, result) in enumerate(_lane(plan, lanes[0])):
            results[key] = result
            _tell(progress, done + 1, len(wanted), key[0])
        return {(v.name, b): results[v.name, b] for v, b in wanted}
    global _PLAN
    _PLAN = plan
    context = multiprocessing.get_context("fork")
    # one worker a lane: it prices a band's options once and drops them before the next band
    pools = [
        ProcessPoolExecutor(1, mp_context=context, initializer=leave_with_parent) for _ in lanes
    ]
    try:
        futures = {
            pool.submit(_work, variant, band): (variant.name, band)
            for pool, lane in zip(pools, lanes, strict=True)
            for variant, band in lane
        }
        for done, future in enumerate(as_completed(futures)):
            results[futures[future]] = future.result()
            _tell(progress, done + 1, len(wanted), futures[future][0])
    finally:
        _PLAN = None
        for pool in pools:
            pool.shutdown(cancel_futures=True)
    return {(v.name, b): results[v.name, b] for v, b in wanted}


def deal(wanted: Sequence[Job], lanes: int) -> list[list[Job]]:
    """Deal replays to lanes of about equal work, each lane with as few bands as can be.

    Parameters
    ----------
    wanted : sequence of (Variant, float)
        What to run.
    lanes : int
        At most so many lists come back, none empty; together they hold each replay once.

    Notes
    -----
    The first replay of a band in a lane pays for pricing its options, about four replays' work.
    """
    count = Counter(band for _, band in wanted)
    order = sorted(wanted, key=lambda job: (-count[job[1]], job[1]))
    best = _cut(order, float("inf"))
    low, high = 0.0, _work_of(order)
    for _ in range(30):
        middle = (low + high) / 2
        tried = _cut(order, middle)
        if len(tried) <= max(lanes, 1):
            best, high = tried, middle
        else:
            low = middle
    return best


def _cut(order: Sequence[Job], limit: float) -> list[list[Job]]:
    lanes: list[list[Job]] = []
    for job in order:
        if lanes and _work_of([*lanes[-1], job]) <= limit:
            lanes[-1].append(job)
        else:
            lanes.append([job])
    return lanes


def _work_of(lane: Sequence[Job]) -> float:
    return len(lane) + _PRICING * len({band for _, band in lane})


def _lane(plan: Plan, lane: Sequence[Job]) -> Iterator[tuple[Key, Replay]]:
    shelf: Shelf | None = None
    for variant, band in lane:
        if shelf is None or shelf.band != band:
            shelf = Shelf(plan.settings, band)
        yield (variant.name, band), _one(plan, variant, shelf)


_PRICING = 3.0  # replays' work
_PLAN: Plan | None = None
_SHELF: Shelf | None = None


def _work(variant: Variant, band: float) -> Replay:
    global _SHELF
    if _PLAN is None:
        raise RuntimeError("a worker was started without a plan")
    if _SHELF is None or _SHELF.band != band:
        _SHELF = Shelf(_PLAN.settings, band)
    return _one(_PLAN, variant, _SHELF)


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
