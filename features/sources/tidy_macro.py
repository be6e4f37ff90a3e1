"""Layouts of the rates, valuation, strategy index and overnight files."""

from __future__ import annotations

import pandas as pd

from features.sources.layout import Field, Layout, Part, date_field, leave_out, melt, numbers

__all__ = ["LAYOUTS"]

FRED_SERIES = {
    "dgs10": "dgs10",
    "dgs2": "dgs2",
    "dgs3mo_derived": "dgs3mo",
    "t10y3m": "t10y3m",
    "t10y2y": "t10y2y",
    "dff": "dff",
    "dfii10": "dfii10",
    "t10yie": "t10yie",
    "t5yifr": "t5yifr",
    "bamlh0a0hym2": "hy_oas",
    "bamlc0a0cm": "ig_oas",
}
SHILLER_SERIES = {
    "sp500": "price",
    "dividend": "dividend",
    "earnings": "earnings",
    "cpi": "cpi",
    "pe10": "cape",
}
STRATEGIES = ("bxm", "bxmd", "put", "bfly", "cndr", "pput", "cll", "cmbo", "sptr", "spx")


def _fred(rows: pd.DataFrame) -> list[Part]:
    weekend = pd.Series(pd.DatetimeIndex(rows["date"]).day_of_week >= 5)
    kept, left_out = leave_out(rows, ("on a weekend", weekend))
    rates = melt(kept, FRED_SERIES, name="series", value="value_pct")
    dollar = kept.loc[kept["dtwexbgs"].notna()].rename(columns={"dtwexbgs": "value_index"})
    return [Part("rates", rates, "fred", left_out), Part("dollar", dollar, "fred")]


def _moodys(rows: pd.DataFrame) -> list[Part]:
    return [
        Part(
            "rates",
            melt(rows, {"aaa": "aaa", "baa": "baa"}, name="series", value="value_pct"),
            "moodys",
        )
    ]


def _shiller(rows: pd.DataFrame) -> list[Part]:
    return [Part("valuation", melt(rows, SHILLER_SERIES, name="series", value="value"), "shiller")]


def _strategies(rows: pd.DataFrame) -> list[Part]:
    levels = melt(rows, {one: one for one in (*STRATEGIES, "vxth")}, name="index", value="level")
    return [Part("strategy_indices", levels, "cboe")]


def _overnight(rows: pd.DataFrame) -> list[Part]:
    return [Part("overnight", rows, "user")]


LAYOUTS: tuple[Layout, ...] = (
    Layout(
        "fred_macro_daily",
        "FRED daily series; dgs3mo_derived is dgs10 - t10y3m.",
        (
            date_field(),
            *numbers(" ".join(FRED_SERIES), "percent"),
            *numbers("dtwexbgs", "index, January 2006 = 100"),
        ),
        _fred,
        ("rates", "dollar"),
    ),
    Layout(
        "moodys_aaa_baa_monthly",
        "Moody's seasoned yields, monthly averages dated the first of the month.",
        (date_field(), *numbers("aaa baa", "percent")),
        _moodys,
        ("rates",),
    ),
    Layout(
        "shiller_sp500_monthly",
        "Shiller's monthly S&P 500 data, dated the first of the month.",
        (
            date_field(),
            *numbers("sp500", "index points"),
            *numbers("dividend earnings", "USD a share, annual"),
            *numbers("cpi", "index"),
            *numbers("pe10", "ratio"),
        ),
        _shiller,
        ("valuation",),
    ),
    Layout(
        "cboe_strategy_indices_monthly",
        "Cboe strategy indices, month-end levels.",
        (
            date_field(),
            *numbers(" ".join(STRATEGIES), "index points"),
            *numbers("vxth", "index points", optional=True),
        ),
        _strategies,
        ("strategy_indices",),
    ),
    Layout(
        "overnight",
        "Overnight moves of ES and VX futures, your own data.",
        (date_field(), Field("symbol", "text", "es or vx"), *numbers("move_pct", "percent")),
        _overnight,
        ("overnight",),
    ),
)
