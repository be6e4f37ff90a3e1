"""The verb `backtest run`: replay, compare, attribute, write down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from features.errors import DataError, UsageError
from features.home import Home
from features.pipeline import build
from features.pipeline import spine as read_spine
from features.store import MarketStore
from serving.book import Book, paper_book, read_book
from serving.settings import PolicySettings, ServingSettings, load_settings
from training.backtest.attribution import attribute, idle_parts, switched_off
from training.backtest.engine import CRISIS, Replay
from training.backtest.forecasts import Forecasts, load_forecasts
from training.backtest.holdings import check_book
from training.backtest.market import load_market
from training.backtest.replicate import replications
from training.backtest.states import load_tape
from training.backtest.strata import by_rule, shifted, strata
from training.backtest.trials import Plan, run_all
from training.backtest.variants import ALTERNATIVES, Variant
from training.backtest.write_up import BAND_NAMES, benchmarks, compare_all, verdict

__all__ = ["BANDS", "run"]

BANDS = tuple(BAND_NAMES)
Progress = Callable[[float, str], None]
_WARM_UP = pd.DateOffset(years=3)


def run(
    home: Home,
    *,
    start: Any = None,
    end: Any = None,
    version: str | None = None,
    book_path: Path | None = None,
    attribution: bool = True,
    track: bool = True,
    processes: int = 2,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Replay the served policy over walk-forward forecasts and compare.

    Parameters
    ----------
    home : Home
        The installation: market store, a promoted or named run, settings.
    start, end : date-like, optional
        First evening and last marked session; default the span of the forecasts.
    version : str, optional
        Model version whose forecasts are replayed; default the champion.
    book_path : Path, optional
        Positions and equity at the start; default the paper account.
    attribution : bool
        Also replay with each policy row, signal and the forecast switched off in turn.
    track : bool
        Write the result and plots under ``mlruns/backtests`` and log them to MLflow.
    processes : int
        Worker processes.
    progress : callable, optional
        Called with the fraction done and what is being done.

    Returns
    -------
    dict
        `verdict` first: whether the forecast overlay helped; see ``docs/backtest.md``.

    Raises
    ------
    DataError
        If forecasts or market data do not cover the span, or the book is impossible.
    UsageError
        If the span is empty.
    """
    settings = load_settings(home)
    policy = settings.policy
    told = load_forecasts(home, head=policy.p_head, horizon=policy.p_horizon, version=version)
    store = MarketStore(home.market).snapshot()
    first_day = told.first if start is None else pd.Timestamp(start)
    last_day = told.last if end is None else pd.Timestamp(end)
    if first_day >= last_day:
        raise UsageError(
            f"`start` must lie before `end`, got {first_day.date()} and {last_day.date()}."
        )
    if first_day < told.first or last_day > told.last + pd.Timedelta(days=7):
        raise DataError(
            f"walk-forward forecasts of {told.version} run from {told.first.date()} to "
            f"{told.last.date()}, asked for {first_day.date()} to {last_day.date()}. Choose a span "
            "inside, or retrain."
        )
    head = f"{policy.p_head}_{policy.p_horizon}"
    _tell(progress, 0.01, "reading the market")
    market = load_market(store, start=first_day - _WARM_UP, end=last_day)
    sessions = market.sessions
    first = int(sessions.searchsorted(first_day))
    last = int(sessions.searchsorted(last_day, side="right")) - 1
    if last - first < 2:
        raise UsageError("the span holds fewer than three sessions. Choose a longer one.")
    book = _book(home, settings, book_path, sessions[first], float(market.column("close")[first]))
    _tell(progress, 0.03, "building the signals that rules read")
    features = build(store, at="evening", start=first_day, end=last_day)
    tape = load_tape(store, market, features, settings.edr)
    wanted = [(variant, band) for band in BANDS for variant in _alternatives(told)]
    if attribution:
        _tell(progress, 0.06, "asking the walk-forward models without each feature group")
        told = replace(told, without=_without(home, store, told, policy, features))
    plan = Plan(tape, told, settings, book, first, last)
    if attribution:
        less = switched_off(head, policy, told.without, unforecast=_unforecast(plan))
        wanted += [(variant, 0.0) for variant in less]
    results = run_all(plan, wanted, processes=processes, progress=progress)
    _tell(progress, 0.96, "comparing")
    events = store.read("scheduled_events")[["date", "event"]]
    out = _report(plan, results, events, attribution)
    out["benchmarks"] = benchmarks(store, market, first, last)
    out["replications"] = replications(store)
    if track:
        from training.backtest.record import record

        out["folder"] = record(home, out, results)
    _tell(progress, 1.0, "done")
    return out


def _report(
    plan: Plan, results: dict[tuple[str, float], Replay], events: pd.DataFrame, attribution: bool
) -> dict[str, Any]:
    served = results["served", 0.0]
    ends = {BAND_NAMES[band]: results["served", band] for band in BANDS}
    variants, luck = compare_all(plan.book.equity_cents, results)
    out: dict[str, Any] = {
        "verdict": verdict(variants),
        "from": str(served.daily.index[0].date()),
        "to": str(served.daily.index[-1].date()),
        "sessions": len(served.daily),
        "model_version": plan.forecasts.version,
        "config_hash": plan.settings.config_hash,
        "equity_start_cents": plan.book.equity_cents,
        "stopped": served.stopped,
        "sessions_without_forecast": _unforecast(plan),
        "preopen": _preopen(plan, results),
        "one_day_marks": _one_day_marks(plan),
        "variants": variants,
        **luck,
        "time_shift": shifted(results["served_time_shift", 0.0]),
        "by_rule": {name: by_rule(one) for name, one in ends.items()},
        "strata": {name: strata(one, plan.tape, events) for name, one in ends.items()},
    }
    if attribution:
        out["attribution"] = attribute(results)
        out["attribution_idle"] = idle_parts(plan.settings.policy, out["sessions_without_forecast"])
    return out


def _alternatives(told: Forecasts) -> list[Variant]:
    return [v for v in ALTERNATIVES if told.preopen or not v.preopen]


def _without(
    home: Home,
    store: MarketStore,
    told: Forecasts,
    policy: PolicySettings,
    features: pd.DataFrame,
) -> dict[str, dict[pd.Timestamp, float]]:
    from features.catalog import CATALOG
    from training.backtest.groups import forecasts_without

    return forecasts_without(
        home,
        told.version,
        head=policy.p_head,
        horizon=policy.p_horizon,
        features=features,
        spine=read_spine(store),
        stored=told.evening,
        groups={name: feature.group for name, feature in CATALOG.items()},
    )


def _one_day_marks(plan: Plan) -> str:
    known = np.isfinite(plan.tape.market.column("vix1d")[plan.first : plan.last + 1])
    if known.all():
        return "VIX1D"
    share = 100 * known.mean()
    return (
        f"VIX1D known on {share:.0f} % of sessions: elsewhere the one-day volatility is a band of "
        "0.70 to 1.00 of VIX, and for the 1 DTE book that band is the result"
    )


def _unforecast(plan: Plan) -> int:
    """Count evenings below a VIX of 30, where the head applies, that were not forecast."""
    sessions = plan.tape.market.sessions[plan.first : plan.last]
    applies = plan.tape.market.column("vix")[plan.first : plan.last] < CRISIS
    return sum(
        1 for s, a in zip(sessions, applies, strict=True) if a and s not in plan.forecasts.evening
    )


def _preopen(plan: Plan, results: dict[tuple[str, float], Replay]) -> str:
    if not plan.forecasts.preopen:
        return f"run {plan.forecasts.version} has no forecasts before the opening: not replayed"
    changed = results["served_preopen", 0.0].restricted_at_open
    return f"the forecast before the opening changed what was allowed on {changed} sessions"


def _book(
    home: Home,
    settings: ServingSettings,
    path: Path | None,
    session: pd.Timestamp,
    spot: float,
) -> Book:
    if path is None:
        return paper_book(settings.sizing)
    book = read_book(home, settings.sizing, path)
    check_book(book.condors, book.hedges, session.date(), spot)
    return book


def _tell(progress: Progress | None, fraction: float, text: str) -> None:
    if progress is not None:
        progress(fraction, text)
