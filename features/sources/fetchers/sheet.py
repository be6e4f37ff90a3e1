"""Breadth from a spreadsheet or any address that gives a CSV."""

from __future__ import annotations

import io

import pandas as pd

from features.errors import UsageError
from features.sources.fetchers.cboe import sessions_only
from features.sources.fetchers.http import AnswerError
from features.sources.fetchers.job import Batch, Job, Source
from features.sources.fetchers.parse import csv_rows, dates, numbers, settled_once

__all__ = ["SHEET"]

_NEEDED = ("date", "advances", "declines")
_OPTIONAL = (
    "unchanged", "new_highs", "new_lows", "up_volume", "down_volume", "n_above_ma50",
    "n_above_ma200", "n_ma200",
)  # fmt: skip


def _fetch(job: Job) -> list[Batch]:
    own = job.settings.sheet
    if own.url is None:
        raise UsageError(
            "fetch.sheet.url is not set. Expected the address of a CSV with the columns date, "
            "advances, declines; set it, or leave this source out."
        )
    job.tell(0.0, "breadth")
    stored = job.last("breadth", {"universe": own.universe}) is not None
    text = job.client.text(own.url, conditional=stored)
    if text is None:
        return []
    header = pd.read_csv(io.StringIO(text.split("\n", 1)[0]), dtype=str).columns
    present = [name for name in _OPTIONAL if name in set(header.str.strip())]
    raw = csv_rows(text, (*_NEEDED, *present), what="the breadth sheet")
    frame = pd.DataFrame({"date": dates(raw["date"], "%Y-%m-%d", what="the breadth sheet")})
    for name in (*_NEEDED[1:], *present):
        frame[name] = numbers(raw[name], what=f"{name} of the breadth sheet")
    frame = settled_once(frame[frame["advances"].notna()], ["date"], what="the breadth sheet")
    outside = ~sessions_only(frame.assign(whole=True), job)["whole"].reindex(
        frame.index, fill_value=False
    )
    holidays = frame[outside & (frame["date"] <= job.now.tz_localize(None))]
    if len(holidays) > 0.01 * len(frame) and job.since is None:
        raise AnswerError(
            f"the breadth sheet has {len(holidays)} of {len(frame)} rows on days without a "
            "session. Expected exchange days; look at its dates."
        )
    rows = sessions_only(frame, job).assign(universe=own.universe)
    return [Batch("breadth", rows, "sheet")]


SHEET = Source(
    "sheet",
    "breadth from a CSV address (fetch.sheet.url)",
    ("breadth",),
    _fetch,
    lambda settings: settings.sheet.per_second,
)
