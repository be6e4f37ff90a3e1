"""The macro tables: rates, the dollar, valuation, strategy indices, events, overnight moves."""

from __future__ import annotations

from features.availability import (
    after_days,
    before_open,
    business_day_after,
    by_rows,
    day_of_next_month,
    days_after_month_end,
    next_session_clock,
    scheduled,
)
from features.schema import Column, Table
from features.table_parts import DATE

__all__ = ["MACRO_TABLES"]

RATE_SERIES = (
    "dgs10", "dgs2", "dgs3mo", "t10y3m", "t10y2y", "dff", "dfii10", "t10yie", "t5yifr",
    "hy_oas", "ig_oas", "aaa", "baa", "irx",
)  # fmt: skip
STRATEGY_INDICES = (
    "bxm", "bxmd", "put", "bfly", "cndr", "pput", "cll", "cmbo", "sptr", "spx", "vxth",
)  # fmt: skip

MACRO_TABLES: tuple[Table, ...] = (
    Table(
        name="rates",
        about=(
            "Treasury yields and spreads, the funds rate, break-evens, credit spreads and "
            "Moody's monthly averages, one row per date and series, in percent. `dgs3mo` is "
            "dgs10 - t10y3m. Weekend rows (ICE month-end values) are left out. The stored values "
            "are the latest vintage that was imported. `aaa` and `baa` are monthly, dated the "
            "first of their month, and follow the rule of the 5th of the next month."
        ),
        key=("date", "series"),
        columns=(
            DATE,
            Column("series", "text", "", "Which rate.", required=True, choices=RATE_SERIES),
            Column("value_pct", "number", "percent", "The rate.", required=True, low=-20, high=60),
        ),
        availability=by_rows(
            day_of_next_month(5, "16:30"),
            business_day_after("16:30"),
            lambda rows: rows["series"].isin(["aaa", "baa"]).to_numpy(dtype=bool),
            "for `aaa` and `baa`",
        ),
        cadence="session",
        fresh_sessions=3,
        essential=("dgs10",),
        monthly=("aaa", "baa"),
    ),
    Table(
        name="dollar",
        about=(
            "Broad trade-weighted dollar index of the Federal Reserve (DTWEXBGS), January 2006 = "
            "100. It is published weekly; eight days cover the longest wait."
        ),
        key=("date",),
        columns=(
            DATE,
            Column(
                "value_index",
                "number",
                "index, January 2006 = 100",
                "Level.",
                required=True,
                above=0,
            ),
        ),
        availability=after_days(8, "16:30"),
        cadence="session",
        fresh_sessions=10,
    ),
    Table(
        name="valuation",
        about=(
            "Shiller's monthly S&P 500 price, dividend, earnings, consumer prices and cyclically "
            "adjusted P/E, dated the first of their month. Dividends and earnings end 2023-06, "
            "the rest but the price 2023-09; a missing value is absent, never the source's 0. No "
            "price-to-cash-flow exists here."
        ),
        key=("date", "series"),
        columns=(
            DATE,
            Column(
                "series",
                "text",
                "",
                "Which quantity.",
                required=True,
                choices=("price", "dividend", "earnings", "cpi", "cape"),
            ),
            Column(
                "value",
                "number",
                "index points, USD a share, index, or ratio",
                "The value.",
                required=True,
                above=0,
            ),
        ),
        availability=days_after_month_end(45, "16:30"),
        cadence="month",
    ),
    Table(
        name="strategy_indices",
        about=(
            "Cboe strategy indices and the S&P 500 total return, month-end levels. Without a "
            "daily history they serve to check a back-test, not as features."
        ),
        key=("date", "index"),
        columns=(
            DATE,
            Column("index", "text", "", "Which index.", required=True, choices=STRATEGY_INDICES),
            Column("level", "number", "index points", "Level.", required=True, above=0),
        ),
        availability=next_session_clock("16:20"),
        cadence="month",
    ),
    Table(
        name="scheduled_events",
        about=(
            "FOMC decisions and CPI, PPI and NFP releases, one row per date and event. A row of "
            "kind `cancelled` takes back a date that was announced before, from its own "
            "publication on, so that a rescheduled release is not known early. Where files give "
            "no `published_at`, days that were moved at short notice (2004 PPI, 2013 and 2025-26 "
            "shutdowns) count as known 60 days ahead, which they were not."
        ),
        key=("date", "event"),
        columns=(
            Column("date", "date", "date", "Day of the announcement, New York.", required=True),
            Column(
                "event",
                "text",
                "",
                "Which release.",
                required=True,
                choices=("FOMC", "CPI", "PPI", "NFP"),
            ),
            Column(
                "kind",
                "text",
                "",
                "How sure the date is.",
                required=True,
                choices=("scheduled", "unscheduled", "tentative", "cancelled"),
            ),
            Column("published_at", "moment", "UTC", "When the date was made public."),
            Column(
                "release_time",
                "moment",
                "UTC",
                "When the figures come out; empty where the hour is unknown.",
            ),
        ),
        availability=scheduled(),
        cadence="event",
        precedence=("bls", "calendar"),
    ),
    Table(
        name="overnight",
        about=(
            "Overnight moves of index and VIX futures, from the user's own data alone: the "
            "control for what crypto shows before the open. One row per coming session and "
            "symbol."
        ),
        key=("date", "symbol"),
        columns=(
            Column("date", "date", "date", "The session that is about to open.", required=True),
            Column(
                "symbol",
                "text",
                "",
                "`es` (S&P 500 futures) or `vx` (front VIX future).",
                required=True,
                choices=("es", "vx"),
            ),
            Column(
                "move_pct",
                "number",
                "percent",
                "Change from the last settlement to 08:55 New York.",
                required=True,
                low=-90,
                high=500,
            ),
        ),
        availability=before_open("08:55"),
        cadence="session",
    ),
)
