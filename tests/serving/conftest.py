"""A small synthetic home with a fitted bundle, made once and copied for each test."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.home import Home
from features.sessions import calendar
from features.store import MarketStore

UNTIL = "2022-12-30"
LAST = "2023-03-31"
BOOK_DAY = "2023-01-18"
FEATURES = ("spx_ret_5", "rv_21", "vix_log", "vix_chg_5", "vix_vix3m", "vx_contango")


def synthetic_market(root: Path) -> None:
    """Write five years of made-up SPX, VIX family, futures and events."""
    days = calendar().sessions("2018-01-02", LAST)
    rng = np.random.default_rng(5)
    n = len(days)
    log_vix = np.empty(n)
    log_vix[0] = np.log(16.0)
    shock = rng.standard_normal(n)
    for i in range(1, n):
        log_vix[i] = log_vix[i - 1] + 0.06 * (np.log(16.5) - log_vix[i - 1]) + 0.06 * shock[i]
    vix = np.exp(log_vix)
    noise = -0.7 * shock + 0.7 * rng.standard_normal(n)
    close = 2700 * np.exp(np.cumsum(0.8 * vix / 100 / np.sqrt(252) * noise))
    opening = np.concatenate([[close[0]], close[:-1]]) * np.exp(0.001 * rng.standard_normal(n))
    bars = pd.DataFrame({"date": days, "open": opening, "close": close})
    bars["high"] = bars[["open", "close"]].max(axis=1) * 1.002
    bars["low"] = bars[["open", "close"]].min(axis=1) * 0.998
    bars["volume_shares"] = 1e9
    indices = []
    for symbol, level in (
        ("vix", vix),
        ("vix9d", vix * 0.97),
        ("vix3m", 8 + 0.6 * vix),
        ("vix6m", 11 + 0.45 * vix),
        ("vvix", 70 + 1.2 * vix),
        ("skew", 125 + 5 * np.sin(np.arange(n) / 40)),
    ):
        part = pd.DataFrame({"date": days, "symbol": symbol, "close": level})
        for column in ("open", "high", "low"):
            part[column] = level
        indices.append(part)
    events = pd.DataFrame(
        {"date": [days[n - 5], days[n - 20]], "event": ["FOMC", "CPI"], "kind": "scheduled"}
    )
    events["published_at"] = pd.Timestamp("2018-01-02", tz="UTC").as_unit("us")
    events["release_time"] = events["published_at"]
    store = MarketStore(root)
    now = pd.Timestamp("2023-04-03 12:00", tz="UTC")
    with store.transaction(now=now) as transaction:
        transaction.append("spx_bars", bars, source="synthetic")
        transaction.append("vol_indices", pd.concat(indices), source="synthetic")
        transaction.append("vix_futures", _futures(days, vix), source="synthetic")
        transaction.append("scheduled_events", events, source="synthetic")


def _futures(days: pd.DatetimeIndex, vix: np.ndarray) -> pd.DataFrame:
    from serving.vix_curve import listed_expiries

    parts = []
    for i in range(len(days) - 120, len(days)):
        for expiry in listed_expiries(days[i], months=8):
            months = (expiry - days[i]).days / 30
            level = 20 - (20 - vix[i]) * np.exp(-0.35 * months)
            parts.append((days[i], expiry, True, level))
    frame = pd.DataFrame(parts, columns=["date", "expiry", "is_monthly", "settle"])
    for column in ("open", "high", "low", "close"):
        frame[column] = frame["settle"]
    frame["volume"], frame["open_interest"] = 1000.0, 5000.0
    frame["is_final_settlement"] = False
    return frame


def fit_bundle(root: Path, until: str = UNTIL) -> str:
    """Fit a small forecaster and promote it by hand."""
    from features.pipeline import build, spine
    from models.bundle import make_dataset, write_bundle
    from models.fitting import fit_forecaster
    from models.settings import ModelSettings

    home = Home(root)
    store = MarketStore(home.market).snapshot()
    settings = ModelSettings(rounds=8, blocks=2, paths=200, features=FEATURES)
    history = spine(store)
    fitted = {}
    for at in ("evening", "preopen"):
        dataset = make_dataset(
            build(store, at=at, start="2018-01-02", end=until), history.loc[:until], at, paths=200
        )
        stop = pd.Timestamp(until)
        fitted[at] = fit_forecaster(dataset, until=stop, settings=settings, light=True)
    bundle = write_bundle(home.mlruns / "bundles", fitted)
    record = {"model_version": bundle.name, "bundle": f"bundles/{bundle.name}", "previous": None}
    (home.mlruns / "champion.json").write_text(json.dumps(record), encoding="utf-8")
    return bundle.name


@pytest.fixture(scope="session")
def _made_home(once: Callable[..., Path]) -> Path:
    def fill(root: Path) -> None:
        synthetic_market(root / "market")
        fit_bundle(root)

    return once("serving-home", fill)


@pytest.fixture
def home(_made_home: Path, tmp_path: Path) -> Home:
    """A home with data and a champion, and an empty ledger."""
    root = tmp_path / "home"
    shutil.copytree(_made_home, root)
    return Home(root)


#: An open condor of each book, the near one at the money of `BOOK_DAY`, and a held hedge layer.
BOOK = """
equity_cents = 50000000
hedge_spent_252_cents = 100000
risk_per_trade = 0.01
open_risk_cap = 0.05
[[condors]]
id = "near"
book = "condor_1dte"
expiry = 2023-01-19
put_long = {a}
put_short = {b}
call_short = {c}
call_long = {d}
quantity = 4
credit = 115
opened = 2023-01-18
[[condors]]
id = "far"
book = "condor_30_60"
expiry = 2023-02-17
put_long = {e}
put_short = {f}
call_short = {g}
call_long = {h}
quantity = 2
credit = 500
opened = 2023-01-03
[[hedges]]
layer = "S"
expiry = 2023-02-15
strike = 20.0
quantity = 4
cost = 120
"""


@pytest.fixture
def evening(
    home: Home, _made_home: Path, once: Callable[..., Path]
) -> Callable[..., list[dict[str, Any]]]:
    """Score or ticket sessions under given settings; many tests begin with the same evening.

    It is run once for all of them: each gets its documents, and its settings and ledger in `home`.
    """

    def give(name: str, run: Callable[..., Any], days: Any, settings: str) -> list[dict[str, Any]]:
        def fill(root: Path) -> None:
            shutil.copytree(_made_home, root, dirs_exist_ok=True)
            (root / "stormpetrel.toml").write_text(settings, encoding="utf-8")
            documents = run(Home(root), days).documents
            (root / "documents.json").write_text(json.dumps(documents), encoding="utf-8")

        kept = once(f"evening-{name}", fill)
        shutil.copy(kept / "stormpetrel.toml", home.root)
        shutil.copytree(kept / "scores", home.scores, dirs_exist_ok=True)
        found: list[dict[str, Any]] = json.loads((kept / "documents.json").read_text("utf-8"))
        return found

    return give


@pytest.fixture
def book(evening: Callable[..., list[dict[str, Any]]]) -> str:
    """Text of a ``book.toml`` around the close of `BOOK_DAY`, which the ledger then knows."""
    from serving.score import run_scores

    (scored,) = evening("book", run_scores, pd.DatetimeIndex([BOOK_DAY]), "")
    spot = scored["spx_close"]
    at = int(spot // 5) * 5
    places = {"a": -10, "b": 0, "c": 200, "d": 210, "e": -325, "f": -300, "g": 300, "h": 325}
    return BOOK.format(**{name: at + points for name, points in places.items()})
