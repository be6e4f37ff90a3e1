from __future__ import annotations

import numpy as np
import pytest

from features.errors import UsageError
from training.overfitting import overfitting_probability


def test_noise_is_overfitted_about_half_of_the_time() -> None:
    rng = np.random.default_rng(4)
    found = [overfitting_probability(rng.standard_normal((8, 20))).probability for _ in range(60)]
    assert 0.4 < np.mean(found) < 0.65


def test_a_trial_that_is_always_best_is_no_overfit() -> None:
    rng = np.random.default_rng(4)
    losses = rng.standard_normal((8, 20))
    losses[:, 3] -= 10.0
    result = overfitting_probability(losses)
    assert result.probability == 0.0
    assert (result.splits, result.trials) == (70, 20)


def test_by_hand() -> None:
    # trial 0 wins the first half of time and loses the second, trial 1 the reverse
    losses = np.array([[0.0, 1.0], [0.0, 1.0], [1.0, 0.0], [1.0, 0.0]])
    # halves {0,1}, {2,3}: the winner is last outside. The four mixed halves tie outside: rank 1/2
    assert overfitting_probability(losses).probability == 1.0


@pytest.mark.parametrize("shape", [(7, 3), (2, 3), (8, 1)])
def test_bad_shapes_are_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(UsageError, match="even number of blocks"):
        overfitting_probability(np.zeros(shape))
