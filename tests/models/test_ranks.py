"""Ranks of what came: against a slow loop over whole paths, and blind to what had not come."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from models.paths import PathPrior
from models.ranks import AHEAD, ranks_within, walk_forward_ranks
from models.yearly import years

MIN_SESSIONS = 821


def _slow(spine: pd.DataFrame, session: pd.Timestamp) -> dict[str, float]:
    """Rank one session by its own paths, one comparison after the other."""
    (last,) = (
        last for last, now in years(spine.index, min_sessions=MIN_SESSIONS) if session in now
    )
    prior = PathPrior.fit(spine, last, paths=200)
    log_return, log_vix = prior.sample(spine.loc[:session], pd.DatetimeIndex([session]), 21)
    moves = np.diff(log_return[0], axis=1, prepend=0.0)
    place = spine.index.get_loc(session)
    vix = np.log(spine["vix_close"].to_numpy()[place + 1 : place + 22])
    price = np.log(spine["spx_close"].to_numpy()[place : place + 22])

    def rank(paths: list[float], came: float) -> float:
        return (sum(path < came for path in paths) + 0.5) / (len(paths) + 1.0)

    parts: dict[str, list[float]] = {"vix": [], "variance": [], "size": []}
    for h in (5, 10, 21):
        for second in (-2, 1):
            paths = [sorted(path[:h])[second] for path in log_vix[0]]
            parts["vix"].append(rank(paths, sorted(vix[:h])[second]))
    for h in (1, 5, 10, 21):
        paths = [float(sum(path[:h] ** 2)) for path in moves]
        parts["variance"].append(rank(paths, float(sum(np.diff(price)[:h] ** 2))))
    parts["size"].append(parts["variance"][0])
    return {name: float(np.mean(values)) for name, values in parts.items()}


@pytest.fixture(scope="module")
def ranks(spine: pd.DataFrame) -> pd.DataFrame:
    return walk_forward_ranks(spine, paths=200, min_sessions=MIN_SESSIONS)


def test_ranks_are_those_of_a_slow_loop_over_whole_paths(
    spine: pd.DataFrame, ranks: pd.DataFrame
) -> None:
    known = ranks.dropna().index
    for session in known[[0, 1, 200, 411, -1]]:
        assert ranks.loc[session].to_dict() == pytest.approx(_slow(spine, session), abs=1e-12)


def test_ranks_lie_evenly_where_the_prior_is_about_right(ranks: pd.DataFrame) -> None:
    """The simulated market is nearly what the prior assumes: no rank is far from one half."""
    assert (ranks.dropna() > 0.0).all().all() and (ranks.dropna() < 1.0).all().all()
    assert (ranks.mean() - 0.5).abs().max() < 0.06
    # one quantity alone is uniform, and so has its spread; means of several have less
    assert ranks["size"].std() == pytest.approx(np.sqrt(1.0 / 12.0), abs=0.03)


def test_a_rank_is_known_when_the_last_session_that_it_reads_has_closed(
    spine: pd.DataFrame, ranks: pd.DataFrame
) -> None:
    for name, ahead in AHEAD.items():
        assert ranks[name].last_valid_index() == spine.index[-1 - ahead]
    until = spine.index[1500]
    known = np.asarray(spine.index <= until)
    cut = walk_forward_ranks(spine.loc[:until], paths=200, min_sessions=MIN_SESSIONS)
    pd.testing.assert_frame_equal(cut, ranks_within(ranks, known).loc[:until])
    assert ranks_within(ranks, known).loc[until:].isna().all().all()
    twisted = spine.copy()
    twisted.loc[twisted.index > until] *= 1.5
    other = walk_forward_ranks(twisted, paths=200, min_sessions=MIN_SESSIONS)
    pd.testing.assert_frame_equal(ranks_within(other, known), ranks_within(ranks, known))
    # and the check would see a rank that reads one session more than it says
    leaked = ranks["size"].loc[:until]
    assert not other["size"].loc[:until].equals(leaked)


def test_an_unknown_price_makes_the_ranks_that_read_it_unknown(
    spine: pd.DataFrame, ranks: pd.DataFrame
) -> None:
    place = 1500
    holed = spine.copy()
    holed.iloc[place, holed.columns.get_loc("vix_close")] = np.nan
    some = walk_forward_ranks(holed.iloc[: place + 40], paths=200, min_sessions=MIN_SESSIONS).iloc[
        place - 30 : place
    ]
    assert some["vix"].notna().tolist() == [True] * 9 + [False] * 21
    assert some["size"].notna().all()
    same = ranks.iloc[place - 30 : place]
    pd.testing.assert_series_equal(some["size"], same["size"])


def test_ranks_that_read_what_is_left_out_are_hidden(ranks: pd.DataFrame) -> None:
    """By the definition: all sessions from the row's own to the last that it reads are kept."""
    rng = np.random.Generator(np.random.PCG64(6))
    kept = rng.random(len(ranks)) > 0.02
    within = ranks_within(ranks, kept)
    for name, ahead in AHEAD.items():
        whole = [bool(kept[i : i + ahead + 1].all()) for i in range(len(ranks) - ahead)]
        whole += [False] * ahead
        expected = ranks[name].where(whole)
        pd.testing.assert_series_equal(within[name], expected)
        assert 0 < within[name].count() < ranks[name].count()
