"""Layouts of the volatility index, VIX futures and S&P 500 files."""

from __future__ import annotations

import pandas as pd

from features.sessions import calendar
from features.sources.layout import Field, Layout, Part, date_field, leave_out, melt, numbers

__all__ = ["LAYOUTS"]

VIX_FAMILY = ("vix", "vix1d", "vix9d", "vix3m", "vix6m", "vvix", "skew")
VVIX_FROM = pd.Timestamp("2007-01-01")


def _on_holiday(rows: pd.DataFrame) -> tuple[str, pd.Series]:
    """Mark weekdays without a session: Cboe publishes index rows and trades futures on some."""
    days = pd.DatetimeIndex(rows["date"])
    closed = calendar().covers(days) & ~calendar().contains(days) & (days.day_of_week < 5)
    return "on an exchange holiday", pd.Series(closed)


def _implausible_vvix(rows: pd.DataFrame) -> tuple[str, pd.Series]:
    return "VVIX before 2007", (rows["symbol"] == "vvix") & (rows["date"] < VVIX_FROM)


def _vol_part(rows: pd.DataFrame, source: str) -> Part:
    kept, left_out = leave_out(rows, _on_holiday(rows), _implausible_vvix(rows))
    return Part("vol_indices", kept, source, left_out)


def _closes(rows: pd.DataFrame) -> list[Part]:
    return [
        _vol_part(
            melt(rows, {one: one for one in VIX_FAMILY}, name="symbol", value="close"), "cboe"
        )
    ]


def _ohlc(rows: pd.DataFrame) -> list[Part]:
    return [_vol_part(rows, "cboe")]


def _yahoo(rows: pd.DataFrame) -> list[Part]:
    closes = melt(rows, {one: one for one in VIX_FAMILY}, name="symbol", value="close")
    bills = melt(rows, {"irx": "irx"}, name="series", value="value_pct")
    return [_vol_part(closes, "yahoo"), Part("rates", bills, "yahoo")]


def _futures(rows: pd.DataFrame) -> list[Part]:
    kept, left_out = leave_out(rows, _on_holiday(rows))
    quotes = (kept["volume"] == 0) & kept["open"].isna()
    kept = kept.assign(
        is_final_settlement=kept["date"] == kept["expiry"],
        high=kept["high"].mask(quotes),
        low=kept["low"].mask(quotes),
    )
    return [Part("vix_futures", kept, "vix_futures_contracts", left_out)]


def _spx(rows: pd.DataFrame) -> list[Part]:
    return [Part("spx_bars", rows.rename(columns={"volume": "volume_shares"}), "spx_ohlcv")]


def _spy(rows: pd.DataFrame) -> list[Part]:
    return [Part("spy_bars", rows, "spy_ohlcv")]


_SOURCE = Field("source", "text", "repository or feed")

LAYOUTS: tuple[Layout, ...] = (
    Layout(
        "cboe_vol_indices_close",
        "Cboe volatility index closes, one row a day.",
        (
            date_field(),
            *numbers("vix vix9d vix3m vix6m vvix skew", "index points"),
            *numbers("vix1d", "index points", optional=True),
        ),
        _closes,
        ("vol_indices",),
        rank=0,
    ),
    Layout(
        "cboe_vol_indices_ohlc",
        "Cboe volatility indices, one row a day and symbol.",
        (
            date_field(),
            Field("symbol", "text", "vix, vix1d, vix9d, vix3m, vix6m"),
            *numbers("open high low close", "index points"),
        ),
        _ohlc,
        ("vol_indices",),
        rank=1,
    ),
    Layout(
        "yahoo_vol_indices_close",
        "Second source of volatility index closes, and the 13-week bill rate.",
        (
            date_field(),
            *numbers("vix vix9d vix3m vvix", "index points"),
            *numbers("irx", "percent"),
        ),
        _yahoo,
        ("vol_indices", "rates"),
        rank=2,
    ),
    Layout(
        "vix_futures_contracts",
        "VIX futures by contract.",
        (
            date_field(),
            date_field("expiry"),
            Field("is_monthly", "flag", "true or false"),
            *numbers("open high low close settle", "index points"),
            *numbers("volume open_interest", "contracts"),
            _SOURCE,
        ),
        _futures,
        ("vix_futures",),
    ),
    Layout(
        "spx_ohlcv",
        "S&P 500 index bars.",
        (
            date_field(),
            *numbers("open high low close", "index points"),
            *numbers("volume", "shares"),
        ),
        _spx,
        ("spx_bars",),
    ),
    Layout(
        "vix_futures_continuous",
        "VIX futures ranked by expiry.",
        (),
        None,
        not_stored="computed from vix_futures_contracts, which is stored",
    ),
    Layout(
        "spy_ohlcv",
        "Bars of the ETF SPY.",
        (date_field(), *numbers("open high low close adjusted_close", "dollars")),
        _spy,
        ("spy_bars",),
    ),
)
