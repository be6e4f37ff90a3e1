"""Text columns as categories: an import handles each name once, and then its number."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api.types import union_categoricals

__all__ = ["coded", "constant", "filled", "places", "ranked", "renamed", "stacked"]


def coded(texts: pd.Series) -> pd.Series:
    """Return a text column as categories; one that is already is returned as it is."""
    if isinstance(texts.dtype, pd.CategoricalDtype):
        return texts
    codes, names = pd.factorize(texts)
    return _series(codes, [str(name) for name in names], texts.index)


def constant(text: str, index: pd.Index) -> pd.Series:
    """Return a column that says the same on every row."""
    return _series(np.zeros(len(index), dtype=np.int8), [text], index)


def renamed(texts: pd.Series, rename: Callable[[pd.Series], pd.Series]) -> pd.Series:
    """Return a text column with another name for each name; `rename` sees each once."""
    known = coded(texts)
    names = pd.Series(known.cat.categories)
    places, distinct = pd.factorize(rename(names))
    codes = np.append(places, -1)[known.cat.codes.to_numpy()]
    return _series(codes, [str(name) for name in distinct], known.index)


def filled(texts: pd.Series, text: str) -> pd.Series:
    """Return a text column with `text` where it says nothing."""
    known = coded(texts)
    if not known.isna().any():
        return known
    if text not in known.cat.categories:
        known = known.cat.add_categories(text)
    return known.fillna(text)


def ranked(texts: pd.Series) -> tuple[npt.NDArray[np.int32], list[str]]:
    """Return the place of each text among the sorted distinct ones (-1 where null), and those."""
    values = coded(texts).cat
    codes = values.codes.to_numpy()
    names = [str(name) for name in values.categories]
    used = np.flatnonzero(np.bincount(codes[codes >= 0], minlength=len(names)))
    order = sorted(used.tolist(), key=names.__getitem__)
    ranks = np.full(len(names) + 1, -1, dtype=np.int32)
    ranks[order] = np.arange(len(order))
    return ranks[codes], [names[place] for place in order]


def stacked(columns: Sequence[pd.Series | None], lengths: Sequence[int]) -> pd.Series:
    """Put text columns one below the other; None is a column of nulls of its length."""
    pieces = [
        _series(np.full(length, -1, dtype=np.int8), [], pd.RangeIndex(length)).array
        if column is None
        else coded(column).array
        for column, length in zip(columns, lengths, strict=True)
    ]
    return pd.Series(union_categoricals(pieces))


def places(columns: Sequence[pd.Series]) -> dict[tuple[str, ...], npt.NDArray[np.intp]]:
    """Return the rows of each combination of texts, ascending; a null belongs to none."""
    codes = np.zeros(len(columns[0]), dtype=np.intp)
    known = np.ones(len(codes), dtype=bool)
    names: list[tuple[str, ...]] = [()]
    for column in columns:
        own, texts = pd.factorize(column)
        known &= own >= 0
        codes = codes * len(texts) + own
        names = [(*before, str(text)) for before in names for text in texts]
    rows = np.flatnonzero(known)
    codes = codes[rows]
    # small numbers are sorted by counting
    rows = rows[np.argsort(codes.astype(np.min_scalar_type(len(names))), kind="stable")]
    ends = np.cumsum(np.bincount(codes, minlength=len(names)))
    pieces = np.split(rows, ends[:-1])
    return {name: piece for name, piece in zip(names, pieces, strict=False) if len(piece)}


def _series(codes: npt.NDArray[np.integer], names: list[str], index: pd.Index) -> pd.Series:
    dtype = pd.CategoricalDtype(pd.Index(names, dtype="str"))
    return pd.Series(pd.Categorical.from_codes(codes, dtype=dtype), index=index)
