"""Self-excitation: the ratio that a simulation was made with comes back."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from features.errors import DataError, UsageError
from features.hawkes import DELAYS_S, _excitation, _kernels, branching_ratio

HOURS = 6
END = HOURS * 3_600_000_000


def simulate(ratio: float, seed: int, *, delay_s: float = 5.0) -> NDArray[np.int64]:
    """Immigrants and their offspring, each event setting off `ratio` others on average."""
    rng = np.random.default_rng(seed)
    seconds = HOURS * 3600
    todo = list(rng.uniform(0, seconds, rng.poisson(0.2 * (1 - ratio) * seconds)))
    out = []
    while todo:
        when = todo.pop()
        out.append(when)
        children = when + rng.exponential(delay_s, rng.poisson(ratio))
        todo.extend(children[children < seconds])
    return np.sort((np.array(out) * 1e6).astype(np.int64))


@pytest.mark.parametrize("ratio", [0.0, 0.3, 0.6, 0.8])
def test_ratio_comes_back(ratio: float) -> None:
    found = [branching_ratio(simulate(ratio, s), start_us=0, end_us=END).ratio for s in range(3)]
    assert np.mean(found) == pytest.approx(ratio, abs=0.08)


def test_ties_and_order_change_nothing() -> None:
    ts = simulate(0.6, 1)
    plain = branching_ratio(ts, start_us=0, end_us=END)
    tied = branching_ratio(ts[::-1] // 1_000_000 * 1_000_000, start_us=0, end_us=END)
    assert tied.ratio == pytest.approx(plain.ratio, rel=1e-9)


def test_a_throttled_feed_is_corrected() -> None:
    for seed in range(3):
        ts = simulate(0.8, seed)
        kept = np.unique(ts // 1_000_000) * 1_000_000  # one a second
        assert len(kept) < 0.8 * len(ts)
        truth = branching_ratio(ts, start_us=0, end_us=END).ratio
        naive = branching_ratio(kept, start_us=0, end_us=END).ratio
        corrected = branching_ratio(kept, start_us=0, end_us=END, throttled=True).ratio
        assert abs(corrected - truth) < abs(naive - truth)
        assert corrected == pytest.approx(truth, abs=0.04)


def test_parts_tell_the_delay() -> None:
    slow = branching_ratio(simulate(0.6, 2, delay_s=100.0), start_us=0, end_us=END)
    fast = branching_ratio(simulate(0.6, 2, delay_s=1.0), start_us=0, end_us=END)
    assert slow.by_delay[2] > slow.by_delay[0]
    assert fast.by_delay[0] > fast.by_delay[2]


def test_marks_weigh_and_do_not_scale() -> None:
    ts = simulate(0.5, 3)
    sizes = np.random.default_rng(0).lognormal(9, 1, len(ts))
    once = branching_ratio(ts, sizes, start_us=0, end_us=END)
    times_ten = branching_ratio(ts, sizes * 10, start_us=0, end_us=END)
    assert once.ratio == pytest.approx(times_ten.ratio, rel=1e-9)
    assert once.ratio != branching_ratio(ts, start_us=0, end_us=END).ratio


def test_events_outside_the_window_are_not_used() -> None:
    ts = simulate(0.5, 4)
    half = branching_ratio(ts, start_us=0, end_us=END // 2)
    assert half == branching_ratio(ts[ts < END // 2], start_us=0, end_us=END // 2)


def test_too_few_events_give_no_estimate() -> None:
    found = branching_ratio(np.arange(40) * 60_000_000, start_us=0, end_us=END)
    assert np.isnan(found.ratio)
    assert (found.n_events, found.converged) == (40, False)


def test_refusals() -> None:
    ts = simulate(0.3, 5)
    with pytest.raises(UsageError, match="must not be empty"):
        branching_ratio(ts, start_us=5, end_us=5)
    with pytest.raises(UsageError, match=r"at least 0\.5 s"):
        branching_ratio(ts, start_us=0, end_us=END, delays_s=(0.1,))
    with pytest.raises(DataError, match="finite and not negative"):
        branching_ratio(ts, np.full(len(ts), np.nan), start_us=0, end_us=END)


def test_the_excitation_equals_a_loop_over_seconds() -> None:
    rng = np.random.default_rng(4)
    active = np.unique(rng.integers(0, 2_000, 150))
    pushed, length = rng.exponential(1.0, len(active)), 2_100
    rows, total = _excitation(pushed, length, _kernels(active, length, DELAYS_S))
    marks = dict(zip(active.tolist(), pushed.tolist(), strict=True))
    for column, delay in enumerate(DELAYS_S, start=1):
        keep, state, sums = math.exp(-1.0 / delay), 0.0, []
        for second in range(length):
            sums.append(state)
            state = keep * state + (1.0 - keep) * marks.get(second, 0.0)
        assert rows[:, column] == pytest.approx(np.array(sums)[active], rel=1e-12)
        assert total[column] == pytest.approx(sum(sums), rel=1e-12)
    assert (rows[:, 0] == 1.0).all()
    assert total[0] == length
