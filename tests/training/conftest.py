"""A small world for the laboratory's tests: a dataset, and a forecaster that needs no fitting."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.home import Home
from models.dataset import Dataset
from models.heads import HeadKey, head_keys
from models.labels import labels
from models.settings import ModelSettings
from training.settings import TrainingSettings
from training.track import own_uri
from training.tuning_folds import TuningFolds, build_folds

SEARCHED = ("shift_up_5", "shift_down_5")


@pytest.fixture
def home(tmp_path: Any) -> Home:
    return Home(tmp_path)


@pytest.fixture(scope="session")
def tracked(once: Callable[..., Path]) -> Path:
    """An ``mlruns`` with an empty tracking database: MLflow's migrations take seconds each time."""

    def fill(root: Path) -> None:
        from training.track import init_tracking

        home = Home(root)
        init_tracking(home, TrainingSettings(), uri=own_uri(home))

    return once("tracked", fill) / "mlruns"


@pytest.fixture(scope="session")
def quick() -> TrainingSettings:
    return TrainingSettings(bootstrap_repeats=200, min_train_sessions=300)


@pytest.fixture(scope="session")
def world() -> SimpleNamespace:
    """900 sessions of a mean-reverting VIX, two feature groups, no information in either."""
    rng = np.random.default_rng(5)
    n = 900
    days = pd.bdate_range("2015-01-01", periods=n, name="session").as_unit("us")
    level = np.empty(n)
    level[0] = np.log(17.0)
    for i in range(1, n):
        pull = 0.05 * (np.log(17.0) - level[i - 1])
        level[i] = level[i - 1] + pull + 0.06 * rng.standard_normal()
    close = 2000.0 * np.exp(np.cumsum(0.01 * rng.standard_normal(n)))
    spine = pd.DataFrame(
        {
            "spx_open": close,
            "spx_high": close * 1.002,
            "spx_low": close * 0.998,
            "spx_close": close,
            "vix_close": np.exp(level),
        },
        index=days,
    )
    features = pd.DataFrame(
        {"a1": rng.standard_normal(n), "a2": rng.standard_normal(n), "b1": rng.standard_normal(n)},
        index=days,
    )
    features.loc[days[:400], "b1"] = np.nan
    y, end = labels(spine)
    return SimpleNamespace(
        at="evening", features=features, spine=spine, labels=y, label_end=end, days=days
    )


@dataclass(frozen=True)
class FakeForecaster:
    """Says the training base rate, shaded by nothing; remembers what it was shown."""

    at: str
    until: pd.Timestamp
    keys: tuple[HeadKey, ...]
    rates: dict[str, float]
    columns: tuple[str, ...]
    light: bool

    def predict(self, dataset: Any, sessions: pd.DatetimeIndex, *, light: bool) -> pd.DataFrame:
        parts = []
        for key in self.keys:
            rate = self.rates[key.id]
            parts.append(
                pd.DataFrame(
                    {
                        "session": sessions,
                        "at": self.at,
                        "head": key.head,
                        "horizon": key.horizon,
                        "p": rate,
                        "prior": min(rate + 0.02, 0.98),
                        "climatology": rate,
                        "b_half": 0.5,
                    }
                )
            )
        return pd.concat(parts, ignore_index=True)


@dataclass(frozen=True)
class FakeGround:
    """Knows the base rate of each head in the training rows."""

    at: str
    until: pd.Timestamp
    rates: dict[HeadKey, float]
    light: bool

    def fit(self, features: pd.DataFrame, settings: Any) -> FakeForecaster:
        rates = {key.id: rate for key, rate in self.rates.items()}
        columns = tuple(features.columns)
        return FakeForecaster(self.at, self.until, tuple(self.rates), rates, columns, self.light)


@pytest.fixture
def fake_lay() -> Callable[..., FakeGround]:
    def lay(
        dataset: Any,
        *,
        until: pd.Timestamp,
        settings: Any,
        heads: list[HeadKey] | None,
        light: bool,
        beside: tuple[FakeGround, ...],
    ) -> FakeGround:
        rates = {}
        for key in heads if heads is not None else head_keys(dataset.at):
            known = dataset.label_end[key.id] <= until
            y = dataset.labels[key.id][known].dropna()
            rates[key] = float(np.clip(y.mean(), 0.01, 0.99))
        return FakeGround(dataset.at, until, rates, light)

    return lay


@pytest.fixture(scope="session")
def dataset(world: SimpleNamespace) -> Dataset:
    return Dataset(
        "evening",
        world.features,
        world.spine,
        world.labels,
        world.label_end,
        world.labels * 0.0 + 0.2,
        world.labels[[]].assign(vix=0.5, variance=0.5, size=0.5),
        world.labels[[]],
    )


@pytest.fixture(scope="session")
def folds(dataset: Dataset, world: SimpleNamespace) -> TuningFolds:
    return build_folds(dataset, last=world.days[700], heads=SEARCHED, embargo=21)


@dataclass
class Oracle:
    """Says the truth the more clearly, the nearer `lambda_l2` is to 50."""

    settings: ModelSettings
    keys: list[Any]

    def predict(self, dataset: Dataset, sessions: pd.DatetimeIndex, *, light: bool) -> pd.DataFrame:
        sharp = float(np.exp(-abs(np.log(self.settings.lambda_l2 / 50.0))))
        parts = []
        for key in self.keys:
            y = dataset.labels[key.id].reindex(sessions).fillna(0.5).to_numpy()
            parts.append(
                pd.DataFrame(
                    {
                        "session": sessions,
                        "at": dataset.at,
                        "head": key.head,
                        "horizon": key.horizon,
                        "p": 0.3 + 0.4 * sharp * (y - 0.5),
                        "prior": 0.3,
                        "climatology": 0.3,
                    }
                )
            )
        return pd.concat(parts, ignore_index=True)


@dataclass
class OracleGround:
    keys: list[Any]

    def fit(self, features: pd.DataFrame, settings: ModelSettings) -> Oracle:
        return Oracle(settings, self.keys)


@pytest.fixture(scope="session")
def oracle() -> Callable[..., OracleGround]:
    def lay(dataset: Dataset, *, heads: list[Any], **_: Any) -> OracleGround:
        return OracleGround(heads)

    return lay
