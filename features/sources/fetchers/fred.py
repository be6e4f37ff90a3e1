"""FRED: rates, spreads and the broad dollar, one CSV a series, no key."""

from __future__ import annotations

import pandas as pd

from features.sources.fetchers.http import AnswerError
from features.sources.fetchers.job import Batch, Job, Source
from features.sources.fetchers.parse import csv_rows, dates, numbers, settled_once

__all__ = ["FRED"]

_RATES = {
    "DGS10": "dgs10", "DGS2": "dgs2", "T10Y3M": "t10y3m", "T10Y2Y": "t10y2y", "DFF": "dff",
    "DFII10": "dfii10", "T10YIE": "t10yie", "T5YIFR": "t5yifr", "BAMLH0A0HYM2": "hy_oas",
    "BAMLC0A0CM": "ig_oas", "AAA": "aaa", "BAA": "baa",
}  # fmt: skip
_DOLLAR = "DTWEXBGS"
_OVERLAP = pd.Timedelta(days=40)  # revisions of the last weeks are seen


def _fetch(job: Job) -> list[Batch]:
    found: dict[str, pd.DataFrame] = {}
    for place, (code, name) in enumerate({**_RATES, _DOLLAR: ""}.items()):
        job.tell(place / (len(_RATES) + 1), code)
        table, where = ("rates", {"series": name}) if name else ("dollar", {})
        last = job.last(table, where)
        start = job.since.tz_localize(None).normalize() if job.since is not None else None
        if start is None and last is not None:
            start = last - _OVERLAP
        frame = _series(job, code, start, stored=last is not None)
        if frame is not None:
            found[name] = frame
    if not found:
        return []
    batches = []
    dollar = found.pop("", None)
    if found:
        if "dgs10" in found and "t10y3m" in found:
            found["dgs3mo"] = _bills(found["dgs10"], found["t10y3m"])
        rates = pd.concat(frame.assign(series=name) for name, frame in found.items())
        batches.append(Batch("rates", rates.rename(columns={"value": "value_pct"}), "fred"))
    if dollar is not None:
        batches.append(Batch("dollar", dollar.rename(columns={"value": "value_index"}), "fred"))
    return batches


def _series(
    job: Job, code: str, start: pd.Timestamp | None, *, stored: bool
) -> pd.DataFrame | None:
    what = f"FRED {code}"
    params = {"id": code}
    if start is not None:
        params["cosd"] = str(start.date())
    url = job.settings.fred.base_url + "/graph/fredgraph.csv"
    text = job.client.text(url, params=params, conditional=stored)
    if text is None:
        return None
    # the date column was called DATE before it was called observation_date
    head = "DATE" if text.startswith("DATE,") else "observation_date"
    raw = csv_rows(text, (head, code), what=what)
    frame = pd.DataFrame(
        {
            "date": dates(raw[head], "%Y-%m-%d", what=what),
            "value": numbers(raw[code], what=what),
        }
    )
    # a holiday is "." or empty; weekend rows repeat Friday's or are month-end values
    kept = frame[frame["value"].notna()]
    if code not in ("AAA", "BAA"):
        kept = kept[kept["date"].dt.day_of_week < 5]
    if kept.empty:
        raise AnswerError(f"{what} has no value at all. Expected its history; try again later.")
    return settled_once(kept, ["date"], what=what)


def _bills(tens: pd.DataFrame, spread: pd.DataFrame) -> pd.DataFrame:
    """Derive the three-month yield as the tidy file does: ten years less the spread."""
    both = tens.merge(spread, on="date", suffixes=("", "_spread"))
    return pd.DataFrame(
        {"date": both["date"], "value": (both["value"] - both["value_spread"]).round(2)}
    )


FRED = Source(
    "fred",
    "Treasury yields, the funds rate, credit spreads, the dollar",
    ("rates", "dollar"),
    _fetch,
    lambda settings: settings.fred.per_second,
)
