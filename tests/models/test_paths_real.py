"""The path prior on the real market: what it said, band by band, is about what came."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.bands import BAND_EDGES
from features.pipeline import spine
from features.sources.tidy import import_folder
from features.store import MarketStore
from models.labels import labels
from models.yearly import walk_forward_prior

pytestmark = pytest.mark.real


def test_said_and_seen_agree_in_every_vix_band(
    real_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Walk-forward 2008 to 2024; a band holds at least 432 sessions, in a few dozen episodes."""
    store = MarketStore(tmp_path_factory.mktemp("real"))
    import_folder(store, real_data, now=pd.Timestamp("2026-11-23", tz="UTC"))
    market = spine(store).loc[:"2024-12-31"]
    said, (seen, _) = walk_forward_prior(market), labels(market)
    band = np.digitize(market["vix_close"].to_numpy(), BAND_EDGES)
    judged = np.asarray(market.index >= "2008-01-01")
    pairs = 0
    for head in ("shift_up", "shift_down"):
        for h in (5, 10, 21):
            name = f"{head}_{h}"
            known = judged & said[name].notna().to_numpy() & seen[name].notna().to_numpy()
            for b in range(len(BAND_EDGES) + 1):
                rows = known & (band == b)
                if rows.any():
                    gap = said[name][rows].mean() - seen[name][rows].mean()
                    assert abs(gap) < 0.1, (name, b)
                    assert gap < 0.02, (name, b)  # where it errs, it says too little
                    pairs += 1
    assert pairs == 18
