"""A report as the page `docs/results.md`: every table and sentence comes from the report.

Usage: python -m training.backtest.page REPORT.json > docs/results.md. `backtest run` writes the
same page as `results.md` beside its report.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from training.backtest.attribution import PREFIX
from training.backtest.page_replications import replication_lines
from training.backtest.page_tables import cells, table

__all__ = ["results_page"]

_ENDS = ("low", "mid", "high")
_ONE_DAY = "condor_1dte"
_LONGER = "condor_30_60"
_STRATA = {
    "vix_band": "VIX band, evening before",
    "event": "release on the session",
    "event_window": "release within one session",
    "year": "year",
}


def results_page(report: Mapping[str, Any]) -> str:
    """Write a report down as Markdown.

    Parameters
    ----------
    report : mapping
        What `backtest run` found, as in its ``report.json``.

    Returns
    -------
    str
        The verdict first; then replications, variants, attribution, and where the money came from.
    """
    lines = [
        f"**{report['verdict']}**",
        "",
        "# Results",
        "",
        "Written by `stormpetrel backtest run` (`results.md` beside its report). How it is done, "
        "and what the replications still lack: [backtest.md](backtest.md).",
        "",
        *replication_lines(report.get("replications", [])),
        *_replay(report),
        *_attribution(report),
        *_money(report),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _replay(report: Mapping[str, Any]) -> list[str]:
    variants, start = report["variants"], report["equity_start_cents"] / 100
    stopped = report["stopped"] or "It ran to the end of its span."
    lines = [
        "## Replay of the served policy",
        "",
        f"Sessions {report['from']} to {report['to']} ({report['sessions']:,}), walk-forward "
        f"forecasts of model {report['model_version']}, start {start:,.0f} dollars. "
        f"{_sentence(report['one_day_marks'])} {_sentence(stopped)} Evenings below a VIX of 30 "
        f"that were not forecast: {report['sessions_without_forecast']:,}. Cash, marks and fees "
        "closed to the cent on every session of every replay.",
        "",
        "Each figure stands at the low / central / high end of the smile's band. Where the 1 DTE "
        "book is in it, the central one is left out: nothing between the ends means anything "
        "without VIX1D or quotes.",
        "",
    ]
    figures = (
        ("annual_return_pct", "return, % a year", ".1f"),
        ("max_drawdown_pct", "worst drawdown, %", ".1f"),
        ("cvar95_daily_pct", "worst 5 % of days, mean %", ".2f"),
        ("time_under_water_sessions", "longest under water, sessions", ",d"),
        ("sharpe", "Sharpe over cash", ".2f"),
        ("mean_open_risk_pct", "mean open risk, %", ".1f"),
    )
    rows = [
        [name, *(cells(_picked(bands), key, how) for key, _, how in figures)]
        for name, bands in variants.items()
    ]
    lines += table(["variant", *(title for _, title, _ in figures)], rows)
    lines += ["", _compared(report["benchmarks"]), ""]
    lines += ["Profit by book over the whole span, dollars:", ""]
    rows = []
    for name, bands in variants.items():
        by_book = {e: row["profit_by_book_cents"] for e, row in bands.items()}
        rows.append([name, *_books(by_book, lambda row, book: f"{row[book] / 100:,.0f}")])
    lines += table(["variant", "1 DTE, low / high", *_BOOK_TITLES], rows)
    lines += [
        "",
        "Gain of the served policy over each variant, percent of equity a year, with its 90 % "
        "interval (paired stationary block bootstrap); at equal risk the variant is scaled down to "
        "the served mean open risk where it took more:",
        "",
    ]
    rows = []
    for name, bands in variants.items():
        kinds = ("served_gain", "served_gain_equal_risk")
        if all(kind in row for row in bands.values() for kind in kinds):
            rows.append([name, *(_gain(bands[e][k]) for k in kinds for e in ("low", "high"))])
    heads = ["over", "low end", "high end", "low end, equal risk", "high end, equal risk"]
    lines += table(heads, rows)
    shift = report["time_shift"]
    return [
        *lines,
        "",
        f"Before the opening: {report['preopen']}. Time-shifting at central marks: "
        f"{shift['rolls']} rolls in {shift['chains']} chains; closing the first packages came to "
        f"{shift['first_loss_cents'] / 100:,.0f} dollars, the chains as wholes to "
        f"{shift['chains_cents'] / 100:,.0f}.",
        "",
        f"Deflated Sharpe ratio over {report['trials']} trials "
        f"{_known(report['deflated_sharpe'])}, probability of over-fitting "
        f"{_known(report['overfitting_probability'])} (every replay at central marks is a trial).",
        "",
    ]


def _attribution(report: Mapping[str, Any]) -> list[str]:
    found = report.get("attribution")
    if not found:
        return ["## Attribution", "", "Left out of this run (`--no-attribution`).", ""]
    rows = []
    for name, row in found.items():
        hedge = _gain(row["alvh"]) if "alvh" in row else ""
        rows.append(
            [
                name.removeprefix(PREFIX),
                _gain(row),
                _gain(row[_LONGER]),
                hedge,
                f"{row['sessions_changed']:,}",
            ]
        )
    idle = [f"{name} ({why})" for name, why in report["attribution_idle"].items()]
    heads = ["part", "all traded books", "30-60 DTE book", "hedge", "sessions whose profit changes"]
    return [
        "## Attribution",
        "",
        "Gain of having each part at central marks, percent of equity a year with the 90 % "
        "interval: condors without the hedge, and for rows of the hedge all books. The columns of "
        "the 30-60 DTE book and the hedge do not rest on the one-day band. Where a row of the VIX "
        "ladder is switched off, the next row down the ladder takes over, and below the last one "
        "nothing is opened ([backtest.md](backtest.md) says which stands in for which).",
        "",
        *table(heads, rows),
        "",
        _clear("On the 30-60 DTE book", found, _LONGER),
        _clear("On the hedge", found, "alvh"),
        "",
        f"No replay can move these: {'; '.join(idle)}.",
        "",
    ]


def _clear(where: str, found: Mapping[str, Any], book: str) -> str:
    """Say which parts' intervals leave zero out, and how many would by luck."""
    moved = {n: r[book] for n, r in found.items() if book in r and _moved(r[book])}
    clear = {n: r for n, r in moved.items() if r["low_pct"] > 0 or r["high_pct"] < 0}
    names = ", ".join(
        f"{n.removeprefix(PREFIX)} ({'gain' if r['annual_pct'] > 0 else 'cost'})"
        for n, r in clear.items()
    )
    return (
        f"{where} {len(clear)} of {len(moved)} intervals that moved leave zero out"
        f"{': ' + names if names else ''}; at 90 % a tenth of them, {len(moved) / 10:.1f}, would "
        "by luck alone."
    )


def _moved(row: Mapping[str, float]) -> bool:
    return any(row[key] != 0 for key in ("annual_pct", "low_pct", "high_pct"))


def _money(report: Mapping[str, Any]) -> list[str]:
    ends = report["strata"]
    lines = [
        "## Where the money came from",
        "",
        "Served policy, sums of daily profits in percent of the equity before each. The 1 DTE "
        "columns move with the one-day volatility: compare rows, not signs.",
        "",
    ]
    for kind, title in _STRATA.items():
        rows = []
        for label, row in ends["mid"][kind].items():
            pct = {e: ends[e][kind][label]["pct"] for e in _ENDS if label in ends[e][kind]}
            books = _books(pct, lambda one, book: f"{round(one[book], 1) + 0.0:.1f}")
            rows.append([label, f"{row['sessions']:,}", *books])
        lines += [*table([title, "sessions", "1 DTE, low / high", *_BOOK_TITLES], rows), ""]
    by_rule = report["by_rule"]
    names = sorted({n for rows in by_rule.values() for n in rows})
    rows = []
    for name in names:
        per = [by_rule[e].get(name, {"trades": 0, "cents": 0}) for e in _ENDS if e in by_rule]
        trades = " / ".join(f"{r['trades']:,}" for r in per)
        rows.append([name, trades, " / ".join(f"{r['cents'] / 100:,.0f}" for r in per)])
    heads = ["deciding rule", "trades, low / mid / high", "cash, dollars, low / mid / high"]
    return [*lines, *table(heads, rows), ""]


_BOOK_TITLES = ("30-60 DTE, low / mid / high", "hedge, low / mid / high")


def _books(ends: Mapping[str, Any], show: Any) -> list[str]:
    """Give a cell for each book: both ends for 1 DTE, all three for what does not rest on it."""
    out = []
    for book in (_ONE_DAY, _LONGER, "alvh"):
        wanted = [e for e in _ENDS if e in ends and not (book == _ONE_DAY and e == "mid")]
        out.append(" / ".join(show(ends[e], book) for e in wanted))
    return out


def _picked(bands: Mapping[str, Any]) -> list[Any]:
    """Choose the ends shown: all three only where the 1 DTE book never traded."""
    traded = any(row["profit_by_book_cents"][_ONE_DAY] for row in bands.values())
    return [bands[e] for e in _ENDS if e in bands and not (traded and e == "mid")]


def _compared(found: Mapping[str, Any]) -> str:
    parts = []
    for name, row in found.items():
        if "refused" in row:
            parts.append(f"{name} unknown ({row['refused']})")
            continue
        text = f"{name} {row['annual_return_model_pct']:.1f} %"
        if "annual_return_band_pct" in row:
            ends: Iterable[float] = row["annual_return_band_pct"]
            first, *_, last = ends
            text += f" ({first:.1f} to {last:.1f})"
        parts.append(text)
    return f"Over the same span, a year: {'; '.join(parts)}."


def _gain(row: Mapping[str, float]) -> str:
    return f"{row['annual_pct']:.2f} [{row['low_pct']:.2f}, {row['high_pct']:.2f}]"


def _known(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4f}"


def _sentence(text: str) -> str:
    return text if text.endswith(".") else f"{text}."


def main(arguments: Sequence[str]) -> None:
    """Print the page of a ``report.json``."""
    print(results_page(json.loads(Path(arguments[0]).read_text(encoding="utf-8"))), end="")


if __name__ == "__main__":
    main(sys.argv[1:])
