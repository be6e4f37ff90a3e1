"""Golden rows of a simulated market, and the exact windows of a night by hand.

Each row exists for a reason: an ordinary evening, a weekend's eve, and a preopen after a holiday.
After a wanted change of a definition or of the simulator, write them anew by running this file with
``STORMPETREL_WRITE_GOLDEN=1``, and read the difference.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features import pipeline
from features.store import MarketStore

GOLDEN = Path(__file__).parent / "golden" / "simulated_features.csv"
ROWS = [
    ("2024-10-16", "evening"),  # a Wednesday without any event on the calendar's own account
    ("2024-11-01", "eve"),  # Sunday evening, the weekend on which New York's clock changes
    ("2024-11-27", "preopen"),  # after Thanksgiving, before the early close of the 29th
]


@pytest.fixture(scope="module")
def store(simulated) -> MarketStore:
    return MarketStore(simulated(years=2, seed=5, link=1.0) / "market")


def test_rows_equal_the_golden_file(store):
    made = pd.DataFrame(
        {f"{session} {at}": pipeline.row(store, session, at) for session, at in ROWS}
    )
    made.index.name = "feature"
    if os.environ.get("STORMPETREL_WRITE_GOLDEN"):
        GOLDEN.parent.mkdir(exist_ok=True)
        made.to_csv(GOLDEN, float_format="%.10g", lineterminator="\n")
    kept = pd.read_csv(GOLDEN, index_col=0)
    assert list(kept.index) == list(made.index)
    np.testing.assert_allclose(made.to_numpy(), kept.to_numpy(), rtol=1e-7, atol=1e-9)


def test_the_closed_window_by_hand(store):
    # 2024-11-27 16:00 New York is 21:00 UTC; the next session opens on the 29th, so the cut-off
    # 09:00 New York is 14:00 UTC on the 29th: 41 bars, the last one stamped 13:00
    row = pipeline.row(store, "2024-11-27", "preopen")
    bars = store.read("perp_bars", where={"venue": "binance", "base": "BTC"}).set_index("ts")
    first, last = (
        pd.Timestamp("2024-11-27 21:00", tz="UTC"),
        pd.Timestamp("2024-11-29 13:00", tz="UTC"),
    )
    inside = bars.loc[first:last]
    before = bars.loc[first - pd.Timedelta(hours=1), "close"]
    assert len(inside) == 41 == row["cw_hours"]
    assert row["cw_days_off"] == 1.0
    closes = np.log(np.append(before, inside["close"].to_numpy()))
    assert row["cw_btc_ret"] == pytest.approx(closes[-1] - closes[0], abs=1e-12)
    assert row["cw_btc_worst_hour"] == pytest.approx(np.diff(closes).min(), abs=1e-12)
    assert row["cw_btc_ret_6h"] == pytest.approx(closes[-1] - closes[-7], abs=1e-12)
    assert row["cw_btc_low"] == pytest.approx(np.log(inside["low"].min() / before), abs=1e-12)
    volumes = [
        bars.loc[first - pd.Timedelta(weeks=k) : last - pd.Timedelta(weeks=k), "volume_base"].sum()
        for k in range(9)
    ]
    assert row["cw_btc_volume_ratio"] == pytest.approx(np.log(volumes[0] / np.mean(volumes[1:])))
    squares = []
    log_close = np.log(bars["close"]).diff() ** 2
    for k in range(9):
        weeks = pd.Timedelta(weeks=k)
        squares.append(log_close.loc[first - weeks : last - weeks].sum())
    assert row["cw_btc_rv_ratio"] == pytest.approx(0.5 * np.log(squares[0] / np.mean(squares[1:])))
