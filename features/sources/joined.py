"""Files of one table put together: where they speak about the same key, one of them decides."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from features.names import constant, ranked, stacked
from features.schema import Table
from features.sources.layout import AVAILABLE_AT
from features.sources.lines import TidiedFile

__all__ = ["joined"]


def joined(table: Table, tidied: Sequence[TidiedFile]) -> tuple[pd.DataFrame, int]:
    """Join the files of a table; where they share a key, the lower rank speaks, field by field."""
    columns = [*(column.name for column in table.columns), AVAILABLE_AT, "source"]
    pieces = []
    for one in sorted(tidied, key=lambda one: one.layout.rank):
        for part in one.parts:
            if part.table == table.name:
                rows = part.rows
                if "source" not in rows:
                    rows = rows.assign(source=constant(part.source, rows.index))
                pieces.append(rows[[name for name in columns if name in rows]])
    whole = _stacked(table, pieces) if len(pieces) > 1 else pieces[0]
    key = list(table.key)
    if _apart(table, pieces):
        return whole, 0
    shared = whole.duplicated(key, keep=False)
    if not shared.any():
        return whole, 0
    groups = whole[shared.to_numpy()].groupby(key, sort=False)
    said = [name for name in table.values if table.column(name).kind == "number"]
    spread = groups[said].max() - groups[said].min()
    disagree = int((spread > 0).any(axis=1).sum())
    return pd.concat(
        [whole[~shared.to_numpy()], groups.first().reset_index()], ignore_index=True
    ), disagree


def _stacked(table: Table, pieces: list[pd.DataFrame]) -> pd.DataFrame:
    texts = [one.name for one in table.columns if one.kind == "text"] + ["source"]
    plain = [piece.drop(columns=texts, errors="ignore") for piece in pieces]
    lengths = [len(piece) for piece in pieces]
    names = {
        name: stacked([piece.get(name) for piece in pieces], lengths)
        for name in texts
        if any(name in piece for piece in pieces)
    }
    return pd.concat(plain, ignore_index=True).assign(**names)


def _apart(table: Table, pieces: list[pd.DataFrame]) -> bool:
    """Whether no two files can share a key: some name in it differs between all of them."""
    if len(pieces) == 1:
        return True
    for name in table.series:
        known = [set(ranked(piece[name])[1]) for piece in pieces]
        if sum(map(len, known)) == len(set().union(*known)):
            return True
    return False
