"""The study recovers a planted effect, sees none where there is none, and matches what it says."""

from __future__ import annotations

import numpy as np
import pandas as pd

from training.event_study import (
    CALIPER_SD,
    cascade_sessions,
    event_study,
    independent,
    match_controls,
)


def market(
    seed: int, *, effect: float, n: int = 1200
) -> tuple[pd.DataFrame, pd.DataFrame, np.ndarray]:
    """Cascades every 15 to 35 sessions, after each of which SPX falls by `effect` on each of 5."""
    rng = np.random.default_rng(seed)
    days = pd.bdate_range("2018-01-01", periods=n, name="session")
    events = np.cumsum(rng.integers(15, 36, size=n // 36))
    ret = 0.01 * rng.standard_normal(n)
    for event in events:
        ret[event + 1 : event + 6] -= effect
    log_vix = np.empty(n)
    log_vix[0] = np.log(18.0)
    for i in range(1, n):
        log_vix[i] = log_vix[i - 1] + 0.1 * (np.log(18.0) - log_vix[i - 1])
        log_vix[i] += 0.05 * rng.standard_normal()
    since = np.full(n, 30.0)
    since[events] = 0.5
    spine = pd.DataFrame(
        {"vix_close": np.exp(log_vix), "spx_close": 3000.0 * np.exp(np.cumsum(ret))}, index=days
    )
    return pd.DataFrame({"btc_casc_since": since}, index=days), spine, events


def at(table: pd.DataFrame, outcome: str, horizon: int) -> pd.Series:
    return table.set_index(["outcome", "horizon"]).loc[(outcome, horizon)]


def test_a_planted_fall_is_recovered() -> None:
    features, spine, _ = market(1, effect=0.004)
    row = at(event_study(features, spine), "spx_return_pct", 5)
    assert row["effect_lo"] < -2.0 < row["effect_hi"]
    assert row["effect_hi"] < 0.0


def test_without_an_effect_the_interval_covers_zero_about_as_often_as_it_says() -> None:
    covered = 0
    for seed in range(40):
        features, spine, _ = market(seed, effect=0.0)
        row = at(event_study(features, spine), "spx_return_pct", 5)
        covered += row["effect_lo"] <= 0.0 <= row["effect_hi"]
    # 90 % of 40 is 36; fewer than 30 has a chance below one in a thousand
    assert covered >= 30


def test_events_and_quiet_sessions_against_a_loop() -> None:
    rng = np.random.default_rng(0)
    event = pd.Series(np.where(rng.random(400) < 0.05, 1.0, 0.0))
    event[rng.random(400) < 0.05] = np.nan
    events, quiet = independent(event)
    for i in range(400):
        near = [j for j in range(max(0, i - 5), min(400, i + 6)) if j != i and event[j] == 1.0]
        earlier = [j for j in near if j < i]
        assert (i in events) == (event[i] == 1.0 and not earlier)
        assert (i in quiet) == (event[i] == 0.0 and not near)


def test_controls_lie_within_the_caliper_and_are_the_nearest() -> None:
    rng = np.random.default_rng(0)
    traits = rng.standard_normal((300, 2))
    events, quiet = np.arange(0, 300, 20), np.setdiff1d(np.arange(300), np.arange(0, 300, 20))
    kept, controls = match_controls(events, quiet, traits)
    spread = traits[quiet].std(axis=0)
    assert 0 < len(kept) < len(events)
    for event, chosen in zip(kept, controls, strict=True):
        apart = np.abs(traits - traits[event]) / spread
        assert (apart[chosen] <= CALIPER_SD).all()
        allowed = [q for q in quiet if (apart[q] <= CALIPER_SD).all()]
        best = sorted(allowed, key=lambda q: float((apart[q] ** 2).sum()))[:3]
        assert list(chosen) == best


def test_a_market_without_crypto_has_no_study() -> None:
    features, spine, _ = market(1, effect=0.0)
    assert cascade_sessions(features[[]]).isna().all()
    assert event_study(features[[]], spine).empty
