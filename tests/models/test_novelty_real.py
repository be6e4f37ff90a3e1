"""Crises looked strange to a model that had not seen them: ranks on the real market."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.pipeline import spine
from features.sources.tidy import import_folder
from features.store import MarketStore
from models.novelty import Novelty
from models.structural import structural_inputs

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def inputs(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    store = MarketStore(tmp_path_factory.mktemp("real"))
    import_folder(store, real_data, now=pd.Timestamp("2026-11-23", tz="UTC"))
    return structural_inputs(spine(store))


@pytest.mark.parametrize(
    ("until", "month", "first", "strangest", "beyond"),
    [
        # Lehman's month: 19 of 23 sessions beyond the threshold, from the 7th on
        ("2008-08-29", "2008-10", "2008-10-07", "2008-10-10", 19),
        # the day the short-volatility trade broke: VIX from 17.31 to 37.32
        ("2018-01-31", "2018-02", "2018-02-05", "2018-02-05", 5),
        # VIX 82.69, its highest close
        ("2020-01-31", "2020-03", "2020-03-09", "2020-03-16", 16),
    ],
)
def test_a_crisis_is_beyond_the_threshold_of_a_model_trained_before_it(
    inputs: pd.DataFrame, until: str, month: str, first: str, strangest: str, beyond: int
) -> None:
    known = inputs.loc[:until]
    novelty = Novelty.fit(known)
    days = inputs.loc[month].index
    distance = novelty.distance(inputs.loc[month])
    over = distance > novelty.threshold
    assert days[over][0] == pd.Timestamp(first)
    assert days[int(distance.argmax())] == pd.Timestamp(strangest)
    assert int(over.sum()) == beyond
    past = novelty.distance(known)
    # stranger than every session of the years before
    assert distance.max() > np.nanmax(past)
