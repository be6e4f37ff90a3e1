"""Breadth against loops that follow the textbook."""

from __future__ import annotations

import numpy as np
import pytest

from features import breadth
from features.windows import ema_weights

B = np.clip(np.random.default_rng(8).normal(0.03, 0.35, 900), -1, 1)


def _loop_ema(x, alpha):
    out = [x[0]]
    for value in x[1:]:
        out.append(out[-1] + alpha * (value - out[-1]))
    return np.array(out)


def test_mcclellan_equals_a_loop():
    expected = 1000 * (_loop_ema(B, 0.10) - _loop_ema(B, 0.05))
    np.testing.assert_allclose(breadth.mcclellan(B)[400:], expected[400:], atol=2e-3)


def test_summation_is_the_running_sum_of_the_oscillator_up_to_a_constant():
    oscillator = 1000 * (_loop_ema(B, 0.10) - _loop_ema(B, 0.05))
    running = np.cumsum(oscillator)
    gap = breadth.summation(B)[400:] - running[400:]
    assert np.ptp(gap) < 0.1


def test_gap_of_the_line_to_its_average_equals_the_line_itself():
    line = np.cumsum(B)
    expected = line - _loop_ema(line, 2 / 22)
    ours = breadth.gap_to_ema(B, 2 / 22)
    assert np.isnan(ours[: len(ema_weights(2 / 22)) - 1]).all()
    np.testing.assert_allclose(ours[400:], expected[400:], atol=1e-3)


def test_shortfall_equals_the_distance_to_the_line_s_high():
    line = np.cumsum(B)
    for t in (19, 100, 500):
        expected = line[t - 19 : t + 1].max() - line[t]
        assert breadth.line_shortfall(B, 20)[t] == pytest.approx(expected, abs=1e-12)


def test_turning_every_issue_around_turns_the_oscillator():
    np.testing.assert_allclose(breadth.mcclellan(-B), -breadth.mcclellan(B), atol=1e-9)
