"""Venue by venue: how the simulated crypto market prints on each exchange."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.sources.sim_crypto import Market
from features.sources.sim_curve import autoregressive

__all__ = ["daily_totals", "funding_rows", "perp_bars", "spot_bars"]

Floats = npt.NDArray[np.float64]

_TICK = {"BTC": 1, "ETH": 2}
_SETTLES = {"binance": 8, "bybit": 8}
_MAINTENANCE_ENDS = pd.Timestamp("2021-10-01", tz="UTC")


def _bars(
    rng: np.random.Generator,
    base: str,
    hours: pd.DatetimeIndex,
    market: Market,
    wick: Floats,
    basis: Floats,
) -> dict[str, Floats]:
    """Open, high, low, close of one venue: the common path, its own basis, its own wicks."""
    size = len(hours)
    close = market.close * np.exp(basis)
    opened = np.concatenate([[market.open_[0] * np.exp(basis[0])], close[:-1]])
    reach = np.abs(0.0003 * rng.standard_normal((2, size)))
    high = np.maximum(market.high * np.exp(basis + reach[0]), np.maximum(opened, close))
    low = np.minimum(market.low * np.exp(basis - reach[1]), np.minimum(opened, close))
    high = high * np.exp(np.maximum(wick, 0.0))
    low = low * np.exp(np.minimum(wick, 0.0))
    digits = _TICK[base]
    return {
        "open": np.round(opened, digits),
        "high": np.round(high, digits),
        "low": np.round(low, digits),
        "close": np.round(close, digits),
    }


def _long_form(
    hours: pd.DatetimeIndex, kind: str, venues: list[str], bars: list[dict[str, Floats]]
) -> pd.DataFrame:
    frame = pd.DataFrame({name: np.concatenate([bar[name] for bar in bars]) for name in bars[0]})
    size = len(hours)
    stamps = np.tile(hours.as_unit("ms").asi8, len(venues))
    frame.insert(0, "timestamp", pd.DatetimeIndex(stamps.astype("M8[ms]")).tz_localize("UTC"))
    frame.insert(1, "venue", pd.Series(pd.Categorical(np.repeat(venues, size), categories=venues)))
    frame.insert(2, "market", pd.Series(pd.Categorical([kind] * len(frame), categories=[kind])))
    return frame


def perp_bars(
    rng: np.random.Generator,
    base: str,
    hours: pd.DatetimeIndex,
    market: Market,
    volumes: dict[str, float],
) -> pd.DataFrame:
    """Hourly perpetual candles of every venue in `volumes` (typical volume an hour)."""
    size, bars = len(hours), []
    for venue, typical in volumes.items():
        basis = autoregressive(rng, size, memory=0.8, deviation=0.0004)
        bar = _bars(rng, base, hours, market, market.wicks[venue], basis)
        scale = market.activity * np.exp(0.1 * rng.standard_normal(size))
        bars.append(bar | {"volume": np.round(typical * scale, 3)})
    return _long_form(hours, "perp", list(volumes), bars)


def spot_bars(
    rng: np.random.Generator, base: str, hours: pd.DatetimeIndex, market: Market, typical: float
) -> pd.DataFrame:
    """Hourly spot candles of Binance, with its maintenance gaps, and of OKX."""
    size, bars = len(hours), []
    for share in (0.25, 0.012):
        basis = -0.0002 - market.premium + 0.0002 * rng.standard_normal(size)
        bar = _bars(rng, base, hours, market, np.zeros(size), basis)
        scale = market.activity * np.exp(0.15 * rng.standard_normal(size))
        bars.append(bar | {"volume": np.round(typical * share * scale, 6)})
    frame = _long_form(hours, "spot", ["binance", "okx"], bars)
    shut = (rng.random(size) < 0.0012) & (hours < _MAINTENANCE_ENDS)
    shut |= np.concatenate([[False], shut[:-1]])  # a gap takes two hours
    return frame[~np.concatenate([shut, np.zeros(size, dtype=bool)])].reset_index(drop=True)


def funding_rows(
    rng: np.random.Generator, base: str, hours: pd.DatetimeIndex, market: Market
) -> pd.DataFrame:
    """Settled funding of two venues: the premium, pulled to 1 bp by the exchanges' clamp."""
    parts = []
    for venue, interval in _SETTLES.items():
        at = np.flatnonzero((hours.hour % interval) == 0)
        # the rate settled at t is made of the premium before t
        premium = market.premium[np.maximum(at - 1, 0)] + 2e-5 * rng.standard_normal(len(at))
        rate = premium + np.clip(1e-4 - premium, -1.5e-4, 1.5e-4)
        parts.append(
            pd.DataFrame(
                {
                    "timestamp": hours[at].as_unit("ms"),
                    "venue": venue,
                    "symbol": f"{base}USDT",
                    "funding_rate": np.round(np.clip(rate, -0.00375, 0.00375), 8),
                    "interval_hours": interval,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def daily_totals(
    rng: np.random.Generator,
    base: str,
    market: Market,
    perps: pd.DataFrame,
    spot: pd.DataFrame,
    tape: pd.DataFrame,
    *,
    settled: pd.DataFrame,
    since: pd.Timestamp,
    factors: tuple[float, float],
    broken: pd.Timestamp,
) -> pd.DataFrame:
    """Daily rows in Coinglass's layout.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of what is no function of the market: ratios and feed noise.
    base : str
        Coin.
    market : Market
        For open interest.
    perps, spot : DataFrame
        Hourly candles; Binance's are summed.
    tape : DataFrame
        Every liquidation of the coin.
    settled : DataFrame
        Funding of the coin.
    since : Timestamp
        First day that has liquidation totals.
    factors : tuple of float
        Total over the tape's, before and from `broken` on.
    broken : Timestamp
        Day of the break in the feed.
    """
    frame = _daily_candle(perps, "perp").join(_daily_candle(spot, "spot"))
    days = pd.DatetimeIndex(frame.index)
    size = len(days)
    factor = np.where(days < broken, factors[0], factors[1]) * np.exp(
        0.05 * rng.standard_normal(size)
    )
    stamp = tape["timestamp"].dt.floor("D")
    for side in ("long", "short"):
        summed = (
            tape["notional_usd"].where(tape["liquidated_side"] == side, 0.0).groupby(stamp).sum()
        )
        liquidated = summed.reindex(days, fill_value=0.0).to_numpy() * factor
        frame[f"liq_{side}_usd"] = np.where(days >= since, np.round(liquidated, 2), np.nan)
    last = np.arange(size) * 24 + 23
    frame["oi_total_close_usd"] = np.round(8.0 * market.open_interest[last] * market.close[last], 2)
    paid = settled["funding_rate"].groupby(settled["timestamp"].dt.floor("D")).mean()
    frame["funding_oi_weighted_pct"] = (100.0 * paid.reindex(days.as_unit("ms")).to_numpy()).round(
        6
    )
    move = np.log(frame["perp_close"].to_numpy() / frame["perp_open"].to_numpy())
    share = np.clip(0.498 + 0.25 * move + 0.006 * rng.standard_normal(size), 0.2, 0.8)
    frame["taker_buy_usd"] = np.round(frame["perp_volume_usd"] * 1.05 * share, 2)
    frame["taker_sell_usd"] = np.round(frame["perp_volume_usd"] * 1.05 * (1.0 - share), 2)
    crowd = autoregressive(rng, size, memory=0.95, deviation=0.2)
    for name, level in (("global", 0.45), ("top_accounts", 0.45), ("top_positions", 0.12)):
        noise = 0.04 * rng.standard_normal(size)
        frame[f"lsr_{name}"] = np.round(np.exp(level + crowd - 1.5 * move + noise), 2)
    frame = frame.reset_index(names="timestamp")
    frame["timestamp"] = frame["timestamp"].astype("datetime64[ms, UTC]")
    frame.insert(1, "symbol", base)
    candle = ("open", "high", "low", "close", "volume_usd")
    order = [f"{kind}_{name}" for kind in ("spot", "perp") for name in candle]
    return frame[
        ["timestamp", "symbol", *order, *frame.columns.drop(["timestamp", "symbol", *order])]
    ]


def _daily_candle(bars: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Sum Binance's hours to days; a daily candle misses the crash hour of a 15 % day."""
    own = bars[bars["venue"] == "binance"]
    day = own["timestamp"].dt.floor("D")
    grouped = own.groupby(day)
    first, worst = grouped["open"].transform("first"), grouped["low"].transform("min")
    missed = (kind == "perp") & (own["low"] == worst) & (worst < 0.85 * first)
    frame = pd.DataFrame(
        {
            "open": grouped["open"].first(),
            "high": grouped["high"].max(),
            "low": own["low"].where(~missed, own["close"]).groupby(day).min(),
            "close": grouped["close"].last(),
            "volume_usd": (own["volume"] * own["close"]).groupby(day).sum().round(2),
        }
    )
    return frame.add_prefix(f"{kind}_")
