"""Movers: they find what moves ranks, stay small on noise, and add up."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from models.boosters import Matrix
from models.columns import Columns
from models.heads import HeadKey, head_keys
from models.logit import logit, sigmoid
from models.mover import MOVE_OF_RANK, Mover, move_of
from models.mover_fit import fit_mover
from models.ranks import AHEAD
from models.settings import ModelSettings

ROWS = 3000
SETTINGS = ModelSettings(rounds=300, feature_fraction=1.0)


def _fitted(
    effect: float, *, features: int = 20, seed: int = 5
) -> tuple[pd.DataFrame, Mover, np.ndarray]:
    """Ranks of a logistic quantity that the first feature moves by `effect`, and their mover."""
    rng = np.random.Generator(np.random.PCG64(seed))
    x = pd.DataFrame(rng.standard_normal((ROWS, features))).add_prefix("f")
    ranks = sigmoid(effect * x["f0"].to_numpy() + rng.logistic(size=ROWS))
    columns = Columns(tuple(x.columns), x.median().to_numpy(), ())
    values = columns.values(x)
    return x, *fit_mover("size", ranks, columns, Matrix(values, SETTINGS), SETTINGS)


def test_a_rank_moves_by_two_thirds_of_what_moves_its_quantity() -> None:
    """The expected rank of a logistic moved by `m`, by the middle of many strata."""
    noise = logit((np.arange(200_000) + 0.5) / 200_000)
    for move in (-0.2, 0.05, 0.2):
        expected = float(sigmoid(noise + move).mean())
        assert MOVE_OF_RANK * float(logit(np.array([expected]))[0]) == pytest.approx(move, rel=0.01)


def test_a_mover_finds_what_moves_the_ranks() -> None:
    x, mover, unseen = _fitted(0.6)
    truth = 0.6 * x["f0"].to_numpy()
    assert mover.share == 1.0
    assert np.corrcoef(unseen, truth)[0, 1] > 0.9
    # shrunk, because it is small and regularised, and never the wrong way
    assert 0.5 < np.polyfit(truth, unseen, 1)[0] < 1.1
    assert set(mover.losses) == {f"share_{s}" for s in (0.0, 0.25, 0.5, 0.75, 1.0)}


def test_a_mover_of_noise_is_not_kept_or_moves_little() -> None:
    for seed in range(4):
        x, mover, unseen = _fitted(0.0, seed=seed)
        assert mover.share < 1.0
        # of log odds, and half of it reaches the forecast
        assert np.abs(unseen).mean() < 0.1
        if not mover.boosters:
            assert mover.share == 0.0 and (unseen == 0.0).all()
            assert mover.moves(x).shape == (0, ROWS)


def test_contributions_of_a_mover_add_up_to_its_mean_move() -> None:
    x, mover, _ = _fitted(0.6)
    asked = x.iloc[:40].copy()
    asked.iloc[3, :] = np.nan
    pushes, moves = mover.contributions(asked), mover.moves(asked)
    assert moves.shape == (5, 40) and pushes.shape == (40, 21)
    np.testing.assert_allclose(pushes.sum(axis=1), moves.mean(axis=0), atol=1e-12)
    # the feature that moves the ranks is the one that is named
    assert np.abs(pushes[:, :-1]).mean(axis=0).argmax() == 0
    np.testing.assert_array_equal(mover.moves(asked.iloc[7:8])[:, 0], moves[:, 7])


def test_no_row_is_moved_by_a_member_that_saw_its_rank() -> None:
    """Change the ranks of one block: the members that judge it stay as they were."""
    rng = np.random.Generator(np.random.PCG64(1))
    x = pd.DataFrame(rng.standard_normal((ROWS, 6))).add_prefix("f")
    ranks = sigmoid(0.5 * x["f0"].to_numpy() + rng.logistic(size=ROWS))
    columns = Columns(tuple(x.columns), x.median().to_numpy(), ())
    matrix = Matrix(columns.values(x), SETTINGS)
    one = fit_mover("vix", ranks, columns, matrix, SETTINGS)
    changed = ranks.copy()
    block = slice(1200, 1800)
    changed[block] = 1.0 - changed[block]
    other = fit_mover("vix", changed, columns, matrix, SETTINGS)
    unscaled = [unseen / mover.scale for mover, unseen in (one, other)]
    np.testing.assert_allclose(unscaled[0][block], unscaled[1][block], atol=1e-12)
    assert not np.allclose(unscaled[0][:1000], unscaled[1][:1000])
    # nor by one whose ranks reach into the block
    reaching = ranks.copy()
    reaching[1200 - AHEAD["vix"] : 1200] = 0.5
    third = fit_mover("vix", reaching, columns, matrix, SETTINGS)
    np.testing.assert_allclose(unscaled[0][block], third[1][block] / third[0].scale, atol=1e-12)


def test_rows_without_a_rank_are_moved_by_the_member_that_lacks_their_block() -> None:
    """The newest sessions have no rank yet, and ranks just before them read their prices."""
    rng = np.random.Generator(np.random.PCG64(2))
    x = pd.DataFrame(rng.standard_normal((ROWS, 6))).add_prefix("f")
    ranks = sigmoid(0.5 * x["f0"].to_numpy() + rng.logistic(size=ROWS))
    ranks[:100] = ranks[-21:] = np.nan
    columns = Columns(tuple(x.columns), x.median().to_numpy(), ())
    mover, unseen = fit_mover("vix", ranks, columns, Matrix(columns.values(x), SETTINGS), SETTINGS)
    moves = mover.moves(x)
    np.testing.assert_array_equal(unseen[-21:], moves[4, -21:])
    np.testing.assert_array_equal(unseen[:100], moves[0, :100])


def test_few_ranks_or_no_columns_move_nothing() -> None:
    x = pd.DataFrame({"a": np.arange(400.0)})
    ranks = np.full(400, np.nan)
    ranks[:249] = 0.5
    columns, nothing = Columns(("a",), np.array([200.0]), ()), Columns((), np.empty(0), ())
    matrix = Matrix(columns.values(x), SETTINGS)
    for known, names in ((ranks, columns), (np.full(400, 0.5), nothing)):
        mover, unseen = fit_mover("size", known, names, matrix, SETTINGS)
        assert mover.boosters == () and mover.share == 0.0
        assert (unseen == 0.0).all() and len(unseen) == 400


def test_every_quantity_is_one_that_ranks_know() -> None:
    moves = [move for key in head_keys("evening") if (move := move_of(key)) is not None]
    assert {name for name, _ in moves} == set(AHEAD)
    assert move_of(HeadKey("shift_down", 5)) == ("vix", -1.0)
    assert move_of(HeadKey("premium_failure", 5)) is None
    assert {abs(sign) for _, sign in moves} == {1.0}
