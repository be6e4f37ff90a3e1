"""A small simulated market: AR(1) log VIX that leans against SPX returns of its own size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from models.dataset import Dataset, make_dataset
from models.fitting import fit_forecaster
from models.forecaster import Forecaster
from models.heads import HeadKey
from models.paths import PathPrior
from models.ranks import walk_forward_ranks
from models.settings import ModelSettings
from models.yearly import walk_forward_prior

SESSIONS = 1800
START = "2010-01-04"
SMALL = ModelSettings(blocks=3, rounds=30, paths=200)
HEADS = [
    HeadKey("shift_up", 5),
    HeadKey("shift_up", 10),
    HeadKey("shift_up", 21),
    HeadKey("shift_down", 5),
    HeadKey("expansion", 5),
    HeadKey("premium_failure", 5),
    HeadKey("breach_down", 1),
    HeadKey("gap_down", 1),
]


def make_spine(*, n: int = SESSIONS, seed: int = 1) -> pd.DataFrame:
    """Simulate SPX bars and VIX closes over `n` weekdays.

    Log VIX reverts to log 19 by 3 % a session; the return's volatility is 0.9 of what VIX implies
    and its shock correlates -0.7 with the shock of log VIX. A third of it falls overnight.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    shock = rng.standard_normal((n, 3))
    log_vix = np.empty(n)
    level = np.log(19.0)
    for i in range(n):
        level += 0.03 * (np.log(19.0) - level) + 0.07 * shock[i, 0]
        log_vix[i] = level
    size = 0.9 * np.exp(np.append(np.log(19.0), log_vix[:-1])) / 100.0 / np.sqrt(252.0)
    mixed = -0.7 * shock[:, 0] + np.sqrt(1.0 - 0.49) * shock[:, 1]
    ret = 0.0003 + size * mixed
    close = 1000.0 * np.exp(np.cumsum(ret))
    before = np.append(1000.0, close[:-1])
    opening = before * np.exp(ret / 3.0 + 0.2 * size * shock[:, 2])
    reach = np.exp(0.4 * size * np.abs(rng.standard_normal(n)))
    index = pd.bdate_range(START, periods=n, name="session", unit="us")
    # Stored sessions have no regular step.
    index.freq = None
    return pd.DataFrame(
        {
            "spx_open": opening,
            "spx_high": np.maximum(opening, close) * reach,
            "spx_low": np.minimum(opening, close) / reach,
            "spx_close": close,
            "vix_close": np.round(np.exp(log_vix), 2),
        },
        index=index,
    )


def make_features(spine: pd.DataFrame, *, seed: int = 2) -> pd.DataFrame:
    """One feature of the past (the last return), one VIX ratio, three of noise, one with nulls."""
    rng = np.random.Generator(np.random.PCG64(seed))
    n = len(spine)
    table = pd.DataFrame(
        rng.standard_normal((n, 3)), index=spine.index, columns=["noise_a", "noise_b", "noise_c"]
    )
    vix = spine["vix_close"]
    table["vix_step"] = np.log(vix / vix.shift(1))
    table["last_return"] = np.log(spine["spx_close"] / spine["spx_close"].shift(1))
    table["gappy"] = np.where(rng.random(n) < 0.2, np.nan, rng.standard_normal(n))
    return table


@dataclass(frozen=True)
class Fitted:
    """A dataset, its forecaster, and the session up to which that was fitted."""

    dataset: Dataset
    forecaster: Forecaster
    until: pd.Timestamp

    @property
    def later(self) -> pd.DatetimeIndex:
        """Sessions after the fit."""
        index = pd.DatetimeIndex(self.dataset.features.index)
        return index[index > self.until]


@pytest.fixture(scope="session")
def spine() -> pd.DataFrame:
    return make_spine()


@pytest.fixture(scope="session")
def path_prior(spine: pd.DataFrame) -> PathPrior:
    return PathPrior.fit(spine, spine.index[1500], paths=200)


@pytest.fixture(scope="session")
def market_prior(spine: pd.DataFrame) -> pd.DataFrame:
    return walk_forward_prior(spine, paths=200, min_sessions=821)


@pytest.fixture(scope="session")
def market_ranks(spine: pd.DataFrame) -> pd.DataFrame:
    return walk_forward_ranks(spine, paths=200, min_sessions=821)


@pytest.fixture(scope="session")
def fitted(spine: pd.DataFrame, market_prior: pd.DataFrame, market_ranks: pd.DataFrame) -> Fitted:
    dataset = make_dataset(make_features(spine), spine, prior=market_prior, ranks=market_ranks)
    until = pd.Timestamp(spine.index[1600])
    return Fitted(dataset, fit_forecaster(dataset, until=until, settings=SMALL, heads=HEADS), until)
