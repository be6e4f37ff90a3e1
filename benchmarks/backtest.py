"""Replay speed: both books and the hedge over the span given, against bare numpy Black-76.

Usage: python -m benchmarks.backtest HOME [START END]. The home needs market data and a run with
walk-forward forecasts. The ratio says how many Black-76 prices numpy alone computes in that time.
"""

import os
import sys
import time
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pandas as pd

from features.home import Home
from features.store import MarketStore
from serving.book import paper_book
from serving.pricing import black76
from serving.settings import load_settings
from training.backtest.engine import replay
from training.backtest.forecasts import load_forecasts
from training.backtest.market import load_market
from training.backtest.shelf import Shelf
from training.backtest.states import load_tape
from training.backtest.variants import ALTERNATIVES


def main(root: str, start: str = "2010-01-04", end: str = "2024-12-30") -> None:
    home = Home(Path(root))
    settings = load_settings(home)
    told = load_forecasts(home, head=settings.policy.p_head, horizon=settings.policy.p_horizon)
    begun = time.process_time()
    store = MarketStore(home.market)
    market = load_market(store, start=pd.Timestamp(start) - pd.DateOffset(years=3), end=end)
    tape = load_tape(store, market, pd.DataFrame(), settings.edr)
    read = time.process_time() - begun
    begun = time.process_time()
    result = replay(
        tape,
        ALTERNATIVES[0],
        first=int(market.sessions.searchsorted(pd.Timestamp(start))),
        last=len(market.sessions) - 1,
        p_evening=told.evening,
        p_preopen={},
        settings=settings,
        shelf=Shelf(settings, 0.0),
        book=paper_book(settings.sizing),
    )
    took = time.process_time() - begun
    strikes = np.linspace(3000.0, 6000.0, 500)
    begun = time.process_time()
    for _ in range(200):
        black76(4500.0, strikes, 0.1, 0.2, call=True)
    bare = 200 * 500 / (time.process_time() - begun)
    print(f"{len(result.daily)} sessions, both books and the hedge: {took:.1f} CPU s")
    print(f"reading the market and building its states: {read:.1f} CPU s")
    print(f"numpy alone prices {bare * took / 1e6:.0f} million options in that time")
    print(f"that is {bare * took / len(result.daily):,.0f} a session")


if __name__ == "__main__":
    main(*sys.argv[1:])
