"""Ranks of cascades by size against the definition, counted one by one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from features.cascade_rows import CascadeRows
from features.liquidations import size_ranks

YEAR_HOURS = 365 * 24
LEAST = 5


class Shown:
    """A view whose cascades are given."""

    def __init__(self, found: CascadeRows) -> None:
        self.found = found

    def make(self, key: tuple[str, str], function: Callable[[], Any]) -> Any:
        return self.found if key[0] == "cascade_rows" else function()


def cascades(count: int) -> CascadeRows:
    """Versions of cascades over three years: some of one bar, some of several, sizes that tie."""
    rng = np.random.default_rng(11)
    row = np.sort(rng.choice(3 * YEAR_HOURS, count, replace=False))
    number = np.maximum.accumulate(rng.integers(0, 2, count).cumsum())
    size = -rng.integers(1, 30, count).astype(float)
    none = np.zeros(count)
    return CascadeRows(none, none, row, number, number, none, none, none, none, size, none, none)


def by_definition(found: CascadeRows) -> list[float]:
    out = []
    for i in range(len(found.row)):
        newest: dict[int, int] = {}
        for j in range(i):
            newest[int(found.number[j])] = j
        others = [
            -found.oi_change_usd[j]
            for number, j in newest.items()
            if number != found.number[i] and found.row[i] - found.row[j] < YEAR_HOURS
        ]
        smaller = sum(other < -found.oi_change_usd[i] for other in others)
        out.append(smaller / len(others) if len(others) >= LEAST else np.nan)
    return out


def test_a_rank_is_the_share_of_smaller_cascades_of_the_year_before() -> None:
    found = cascades(160)
    told = size_ranks(Shown(found), "BTC")  # type: ignore[arg-type]
    np.testing.assert_array_equal(told, by_definition(found))
    assert np.isfinite(told).sum() > 100
    assert np.isnan(told[:LEAST]).all()


def test_a_coin_without_cascades_has_no_ranks() -> None:
    assert size_ranks(Shown(cascades(0)), "BTC").shape == (0,)  # type: ignore[arg-type]
