from __future__ import annotations

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from features.names import coded, constant, filled, places, ranked, renamed, stacked

texts = st.lists(st.one_of(st.none(), st.sampled_from(["okx", "binance", "", "Ä", "a|b"])))


def column(values: list[str | None]) -> pd.Series:
    return pd.Series(values, dtype="str", index=range(7, 7 + len(values)))


def plain(values: pd.Series) -> list[str | None]:
    return [None if pd.isna(value) else str(value) for value in values]


@settings(deadline=None)
@given(texts)
def test_coding_keeps_texts_nulls_and_lines(values: list[str | None]) -> None:
    made = coded(column(values))
    assert plain(made) == values
    assert list(made.index) == list(range(7, 7 + len(values)))


@settings(deadline=None)
@given(texts)
def test_ranks_are_places_among_the_sorted_names_in_use(values: list[str | None]) -> None:
    # a name that no row uses any more must not be stored
    kept = coded(column([*values, "zz"])).iloc[:-1]
    ranks, names = ranked(kept)
    assert names == sorted({value for value in values if value is not None})
    assert [None if rank < 0 else names[rank] for rank in ranks] == values


@settings(deadline=None)
@given(texts)
def test_filling_and_renaming(values: list[str | None]) -> None:
    expected = ["user" if value is None else value for value in values]
    assert plain(filled(column(values), "user")) == expected
    upper = renamed(column(values), lambda names: names.str.upper())
    assert plain(upper) == [None if value is None else value.upper() for value in values]


def test_two_names_may_become_one() -> None:
    made = renamed(column(["XBT", "BTC", "XBT"]), lambda names: names.replace("XBT", "BTC"))
    assert plain(made) == ["BTC", "BTC", "BTC"]
    assert ranked(made)[1] == ["BTC"]


def test_columns_stack_also_where_one_is_absent() -> None:
    above = constant("cboe", pd.RangeIndex(2))
    below = column(["yahoo", None])
    made = stacked([above, None, below], [2, 1, 2])
    assert plain(made) == ["cboe", "cboe", None, "yahoo", None]


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["btc", "eth", None]), st.sampled_from("abc"))))
def test_places_are_the_groups_of_pandas(rows: list[tuple[str | None, str]]) -> None:
    bases, venues = (column([row[k] for row in rows]) for k in range(2))
    groups = pd.DataFrame({"base": bases, "venue": venues}).reset_index(drop=True)
    expected = {
        tuple(map(str, name)): found.tolist()
        for name, found in groups.groupby(["base", "venue"]).indices.items()
    }
    assert {name: found.tolist() for name, found in places([bases, venues]).items()} == expected
