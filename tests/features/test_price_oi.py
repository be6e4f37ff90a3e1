"""Cascades on arrays against the trailing windows of pandas, hour by hour."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from features.cascades import PriceOiRule, price_oi, price_oi_bars

RULE = PriceOiRule(
    move_quantile=0.85, oi_quantile=0.15, window_hours=240, min_hours=48, merge_hours=3
)
START = pd.Timestamp("2022-01-01", tz="UTC")


def rough_market(hours: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Bars with fat tails, open interest that often falls with them, and holes in both."""
    rng = np.random.default_rng(seed)
    ts = pd.date_range(START, periods=hours, freq="h", unit="us")
    step = 0.008 * rng.standard_t(3, hours)
    close = 20_000 * np.exp(np.cumsum(step))
    opened = np.concatenate([[20_000.0], close[:-1]])
    reach = 1 + 0.004 * rng.random((2, hours))
    bars = pd.DataFrame(
        {
            "ts": ts,
            "open": opened,
            "high": np.maximum(opened, close) * reach[0],
            "low": np.minimum(opened, close) / reach[1],
            "close": close,
        }
    )
    fall = np.where(
        np.abs(step) > 0.02, -0.05 * rng.random(hours), 0.004 * rng.standard_normal(hours)
    )
    held = 1_000 * np.exp(np.concatenate([[0.0], np.cumsum(fall)[:-1]]))
    interest = pd.DataFrame({"ts": ts, "open_interest": held})
    return (
        bars.drop(index=rng.choice(hours, hours // 50, replace=False)),
        interest.drop(index=rng.choice(hours, hours // 50, replace=False)),
    )


@pytest.mark.parametrize("seed", range(4))
def test_flagged_hours_and_what_they_say_are_those_of_every_hour(seed: int) -> None:
    bars, held = rough_market(2_000, seed)
    every = price_oi_bars(bars, held, rule=RULE)
    flagged = every[every["cascade"].astype(bool)]
    assert len(flagged) > 20
    versions = price_oi(bars, held, rule=RULE, base="BTC", venue="x", versions=True)
    assert list(versions["available_at"]) == list(flagged["available_at"])
    assert list(versions["side"]) == list(flagged["side"])
    first = versions["version"].to_numpy() == 1
    assert 0 < first.sum() < len(first)
    for name in ("severity", "move_bps", "move_sigmas", "oi_change_usd"):
        np.testing.assert_array_equal(versions[name][first], flagged[name].to_numpy()[first])
    np.testing.assert_array_equal(versions["reversal_share"], flagged["reversal_share"])


@pytest.mark.parametrize("seed", range(4))
def test_versions_are_what_grouping_the_flagged_hours_gives(seed: int) -> None:
    bars, held = rough_market(2_000, seed)
    every = price_oi_bars(bars, held, rule=RULE)
    versions = price_oi(bars, held, rule=RULE, base="BTC", venue="x", versions=True)
    for side in ("long", "short"):
        own = every[every["cascade"].astype(bool) & (every["side"] == side)]
        opened = own.index.to_series()
        group = (opened.diff() > RULE.merge_hours * pd.Timedelta(hours=1)).cumsum()
        told = versions[versions["side"] == side].set_index(own.index)
        assert list(told["start"]) == list(opened.groupby(group).transform("first"))
        by = own.groupby(group)
        np.testing.assert_array_equal(told["version"], by.cumcount() + 1)
        for name in ("severity", "move_bps", "move_sigmas"):
            np.testing.assert_array_equal(told[name], by[name].cummax())
        np.testing.assert_array_equal(told["oi_change_usd"], by["oi_change_usd"].cumsum())
        kept = (1.0 + own["oi_change_pct"] / 100.0).groupby(group).cumprod()
        np.testing.assert_array_equal(told["oi_change_pct"], (kept - 1.0) * 100.0)
