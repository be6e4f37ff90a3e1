from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from serving.pushes import Pushes, largest_change, largest_pushes, pushes_by_name, value_of

NAMES = tuple("abcdefgh")
finite = st.sampled_from([-0.5, -0.25, 0.0, 0.125, 0.25, 0.5])


@st.composite
def pushes(draw: st.DrawFn) -> Pushes:
    places = sorted(draw(st.sets(st.integers(0, len(NAMES) - 1), min_size=1)))
    log_odds = draw(st.lists(finite, min_size=len(places), max_size=len(places)))
    values = [float(place) if place else np.nan for place in places]
    return Pushes(NAMES, np.array(places), np.array(values), np.array(log_odds))


@given(pushes(), pushes())
def test_arrays_say_what_rows_say(was: Pushes, now: Pushes) -> None:
    found = largest_change(was, now)
    assert found == largest_change(list(was), list(now)) == largest_change(list(was), now)
    assert pushes_by_name(now) == pushes_by_name(list(now))
    for name in (*NAMES, "none"):
        assert value_of(now, name) == value_of(list(now), name)


@given(pushes(), st.integers(1, 5))
def test_the_largest_pushes_are_those_of_the_sorted_rows(now: Pushes, count: int) -> None:
    rows = sorted(now, key=lambda row: (-abs(row["log_odds"]), row["feature"]))
    assert largest_pushes(now, count) == rows[:count]
    assert largest_pushes(list(now), count) == rows[:count]


def test_nothing_changes_where_nothing_pushes() -> None:
    assert largest_change([], []) is None
    assert largest_pushes([], 5) == []
