"""Stylised facts of a market's files, real or simulated, and the bands a simulation must keep.

``python -m features.sources.sim_facts FOLDER [FOLDER ...]`` prints them side by side.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.bands import BAND_EDGES

__all__ = ["BANDS", "FILES", "read_files", "stylised_facts"]

Floats = npt.NDArray[np.float64]

FILES = ("spx_ohlcv.csv", "cboe_vol_indices_close.csv", "vix_futures_contracts.parquet")
_OPENS_SINCE = "2009-01-01"  # published index opens before are mostly the close before

#: What a fact is, and the band that 30 years of any simulated market keep, as does the real one.
BANDS: dict[str, tuple[str, float, float]] = {
    "volatility": ("standard deviation of daily log returns, a year", 0.14, 0.22),
    "kurtosis": ("excess kurtosis of daily log returns", 5.0, 25.0),
    "memory_1": ("autocorrelation of absolute returns, lag 1", 0.12, 0.40),
    "memory_5": ("the same, lag 5", 0.12, 0.40),
    "memory_21": ("the same, lag 21", 0.07, 0.25),
    "return_memory": ("autocorrelation of returns, lag 1", -0.15, 0.10),
    "leverage": ("correlation of the return and the change of log VIX", -0.80, -0.58),
    "vix_mean": ("mean VIX", 16.5, 22.5),
    "vix_half_life": ("half-life of log VIX from its first autocorrelation, sessions", 22.0, 48.0),
    "vix_change": ("standard deviation of daily changes of log VIX", 0.060, 0.080),
    "share_calm": ("share of closes below 15", 0.18, 0.47),
    "share_normal": ("share from 15 to 20", 0.22, 0.36),
    "share_elevated": ("share from 20 to 30", 0.18, 0.36),
    "share_crisis": ("share from 30", 0.04, 0.18),
    "premium": ("mean daily move that VIX implies over the mean absolute return", 1.45, 1.75),
    "breach": ("share of returns beyond the move that VIX implied", 0.15, 0.21),
    "spike": ("share of sessions on which VIX closes 10 % up", 0.05, 0.09),
    "shift_up_5": ("rate of the shift_up label at 5 sessions", 0.10, 0.18),
    "shift_down_5": ("rate of the shift_down label at 5 sessions", 0.15, 0.28),
    "gap_share": ("variance of the overnight return over that of the day", 0.08, 0.25),
    "range": ("mean log high over low, over the mean absolute return", 1.45, 1.85),
    "inverted_spot": ("share of sessions with VIX above VIX3M", 0.04, 0.14),
    "inverted_futures": ("share of sessions with VX1 above VX2", 0.10, 0.28),
}


def read_files(folder: Path) -> dict[str, pd.DataFrame]:
    """Read the files that the facts need."""
    files = {}
    for name in FILES:
        if name.endswith(".parquet"):
            files[name] = pd.read_parquet(folder / name)
        else:
            files[name] = pd.read_csv(folder / name, parse_dates=["date"])
    return files


def stylised_facts(files: Mapping[str, pd.DataFrame]) -> dict[str, float]:
    """Measure the facts that `BANDS` names.

    Parameters
    ----------
    files : mapping of str to DataFrame
        The files in `FILES`, dates parsed.

    Returns
    -------
    dict of str to float
    """
    index = files["spx_ohlcv.csv"].set_index("date")
    table = files["cboe_vol_indices_close.csv"].set_index("date")
    table = table.reindex(index.index)  # VIX has rows on exchange holidays
    close, vix = index["close"], table["vix"]
    returns = np.log(close).diff()
    log_vix = np.log(vix)
    change = log_vix.diff()
    implied = vix / 100.0 / 252.0**0.5
    known = index[index.index >= _OPENS_SINCE]
    gap = np.log(known["open"] / close.shift().reindex(known.index))
    memory = log_vix.autocorr(1)
    band = np.searchsorted(BAND_EDGES, vix.to_numpy(dtype=np.float64), side="right")
    shares = np.bincount(band[vix.notna()], minlength=4) / vix.notna().sum()
    up, down = _shifts(band, vix.notna().to_numpy())
    term = table[["vix", "vix3m"]].dropna()
    return {
        "volatility": float(returns.std() * 252.0**0.5),
        "kurtosis": float(returns.kurt()),
        "memory_1": returns.abs().autocorr(1),
        "memory_5": returns.abs().autocorr(5),
        "memory_21": returns.abs().autocorr(21),
        "return_memory": returns.autocorr(1),
        "leverage": float(returns.corr(change)),
        "vix_mean": float(vix.mean()),
        "vix_half_life": float(np.log(0.5) / np.log(memory)) if memory > 0 else 0.0,
        "vix_change": float(change.std()),
        "share_calm": float(shares[0]),
        "share_normal": float(shares[1]),
        "share_elevated": float(shares[2]),
        "share_crisis": float(shares[3]),
        "premium": float(implied.mean() / returns.abs().mean()),
        "breach": float((returns.abs() > implied.shift())[1:].mean()),
        "spike": float((vix / vix.shift() >= 1.10)[1:].mean()),
        "shift_up_5": up,
        "shift_down_5": down,
        "gap_share": float(gap.var() / returns.reindex(known.index).var()),
        "range": float(np.log(index["high"] / index["low"]).mean() / returns.abs().mean()),
        "inverted_spot": float((term["vix"] > term["vix3m"]).mean()),
        "inverted_futures": _inverted_futures(files["vix_futures_contracts.parquet"]),
    }


def _shifts(band: npt.NDArray[np.int64], known: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """Rates of at least two of the next five closes in a higher, and in a lower, band."""
    windows = np.lib.stride_tricks.sliding_window_view(band, 6)
    whole = np.lib.stride_tricks.sliding_window_view(known, 6).all(axis=1)
    here, ahead = windows[whole, :1], windows[whole, 1:]
    higher = ((ahead > here).sum(axis=1) >= 2)[here[:, 0] < 3]
    lower = ((ahead < here).sum(axis=1) >= 2)[here[:, 0] > 0]
    return float(higher.mean()), float(lower.mean())


def _inverted_futures(contracts: pd.DataFrame) -> float:
    monthly = contracts[contracts["is_monthly"] & (contracts["expiry"] > contracts["date"])]
    ranked = monthly.sort_values(["date", "expiry"]).groupby("date")["settle"]
    pairs = pd.DataFrame({"first": ranked.nth(0).to_numpy()}, index=ranked.size().index)
    second = monthly.sort_values(["date", "expiry"]).groupby("date").nth(1).set_index("date")
    pairs["second"] = second["settle"]
    pairs = pairs.dropna()
    return float((pairs["first"] > pairs["second"]).mean())


def _print(folders: list[str]) -> None:
    columns = [stylised_facts(read_files(Path(folder))) for folder in folders]
    sys.stdout.write(f"{'fact':<18}{'band':>18}" + "".join(f"{Path(f).name:>12}" for f in folders))
    for name, (_, low, high) in BANDS.items():
        band = f"[{low:g}, {high:g}]"
        cells = "".join(f"{column[name]:>12.3f}" for column in columns)
        sys.stdout.write(f"\n{name:<18}{band:>18}{cells}")
    sys.stdout.write("\n")


if __name__ == "__main__":
    _print(sys.argv[1:])
