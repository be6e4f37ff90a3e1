"""The results page's table of replicated indices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from training.backtest.page_tables import table

__all__ = ["replication_lines"]

_CORRELATION, _POINTS = 0.95, 1.0  # what is aimed at
_AIMED = ("cndr", "put", "bfly")
_JUDGED_FROM = "2008"


def replication_lines(found: Sequence[Mapping[str, Any]]) -> list[str]:
    """Show the replications, and say which meet the aim out of sample.

    Parameters
    ----------
    found : sequence of mapping
        What `replications` gave: a row an index and span, or why it was refused.
    """
    lines = [
        "## Replications",
        "",
        "Correlation and tracking error of monthly returns; annual figures in percent; the band is "
        "the model's return at both ends of the smile's uncertainty. To 2007 is where the smile "
        "was calibrated, from 2008 is out of sample.",
        "",
    ]
    known = [row for row in found if "refused" not in row]
    keys = (
        ("monthly_corr", ".3f"),
        ("tracking_error_pct", ".2f"),
        ("annual_return_model_pct", ".2f"),
        ("annual_return_index_pct", ".2f"),
        ("annual_vol_model_pct", ".2f"),
        ("annual_vol_index_pct", ".2f"),
    )
    rows = []
    for row in known:
        low, *_, high = row["annual_return_band_pct"]
        rows.append(
            [
                str(row["index"]).upper(),
                f"{row['from']} to {row['to']}",
                str(row["months"]),
                *("no levels" if row[k] is None else format(row[k], how) for k, how in keys),
                f"{low:.2f} to {high:.2f}",
            ]
        )
    heads = ["index", "span", "months", "correlation", "tracking error", "return, model"]
    heads += ["return, index", "vol, model", "vol, index", "band"]
    lines += [*table(heads, rows), ""]
    missed = [one for row in known for one in [_judged(row)] if one]
    if missed:
        lines += [
            f"The aim is a correlation of {_CORRELATION} and a return within {_POINTS:g} point, "
            f"out of sample, for {', '.join(name.upper() for name in _AIMED)}. {' '.join(missed)}",
            "",
        ]
    unmarked = {month for row in known for month in row["months_unmarked"]}
    if unmarked:
        lines += [
            f"Months left out, for their month-end has no VIX close: {', '.join(sorted(unmarked))}."
            "",
            "",
        ]
    refused = {f"{row['index'].upper()}: {row['refused']}" for row in found if "refused" in row}
    return [*lines, *(f"Not replicated: {text}\n" for text in sorted(refused))]


def _judged(row: Mapping[str, Any]) -> str:
    if row["index"] not in _AIMED or row["from"] < _JUDGED_FROM or row["monthly_corr"] is None:
        return ""
    name, off = (
        row["index"].upper(),
        row["annual_return_model_pct"] - row["annual_return_index_pct"],
    )
    short = _CORRELATION - row["monthly_corr"]
    says = [
        "meets the correlation" if short <= 0 else f"**misses the correlation by {short:.3f}**",
        f"{'meets' if abs(off) <= _POINTS else '**misses**'} the return ({off:+.2f} points)",
    ]
    return f"{name} {' and '.join(says)}."
