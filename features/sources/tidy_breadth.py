"""Layouts of the breadth files."""

from __future__ import annotations

import pandas as pd

from features.sources.layout import Field, Layout, Part, date_field, numbers

__all__ = ["LAYOUTS"]

VOLUME_IN_SHARES_FROM = pd.Timestamp("2002-06-20")


def _exchange_breadth(rows: pd.DataFrame, universe: str) -> list[Part]:
    thousands = rows["date"] < VOLUME_IN_SHARES_FROM
    scale = thousands.map({True: 1000.0, False: 1.0})
    volumes = {name: rows[name] * scale for name in ("up_volume", "down_volume")}
    return [Part("breadth", rows.assign(universe=universe, **volumes), universe)]


def _nyse(rows: pd.DataFrame) -> list[Part]:
    return _exchange_breadth(rows, "nyse")


def _nasdaq(rows: pd.DataFrame) -> list[Part]:
    return _exchange_breadth(rows, "nasdaq")


def _sp500(rows: pd.DataFrame) -> list[Part]:
    named = rows.rename(
        columns={"new_highs_52w_close": "new_highs", "new_lows_52w_close": "new_lows"}
    )
    # Until names have 252 (or 200, or 50) days of history, a count of 0 says nothing.
    young = rows["n_52w"] == 0
    named["new_highs"] = named["new_highs"].mask(young)
    named["new_lows"] = named["new_lows"].mask(young)
    named["n_above_ma50"] = named["n_above_ma50"].mask(young & (rows["n_above_ma50"] == 0))
    named["n_above_ma200"] = named["n_above_ma200"].mask(rows["n_ma200"] == 0)
    return [Part("breadth", named.assign(universe="sp500"), "sp500_breadth_computed")]


def _sp500_wide(rows: pd.DataFrame) -> list[Part]:
    return [
        Part("breadth", rows.assign(universe="sp500_wide"), "sp500_breadth_thirdparty_computed")
    ]


_BREADTH = (
    date_field(),
    *numbers("advances declines unchanged new_highs new_lows", "issues"),
    *numbers("up_volume down_volume", "shares; thousands before 2002-06-20"),
    Field("source", "text", "repository or feed"),
)

LAYOUTS: tuple[Layout, ...] = (
    Layout(
        "nyse_breadth", "Breadth of the New York Stock Exchange.", _BREADTH, _nyse, ("breadth",)
    ),
    Layout("nasdaq_breadth", "Breadth of NASDAQ.", _BREADTH, _nasdaq, ("breadth",)),
    Layout(
        "sp500_breadth_computed",
        "Breadth of today's S&P 500 members (survivorship-biased).",
        (
            date_field(),
            *numbers("advances declines unchanged", "issues"),
            *numbers("up_volume down_volume", "shares"),
            *numbers(
                "n_52w new_highs_52w_close new_lows_52w_close n_ma200 n_above_ma50 n_above_ma200",
                "issues",
            ),
        ),
        _sp500,
        ("breadth",),
    ),
    Layout(
        "sp500_breadth_thirdparty_computed",
        "Breadth of a wide large-cap universe (survivorship-biased).",
        (date_field(), *numbers("advances declines", "issues")),
        _sp500_wide,
        ("breadth",),
    ),
)
