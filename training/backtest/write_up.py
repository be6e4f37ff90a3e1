"""From replays to tables: bands, comparisons at equal risk, luck, and the first line."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.errors import DataError
from features.store import MarketStore
from training.backtest.engine import Replay
from training.backtest.market import Market
from training.backtest.measures import (
    book_returns,
    deflated_sharpe,
    excess_returns,
    paired_gain,
    summary,
)
from training.backtest.replicate import replicate
from training.backtest.variants import ALTERNATIVES
from training.overfitting import overfitting_probability

__all__ = ["BAND_NAMES", "benchmarks", "compare_all", "screen_rows", "verdict"]

_BOOKS = ("condor_1dte", "condor_30_60", "alvh", "cash")
_TRADED = _BOOKS[:3]
_BLOCKS = 10
BAND_NAMES = {-1.0: "low", 0.0: "mid", 1.0: "high"}


def compare_all(
    start_cents: int, results: dict[tuple[str, float], Replay]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Summarise every alternative at each end of the smile's band, and how much is luck.

    Parameters
    ----------
    start_cents : int
        Equity before the first session.
    results : dict
        Replays by (name, band).

    Returns
    -------
    dict, dict
        By variant and band the summary, profit by book, and the gain of `served` over it: as it
        is, and with the variant scaled down to the served policy's mean open risk where it took
        more. Then `deflated_sharpe`, `overfitting_probability`, `trials`: every replay at mid marks
        counts as a trial, those with a part switched off included.
    """
    bands = sorted({band for _, band in results})
    names = [v.name for v in ALTERNATIVES if (v.name, 0.0) in results]
    variants: dict[str, Any] = {}
    for name in names:
        rows = {}
        for band in bands:
            if (name, band) in results:
                rows[BAND_NAMES[band]] = _one(start_cents, results, name, band)
        variants[name] = rows
    tried = {name: result for (name, band), result in results.items() if band == 0.0}
    return variants, _luck(start_cents, tried)


def verdict(variants: dict[str, Any]) -> str:
    """Say in one line whether the forecast overlay helped over the same rules without forecasts."""
    gaps = [row["served_gain"] for row in variants["rules_no_forecast"].values()]
    low, high = min(g["low_pct"] for g in gaps), max(g["high_pct"] for g in gaps)
    span = f"between {low:.1f} and {high:.1f} percent of equity a year"
    if low > 0:
        return f"The forecast overlay helps at every end of the marking band: {span}."
    if high < 0:
        return f"The forecast overlay does not help: it costs money, {span}."
    return (
        "The forecast overlay does not help demonstrably: its gain over the rules without "
        f"forecasts lies {span} (90 % intervals over the marking band), which includes zero."
    )


def screen_rows(report: dict[str, Any]) -> list[dict[str, str]]:
    """Give one row a variant, each figure at both ends of the smile's band."""
    rows = []
    for name, bands in report["variants"].items():
        gains = [row["served_gain"] for row in bands.values() if "served_gain" in row]
        low = min((g["low_pct"] for g in gains), default=0.0)
        high = max((g["high_pct"] for g in gains), default=0.0)
        rows.append(
            {
                "variant": name,
                "return % a year": _ends(bands, "annual_return_pct"),
                "worst drawdown %": _ends(bands, "max_drawdown_pct"),
                "gain of served, % a year": f"{low:.1f} to {high:.1f}" if gains else "",
            }
        )
    return rows


def _ends(bands: dict[str, Any], key: str) -> str:
    values = [row[key] for row in bands.values()]
    return f"{min(values):.1f} to {max(values):.1f}"


def benchmarks(store: MarketStore, market: Market, first: int, last: int) -> dict[str, Any]:
    """Give CNDR and VXTH as replicated, cash, and the index with dividends, over the same span."""
    sessions = market.sessions
    begin, end = sessions[first], sessions[last]
    out: dict[str, Any] = {}
    for name in ("cndr", "vxth"):
        try:
            row = replicate(store, name, start=begin, end=end)
        except DataError as error:
            out[name] = {"refused": str(error)}
            continue
        keys = ("from", "to", "annual_return_model_pct", "annual_vol_model_pct")
        out[name] = {key: row[key] for key in (*keys, "annual_return_band_pct")}
    span = slice(first, last)
    day = sessions.to_numpy().astype("datetime64[D]").astype(np.int64)
    days: NDArray[np.float64] = np.diff(day).astype(np.float64)[first:last]
    years = float(days.sum()) / 365
    cash = float(np.nansum(market.column("rate")[span] * days / 365))
    close, paid = market.column("close"), market.column("dividend")
    carried = float(np.nansum(paid[span] * days / 365))
    whole = float(np.log(close[last] / close[first])) + carried
    out["cash"] = {"annual_return_model_pct": round(float(np.expm1(cash / years)) * 100, 3)}
    out["spx_total_return"] = {
        "annual_return_model_pct": round(float(np.expm1(whole / years)) * 100, 3)
    }
    return out


def _one(
    start_cents: int, results: dict[tuple[str, float], Replay], name: str, band: float
) -> dict[str, Any]:
    daily, served = results[name, band].daily, results["served", band].daily
    row = summary(daily, start_cents)
    row["profit_by_book_cents"] = {book: int(daily[book].sum()) for book in _BOOKS}
    if name == "served":
        return row
    both = served.index.intersection(daily.index)
    ours, theirs = (book_returns(d.loc[both], _TRADED) for d in (served, daily))
    taken, risked = (float((d["risk"] / d["equity"]).mean()) for d in (served, daily))
    scale = min(1.0, taken / risked) if risked > 0 else 1.0
    row["served_gain"] = paired_gain(ours, theirs)
    row["risk_scale"] = round(scale, 4)
    row["served_gain_equal_risk"] = paired_gain(ours, theirs * scale)
    return row


def _luck(start_cents: int, replays: dict[str, Replay]) -> dict[str, Any]:
    returns = {}
    for name, result in replays.items():
        returns[name] = excess_returns(result.daily, start_cents)
    length = min(len(r) for r in returns.values())
    table = np.column_stack([r[:length] for r in returns.values()])
    sharpes = table.mean(axis=0) / np.maximum(table.std(axis=0, ddof=1), 1e-12)
    blocks = np.array_split(-table, _BLOCKS)
    odds = None
    if length >= 4 * _BLOCKS and table.shape[1] > 1:
        found = overfitting_probability(np.stack([block.mean(axis=0) for block in blocks]))
        odds = round(found.probability, 4)
    return {
        "trials": len(returns),
        "deflated_sharpe": deflated_sharpe(table[:, 0], sharpes),
        "overfitting_probability": odds,
    }
