"""Layouts of the crypto market files: candles, funding, open interest, daily totals."""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.names import constant, renamed
from features.sources.layout import Field, Layout, Part, numbers, ts_field
from features.tables import FEED_BREAK

__all__ = ["LAYOUTS", "OKX_CONTRACT", "base_of"]

#: Base coin in one contract of an OKX perpetual against USDT.
OKX_CONTRACT = {"BTC": 0.01, "ETH": 0.1}
_QUOTE = r"(?:[-_/]?(?:USDT|USDC|USD))?(?:[-_.](?:PERP|SWAP|A))*$"


def base_of(symbols: pd.Series) -> pd.Series:
    """Name the base coin of instruments such as BTCUSDT, XBTUSD, ETH-USDT-SWAP or BTC."""

    def bases(names: pd.Series) -> pd.Series:
        return names.str.upper().str.replace(_QUOTE, "", regex=True).replace("XBT", "BTC")

    return renamed(symbols, bases)


def _bars(rows: pd.DataFrame, base: str, market: str) -> list[Part]:
    volume = rows["volume"].to_numpy()
    if market == "perp":
        volume = np.where(rows["venue"] == "okx", volume * OKX_CONTRACT[base], volume)
    named = rows.rename(columns={"timestamp": "ts"}).assign(
        base=constant(base, rows.index), volume_base=volume
    )
    return [Part(f"{market}_bars", named, f"crypto_{base.lower()}_{market}_ohlcv_1h")]


def _bar_layout(base: str, market: str) -> Layout:
    return Layout(
        f"crypto_{base.lower()}_{market}_ohlcv_1h",
        f"Hourly {base} {'perpetual' if market == 'perp' else market} candles by venue, stamped "
        "at their open.",
        (
            ts_field(),
            Field("venue", "text", "lower case"),
            *numbers("open high low close", "USD or USDT"),
            *numbers(
                "volume",
                "base coin; contracts for OKX perpetuals" if market == "perp" else "base coin",
            ),
        ),
        lambda rows: _bars(rows, base, market),
        (f"{market}_bars",),
    )


def _funding(rows: pd.DataFrame) -> list[Part]:
    named = rows.rename(columns={"timestamp": "ts", "funding_rate": "rate"})
    return [Part("funding", named.assign(base=base_of(rows["symbol"])), "crypto_funding_rates")]


def _open_interest(rows: pd.DataFrame) -> list[Part]:
    named = rows.rename(columns={"timestamp": "ts"}).assign(
        base=base_of(rows["symbol"]), interval_hours=1.0
    )
    return [Part("open_interest", named, "crypto_open_interest_1h")]


def _coinalyze(rows: pd.DataFrame) -> list[Part]:
    named = rows.rename(columns={"timestamp": "ts", "coin": "base", "oi_open": "open_interest"})
    named = named.assign(venue="binance_coinm", unit="usd", interval_hours=24.0)
    return [Part("open_interest", named, "coinalyze")]


def _totals(rows: pd.DataFrame) -> list[Part]:
    names = {
        "symbol": "base",
        "liq_long_usd": "long_usd",
        "liq_short_usd": "short_usd",
        "oi_total_close_usd": "oi_usd",
        "funding_oi_weighted_pct": "funding_pct",
    }
    named = rows.rename(columns=names)
    day = rows["timestamp"].dt.tz_localize(None)
    era = np.where(day < pd.Timestamp(FEED_BREAK), "pre_2021_04_27", "throttled")
    named = named.assign(date=day, feed_era=era)
    said = [
        "long_usd",
        "short_usd",
        "oi_usd",
        "perp_volume_usd",
        "funding_pct",
        "taker_buy_usd",
        "lsr_global",
    ]
    empty = named[said].isna().all(axis=1)
    left_out = {"days with spot prices alone": int(empty.sum())} if empty.any() else {}
    return [Part("liquidation_totals", named[~empty], "coinglass", left_out)]


LAYOUTS: tuple[Layout, ...] = (
    *(_bar_layout(base, market) for base in ("BTC", "ETH") for market in ("perp", "spot")),
    Layout(
        "crypto_funding_rates",
        "Settled funding of perpetuals.",
        (
            ts_field(),
            Field("venue", "text", "lower case"),
            Field("symbol", "text", "instrument"),
            *numbers("funding_rate", "fraction per interval"),
            *numbers("interval_hours", "hours"),
        ),
        _funding,
        ("funding",),
    ),
    Layout(
        "crypto_open_interest_1h",
        "Hourly open interest, stamped at the start of the hour.",
        (
            ts_field(),
            Field("venue", "text", "lower case"),
            Field("symbol", "text", "instrument"),
            *numbers("open_interest", "see unit"),
            Field("unit", "text", "base or usd"),
        ),
        _open_interest,
        ("open_interest",),
    ),
    Layout(
        "crypto_coinalyze_oi_daily",
        "Daily open interest of Binance COIN-M perpetuals; the day's first value is kept.",
        (ts_field(), Field("coin", "text"), *numbers("oi_open", "USD")),
        _coinalyze,
        ("open_interest",),
    ),
    Layout(
        "crypto_coinglass_daily",
        "Daily totals per coin: liquidations, open interest, volume, funding, taker flow.",
        (
            ts_field(),
            Field("symbol", "text", "base coin"),
            *numbers("perp_volume_usd liq_long_usd liq_short_usd oi_total_close_usd", "USD"),
            *numbers("funding_oi_weighted_pct", "percent per 8 hours"),
            *numbers("taker_buy_usd taker_sell_usd", "USD"),
            *numbers("lsr_global", "ratio"),
        ),
        _totals,
        ("liquidation_totals",),
    ),
)
