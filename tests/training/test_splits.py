from __future__ import annotations

from datetime import date
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.errors import DataError
from training.splits import combinatorial, purged_train, walk_forward_folds


def sessions(start: str, n: int) -> pd.DatetimeIndex:
    return pd.bdate_range(start, periods=n, name="session").as_unit("us")


def test_folds_are_years_and_know_nothing_of_the_embargoed_session() -> None:
    days = sessions("2006-01-02", 1200)
    folds = walk_forward_folds(days, first=date(2008, 1, 1), min_train=250, embargo=1)
    assert [f.test[0].year for f in folds] == [2008, 2009, 2010]
    first = folds[0]
    assert first.name == "2008-01-01"
    # 2007-12-31 is the embargoed session, so training may know up to the one before it
    assert first.until == pd.Timestamp("2007-12-28")
    assert (np.concatenate([f.test for f in folds]) == days[days >= "2008-01-01"].to_numpy()).all()


def test_short_history_starts_as_soon_as_there_is_enough_to_train_on() -> None:
    days = sessions("2017-01-02", 1000)
    folds = walk_forward_folds(days, first=date(2008, 1, 1), min_train=750, embargo=1)
    assert folds[0].test[0] == days[751]
    assert folds[0].until == days[749]
    assert len(days[days <= folds[0].until]) == 750


def test_too_short_a_history_is_refused_with_both_numbers() -> None:
    with pytest.raises(DataError, match=r"700 sessions are too few.*more than 751"):
        walk_forward_folds(sessions("2017-01-02", 700), first=date(2008, 1, 1), min_train=750)


def test_unsorted_sessions_are_refused() -> None:
    with pytest.raises(DataError, match="ascend without repeats"):
        walk_forward_folds(sessions("2017-01-02", 900)[::-1], first=date(2008, 1, 1), min_train=750)


def test_train_mask_uses_the_exact_label_end() -> None:
    days = sessions("2017-01-02", 1000)
    fold = walk_forward_folds(days, first=date(2008, 1, 1), min_train=750, embargo=1)[0]
    end = pd.Series(days, index=days).shift(-5)
    mask = fold.train_mask(end)
    # the last clean row is five sessions before `until`
    assert days[np.flatnonzero(mask)[-1]] == days[744]
    assert not mask[end.isna().to_numpy()].any()


def test_purge_by_hand() -> None:
    starts = np.arange(10)
    ends = starts + 2
    test = np.isin(starts, [4, 5])
    # block interval [4, 7]; rows 2, 3 reach into it, rows 6, 7 begin inside it, 8 is embargoed
    clean = purged_train(starts, ends, test, embargo=1)
    assert np.flatnonzero(clean).tolist() == [0, 1, 9]


@st.composite
def problems(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, int, int, int]:
    n = draw(st.integers(12, 40))
    spans = draw(st.lists(st.integers(0, 6), min_size=n, max_size=n))
    gaps = draw(st.lists(st.integers(1, 3), min_size=n, max_size=n))
    starts = np.cumsum(gaps)
    groups = draw(st.integers(3, 6))
    held = draw(st.integers(1, 2))
    return starts, starts + np.array(spans), groups, held, draw(st.integers(0, 5))


@settings(max_examples=150, deadline=None)
@given(problems())
def test_no_training_interval_overlaps_a_test_interval(
    problem: tuple[np.ndarray, np.ndarray, int, int, int],
) -> None:
    starts, ends, groups, held, embargo = problem
    folds = list(combinatorial(starts, ends, groups=groups, held_out=held, embargo=embargo))
    assert [f.groups for f in folds] == list(combinations(range(groups), held))
    tested = np.zeros(len(starts), int)
    for fold in folds:
        tested[fold.test] += 1
        for i in fold.train:
            for j in fold.test:
                # brute force: the two closed label intervals share no session
                assert ends[i] < starts[j] or starts[i] > ends[j]
    # every row is tested equally often
    assert set(tested) == {len(folds) * held // groups}


@settings(max_examples=100, deadline=None)
@given(problems())
def test_purge_leaves_out_no_row_without_a_reason(
    problem: tuple[np.ndarray, np.ndarray, int, int, int],
) -> None:
    starts, ends, groups, held, embargo = problem
    for fold in combinatorial(starts, ends, groups=groups, held_out=held, embargo=embargo):
        test = np.zeros(len(starts), bool)
        test[fold.test] = True
        blocks = np.split(fold.test, np.flatnonzero(np.diff(fold.test) > 1) + 1)
        for i in np.setdiff1d(np.flatnonzero(~test), fold.train):
            reasons = [
                starts[i] <= ends[b].max() + embargo and ends[i] >= starts[b].min() for b in blocks
            ]
            assert any(reasons)


@pytest.mark.parametrize(("horizon", "embargo"), [(0, 0), (5, 0), (5, 4), (21, 6)])
def test_parity_with_skfolio_on_a_fixed_horizon(horizon: int, embargo: int) -> None:
    selection = pytest.importorskip("skfolio.model_selection")
    n, groups, held = 240, 8, 2
    starts = np.arange(n)
    # skfolio drops `purged_size` rows on either side of a block, then the embargo after it
    theirs = selection.CombinatorialPurgedCV(
        n_folds=groups, n_test_folds=held, purged_size=horizon, embargo_size=embargo
    )
    ours = combinatorial(starts, starts + horizon, groups=groups, held_out=held, embargo=embargo)
    seen = 0
    for fold, (train, tests) in zip(ours, theirs.split(np.zeros((n, 1))), strict=True):
        assert np.array_equal(fold.test, np.sort(np.concatenate(tests)))
        assert np.array_equal(fold.train, np.sort(train))
        seen += 1
    assert seen == 28


def test_bad_counts_are_refused() -> None:
    starts = np.arange(10)
    with pytest.raises(DataError, match="`held_out`"):
        next(combinatorial(starts, starts, groups=4, held_out=4, embargo=0))
    with pytest.raises(DataError, match="must not exceed the rows"):
        next(combinatorial(starts, starts, groups=11, held_out=2, embargo=0))
