"""Shape of the simulated files: the names, columns, types and gaps that real ones have."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.sources.sim_equity import EquityPath
from features.sources.sim_tape import THROTTLED_SINCE

__all__ = ["crypto_files", "equity_files"]

Frames = dict[str, pd.DataFrame]

# first day on which the real file has the column
_FIRST = {
    "vix9d": "2011-01-04", "vix3m": "2009-09-18", "vix6m": "2008-01-02", "vvix": "2006-03-06",
    "skew": "1990-01-02", "vix": "1990-01-02", "dgs10": "2003-01-02", "dgs2": "2000-01-03",
    "dgs3mo_derived": "2003-01-02", "dfii10": "2003-01-02", "t10yie": "2003-01-02",
    "t5yifr": "2003-01-02", "bamlh0a0hym2": "1997-01-02", "bamlc0a0cm": "2023-08-01",
    "dtwexbgs": "2006-01-02", "sp500_breadth": "2009-01-05", "wide": "1998-01-05",
    "spx_open": "1999-01-04", "futures": "2004-03-26",
}  # fmt: skip
_NYSE_HIGHS = ("2005-10-27", "2015-11-11")
_NYSE_END, _NYSE_HOLE = "2020-02-10", ("2015-11-12", "2017-01-02")
_HOLIDAY_VIX = "2022-01-01"  # from here Cboe's VIX file has rows on exchange holidays
_PERP_VENUES = {"binance": 11_000.0, "bybit": 2_700.0, "deribit": 340.0, "okx": 270_000.0}
_ETH_VOLUME = {"binance": 8.6, "bybit": 5.7, "deribit": 9.1, "okx": 1.9}
_CONTRACT = {"BTC": 0.01, "ETH": 0.1}
_LIQUIDATIONS_SINCE = pd.Timestamp("2020-12-23", tz="UTC")
# totals are a feed of the whole market: so much more than the tape of three venues
_TOTALS, _UNTHROTTLED = 8.0, 4.0


def _from(frame: pd.DataFrame, column: str, first: str) -> None:
    frame.loc[frame["date"] < pd.Timestamp(first), column] = np.nan


def equity_files(
    sessions: pd.DatetimeIndex,
    path: EquityPath,
    indices: Frames,
    contracts: pd.DataFrame,
    breadth: Frames,
    macro: pd.DataFrame,
    valuation: pd.DataFrame,
    events: pd.DataFrame,
) -> Frames:
    """Lay out the daily files, with the gaps of the real ones.

    Returns
    -------
    dict of str to DataFrame
        By file name.
    """
    dates = pd.DatetimeIndex(sessions)
    files: Frames = {"spx_ohlcv.csv": _index_bars(dates, path)}
    files |= _volatility_files(dates, indices)
    files["vix_futures_contracts.parquet"] = contracts[
        contracts["date"] >= pd.Timestamp(_FIRST["futures"])
    ].reset_index(drop=True)
    files |= _breadth_files(dates, breadth)

    rates = macro.drop(columns=["aaa", "baa"])
    rates.insert(0, "date", dates)
    for column in rates.columns[1:]:
        if column in _FIRST:
            _from(rates, column, _FIRST[column])
    order = ["date", "dgs10", "dgs2", "dgs3mo_derived", "t10y3m", "t10y2y", "dff", "dfii10",
             "t10yie", "t5yifr", "bamlh0a0hym2", "bamlc0a0cm", "dtwexbgs"]  # fmt: skip
    files["fred_macro_daily.csv"] = rates[order]
    months = macro[["aaa", "baa"]].groupby(dates.to_period("M")).mean().round(2)
    moodys = months.reset_index(names="date")
    moodys["date"] = moodys["date"].dt.to_timestamp()
    files["moodys_aaa_baa_monthly.csv"] = moodys[moodys["date"] <= "2018-12-01"]
    shiller = valuation.copy()
    for column in shiller.columns[2:]:
        last = "2023-06-01" if column in ("dividend", "earnings") else "2023-09-01"
        shiller.loc[shiller["date"] > last, column] = np.nan
    files["shiller_sp500_monthly.csv"] = shiller

    releases = events.assign(kind="scheduled", source="simulated")
    releases = releases[releases["date"] >= "2000-01-01"]
    files["event_calendar_bls.csv"] = releases[releases["event"] != "FOMC"]
    late = {"CPI": "2015-01-01", "NFP": "2022-01-01", "FOMC": "2000-01-01", "PPI": "2999-01-01"}
    kept = releases["date"] >= pd.to_datetime(releases["event"].map(late))
    files["event_calendar.csv"] = releases[kept]
    return files


def _index_bars(dates: pd.DatetimeIndex, path: EquityPath) -> pd.DataFrame:
    bars = pd.DataFrame(
        {
            "date": dates,
            "open": path.open_,
            "high": path.high,
            "low": path.low,
            "close": path.close,
            "volume": 3.5e9 * np.exp(0.9 * np.maximum(path.fast, -0.2) + 0.05 * path.shocks**2),
        }
    )
    bars["volume"] = bars["volume"].round(-4)
    bars["open_volume_source"] = "simulated"
    prices = ["open", "high", "low", "close"]
    bars[prices] = bars[prices].round(2)
    early = bars["date"] < pd.Timestamp(_FIRST["spx_open"])
    bars.loc[early, ["open", "volume"]] = np.nan
    bars.loc[early, "open_volume_source"] = None
    return bars


def _volatility_files(dates: pd.DatetimeIndex, indices: Frames) -> Frames:
    closes = pd.DataFrame({"date": dates})
    long_form = []
    for symbol in ("vix", "vix9d", "vix3m", "vix6m", "vvix", "skew"):
        frame = indices[symbol].assign(date=dates)
        frame = frame[frame["date"] >= _FIRST[symbol]]
        closes = closes.merge(
            frame[["date", "close"]].rename(columns={"close": symbol}), on="date", how="left"
        )
        if "open" in frame:
            long_form.append(
                frame.assign(symbol=symbol)[["date", "symbol", "open", "high", "low", "close"]]
            )
    holidays = pd.bdate_range(max(dates[0], pd.Timestamp(_HOLIDAY_VIX)), dates[-1]).difference(
        dates
    )
    if len(holidays):
        # Cboe prints VIX in the global session while stocks are shut
        before = dates.searchsorted(holidays) - 1
        known = before >= 0
        held = indices["vix"].iloc[before[known]].assign(date=holidays[known])
        extra = held.assign(symbol="vix")[["date", "symbol", "open", "high", "low", "close"]]
        long_form[0] = pd.concat([long_form[0], extra]).sort_values("date")
        rows = held[["date", "close"]].rename(columns={"close": "vix"})
        closes = pd.concat([closes, rows]).sort_values("date", ignore_index=True)
    ohlc = pd.concat(long_form, ignore_index=True).sort_values(
        ["symbol", "date"], ignore_index=True
    )
    return {"cboe_vol_indices_close.csv": closes, "cboe_vol_indices_ohlc.csv": ohlc}


def _breadth_files(dates: pd.DatetimeIndex, breadth: Frames) -> Frames:
    names = ["advances", "declines", "unchanged", "new_highs", "new_lows", "up_volume",
             "down_volume", "unchanged_volume"]  # fmt: skip
    nyse = breadth["nyse"][names].copy()
    nyse.insert(0, "date", dates)
    outside = (nyse["date"] < _NYSE_HIGHS[0]) | (nyse["date"] > _NYSE_HIGHS[1])
    nyse.loc[outside, ["new_highs", "new_lows"]] = np.nan
    gone = nyse["date"] > _NYSE_HIGHS[1]
    nyse.loc[gone, ["unchanged", "up_volume", "down_volume", "unchanged_volume"]] = np.nan
    hole = (nyse["date"] >= _NYSE_HOLE[0]) & (nyse["date"] <= _NYSE_HOLE[1])
    nyse = nyse[~hole & (nyse["date"] <= _NYSE_END)].assign(source="simulated")

    sp = breadth["sp500"]
    own = pd.DataFrame({"date": dates, "n_issues": sp["n_issues"]})
    own[["advances", "declines", "unchanged", "up_volume", "down_volume"]] = sp[
        ["advances", "declines", "unchanged", "up_volume", "down_volume"]
    ]
    own["n_52w"] = sp["n_issues"] - 2
    own["new_highs_52w_close"], own["new_lows_52w_close"] = sp["new_highs"], sp["new_lows"]
    own["n_ma200"] = sp["n_issues"] - 2
    own["n_above_ma50"] = np.minimum(sp["n_above_ma50"], own["n_ma200"])
    own["n_above_ma200"] = np.minimum(sp["n_above_ma200"], own["n_ma200"])
    own = own[own["date"] >= _FIRST["sp500_breadth"]]
    wide = breadth["wide"][["advances", "declines"]].copy()
    wide.insert(0, "date", dates)
    wide = wide[wide["date"] >= _FIRST["wide"]]
    counts = ["advances", "declines"]
    return {
        "nyse_breadth.csv": nyse.astype(dict.fromkeys(counts, "int64")),
        "sp500_breadth_computed.csv": own.astype({c: "int64" for c in own.columns[1:]}),
        "sp500_breadth_thirdparty_computed.csv": wide.astype(dict.fromkeys(counts, "int64")),
    }


def crypto_files(
    seed: np.random.SeedSequence,
    hours: pd.DatetimeIndex,
    markets: dict[str, Any],
    tape: pd.DataFrame,
    public_tape: pd.DataFrame,
) -> Frames:
    """Lay out the crypto files: perps of four venues, spot of two, funding, open interest, tape.

    Parameters
    ----------
    seed : numpy.random.SeedSequence
        Source of venue noise and maintenance gaps.
    hours : DatetimeIndex
        Bar opens (UTC).
    markets : dict of str to Market
        By coin.
    tape : DataFrame
        Every liquidation: the daily totals count these.
    public_tape : DataFrame
        What the feeds show of it.
    """
    from features.sources.sim_venues import daily_totals, funding_rows, perp_bars, spot_bars

    files: Frames = {}
    funding, interest, totals = [], [], []
    for (base, market), own in zip(markets.items(), seed.spawn(len(markets)), strict=True):
        rng = np.random.default_rng(own)
        volumes = {
            venue: typical * (1.0 if base == "BTC" else _ETH_VOLUME[venue])
            for venue, typical in _PERP_VENUES.items()
        }
        perps = perp_bars(rng, base, hours, market, volumes)
        files[f"crypto_{base.lower()}_perp_ohlcv_1h.parquet"] = perps
        spot = spot_bars(rng, base, hours, market, volumes["binance"])
        files[f"crypto_{base.lower()}_spot_ohlcv_1h.parquet"] = spot
        funding.append(funding_rows(rng, base, hours, market))
        interest.append(
            pd.DataFrame(
                {
                    "timestamp": hours.as_unit("ms"),
                    "venue": "bybit",
                    "symbol": f"{base}USDT",
                    "open_interest": np.round(market.open_interest, 3),
                    "unit": "base",
                }
            )
        )
        totals.append(
            daily_totals(
                rng, base, market, perps, spot, tape[tape["coin"] == base],
                settled=funding[-1], since=_LIQUIDATIONS_SINCE,
                factors=(_TOTALS * _UNTHROTTLED, _TOTALS), broken=THROTTLED_SINCE,
            )
        )  # fmt: skip
    files["crypto_funding_rates.parquet"] = pd.concat(funding, ignore_index=True).sort_values(
        ["venue", "symbol", "timestamp"], ignore_index=True
    )
    files["crypto_open_interest_1h.parquet"] = pd.concat(interest, ignore_index=True)
    files["crypto_coinglass_daily.parquet"] = pd.concat(totals, ignore_index=True).sort_values(
        ["symbol", "timestamp"], ignore_index=True
    )
    files["crypto_liquidation_events_okx_hl.parquet"] = _event_rows(public_tape)
    return files


def _event_rows(tape: pd.DataFrame) -> pd.DataFrame:
    """Write the tape in the units of each venue: OKX in contracts, the others in coin."""
    contract = tape["coin"].map(_CONTRACT).to_numpy(dtype=np.float64)
    okx = (tape["venue"] == "okx").to_numpy()
    price = tape["price"].to_numpy(dtype=np.float64)
    amount = tape["notional_usd"].to_numpy(dtype=np.float64) / price
    size = np.round(np.where(okx, amount / contract, amount), np.where(okx, 2, 4).max())
    size = np.maximum(size, np.where(okx, 0.01, 0.0001))
    longs = (tape["liquidated_side"] == "long").to_numpy()
    # Bybit names the side of the position, the others that of the forced order
    raw: npt.NDArray[Any] = np.where(
        tape["venue"] == "bybit",
        np.where(longs, "Buy", "Sell"),
        np.where(okx, np.where(longs, "sell", "buy"), np.where(longs, "SELL", "BUY")),
    )
    return pd.DataFrame(
        {
            "timestamp": tape["timestamp"],
            "venue": tape["venue"],
            "coin": tape["coin"],
            "side_raw": raw,
            "liquidated_side": tape["liquidated_side"],
            "price": price,
            "size_raw": size,
            "size_unit": np.where(okx, "contracts", "coin"),
            "notional_usd": size * np.where(okx, contract, 1.0) * price,
        }
    )
