"""The ridge logistic: quantiles and sums to the last bit, whatever is shared or laid out how."""

from __future__ import annotations

import numpy as np
import pytest

from models.logit import RidgeLogit, Standardised


def _rows(n: int, k: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.Generator(np.random.PCG64(seed))
    x = rng.standard_normal((n, k))
    x[:, 0] = np.round(x[:, 0], 1)  # ties
    y = (rng.random(n) < 0.3).astype(float)
    y[:2] = 0.0, 1.0
    return x, y


@pytest.mark.parametrize("n", [2, 3, 51, 1000])
@pytest.mark.parametrize("winsor", [0.001, 0.01, 0.3])
def test_values_are_cut_at_the_quantiles_of_numpy(n: int, winsor: float) -> None:
    x, _ = _rows(n, 5, seed=n)
    low, high = np.quantile(x, [winsor, 1.0 - winsor], axis=0)
    for laid_out in (x, np.asfortranarray(x), x[::-1]):
        cut = Standardised.of(laid_out, winsor=winsor)
        np.testing.assert_array_equal(cut.low, low)
        np.testing.assert_array_equal(cut.high, high)


def test_columns_are_standardised_by_weighted_mean_and_deviation() -> None:
    x = np.array([[0.0, 5.0], [2.0, 5.0], [10.0, 5.0]])
    alike = Standardised.of(x)
    assert alike.centre.tolist() == [4.0, 5.0]
    assert alike.scale == pytest.approx([np.sqrt(56.0 / 3.0), 1.0])  # a constant keeps scale one
    assert Standardised.of(x, weight=np.ones(3)).z.tolist() == alike.z.tolist()
    heavy = Standardised.of(x, weight=np.array([1.0, 1.0, 0.0]))
    assert heavy.z[:, 0].tolist() == [-1.0, 1.0, 9.0]


def test_fits_that_share_their_columns_are_those_that_do_not() -> None:
    x, y = _rows(400, 4, seed=7)
    before, shared = x.copy(), Standardised.of(x, winsor=0.005)
    for ridge in (30.0, 300.0):
        own = RidgeLogit.fit(x, y, names=tuple("abcd"), l2=ridge, winsor=0.005)
        assert own.to_json() == RidgeLogit.fit(shared, y, names=tuple("abcd"), l2=ridge).to_json()
    np.testing.assert_array_equal(x, before)


def test_a_row_alone_gives_the_bits_that_it_gives_among_others() -> None:
    x, y = _rows(300, 6, seed=9)
    model = RidgeLogit.fit(x, y, names=tuple("abcdef"), l2=1.0, winsor=0.01)
    x[::3, 2] = np.nan
    said = model.log_odds(x)
    np.testing.assert_array_equal(said, model.log_odds(np.asfortranarray(x)))
    np.testing.assert_array_equal(said, [float(model.log_odds(row[None])[0]) for row in x])
    assert (model.parts(x)[::3, 2] == 0.0).all()
