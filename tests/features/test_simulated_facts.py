"""Stylised facts: the simulated and the real market keep the same stated bands."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.sources.sim_facts import BANDS, FILES, read_files, stylised_facts
from features.sources.sim_market import generate


def _outside(facts: dict[str, float]) -> dict[str, float]:
    return {
        name: round(facts[name], 4)
        for name, (_, low, high) in BANDS.items()
        if not low <= facts[name] <= high
    }


@pytest.mark.parametrize(("seed", "link"), [(0, 0.0), (3, 0.0), (5, 1.0)])
def test_thirty_simulated_years_keep_every_band(seed: int, link: float) -> None:
    files = generate(years=30, seed=seed, link=link, crypto=False).files
    assert _outside(stylised_facts(files)) == {}


@pytest.mark.real
def test_the_real_market_keeps_every_band(real_data: Path) -> None:
    assert _outside(stylised_facts(read_files(real_data))) == {}


def test_a_market_without_memory_is_found_out() -> None:
    """The bands can fail: returns and VIX in random order keep volatility but lose the rest."""
    files = dict(generate(years=12, seed=0, link=0.0, crypto=False).files)
    rng = np.random.default_rng(0)
    for name, columns in ((FILES[0], ["open", "high", "low", "close"]), (FILES[1], ["vix"])):
        frame = files[name].copy()
        if name == FILES[0]:
            steps = np.log(frame["close"]).diff().fillna(0.0).to_numpy()
            path = np.exp(np.cumsum(rng.permutation(steps)))
            frame[columns] = frame[columns].mul(path / frame["close"], axis=0)
        else:
            frame["vix"] = rng.permutation(frame["vix"].to_numpy())
        files[name] = frame
    assert {"memory_1", "memory_5", "memory_21", "leverage", "vix_half_life"} <= set(
        _outside(stylised_facts(files))
    )


def _crypto_facts(perps: dict[str, pd.DataFrame], totals: pd.DataFrame) -> dict[str, float]:
    returns = {}
    for coin, frame in perps.items():
        close = frame[frame["venue"] == "binance"].set_index("timestamp")["close"]
        returns[coin] = np.log(close[close.index >= "2021-05-01"]).diff()
    btc = totals[(totals["symbol"] == "BTC") & (totals["timestamp"] >= "2021-05-01")]
    liquidated = btc["liq_long_usd"] + btc["liq_short_usd"]
    spread = np.log(btc["perp_high"] / btc["perp_low"])
    return {
        "hourly_volatility": float(returns["btc"].std()),
        "kurtosis": float(returns["btc"].kurt()),
        "memory_1": returns["btc"].abs().autocorr(1),
        "memory_24": returns["btc"].abs().autocorr(24),
        "coins": float(returns["btc"].corr(returns["eth"])),
        "liquidations_and_range": float(liquidated.corr(spread, method="spearman")),
    }


CRYPTO_BANDS = {
    "hourly_volatility": (0.0050, 0.0080),
    "kurtosis": (8.0, 40.0),
    "memory_1": (0.12, 0.35),
    "memory_24": (0.06, 0.25),
    "coins": (0.75, 0.93),
    "liquidations_and_range": (0.60, 0.92),
}


def _crypto_outside(files: dict[str, pd.DataFrame]) -> dict[str, float]:
    perps = {coin: files[f"crypto_{coin}_perp_ohlcv_1h.parquet"] for coin in ("btc", "eth")}
    facts = _crypto_facts(perps, files["crypto_coinglass_daily.parquet"])
    return {k: v for k, v in facts.items() if not CRYPTO_BANDS[k][0] <= v <= CRYPTO_BANDS[k][1]}


def test_simulated_crypto_keeps_its_bands() -> None:
    assert _crypto_outside(generate(years=4, seed=2, link=0.0).files) == {}


@pytest.mark.real
def test_real_crypto_keeps_them_too(real_data: Path) -> None:
    names = [f"crypto_{coin}_perp_ohlcv_1h.parquet" for coin in ("btc", "eth")]
    names.append("crypto_coinglass_daily.parquet")
    assert _crypto_outside({name: pd.read_parquet(real_data / name) for name in names}) == {}
