"""What each feature group is worth: head by head, and over all heads of a moment together.

What one fit happens to choose moves all rows of its fold together, which a bootstrap of rows cannot
see: a run on permuted labels called a group useful on rows alone. So each gain is also tested on
the totals of its folds (a t-test with as many degrees of freedom as there are folds less one), and
the wider interval and the larger p-value are kept.

A group that helps at all helps several heads a little, so the first question is asked once a group
and moment, of the log loss that it saves over all heads of a session. A head is asked only where
its group has passed. The correction (Meinshausen 2008) multiplies each p-value by the number of
questions over those that it pools: no false claim anywhere, but for one table in twenty.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from models.scores import log_loss_rows
from training.ablation import WHOLE, own_span
from training.correction import hierarchical
from training.evaluate import Gain, gain
from training.settings import TrainingSettings

__all__ = [
    "FAMILY_LEVEL",
    "GROUP_COLUMNS",
    "VERDICT_COLUMNS",
    "group_table",
    "no_groups",
]

GROUP_COLUMNS = ("group", "at", "head", "horizon", "gain", "gain_lo", "gain_hi")
_REST = ("from", "n", "p_value", "note", "p_family", "useful")
VERDICT_COLUMNS = ("group", "at", "heads", "gain", "gain_lo", "gain_hi", *_REST)
FAMILY_LEVEL = 0.05
TOO_SHORT = "too little data of the group to learn from"
NOT_TAKEN = "no fit took anything from it"
ONE_FIT = "one fit only: no interval could be given"
OWN_SPAN = "not in the model; on the group's own span, too few fits for a verdict"


@dataclass(frozen=True)
class _Rows:
    """Log loss by row of one question, with and without the group."""

    session: np.ndarray
    until: np.ndarray
    without: np.ndarray
    kept: np.ndarray
    climatology: np.ndarray
    horizon: int

    @classmethod
    def pair(cls, whole: pd.DataFrame, rows: pd.DataFrame, horizon: int) -> _Rows:
        keys = ["session", "at", "head", "horizon"]
        both = whole.merge(rows[[*keys, "p"]], on=keys, suffixes=("", "_without"))
        y = both["y"].to_numpy(dtype=float)
        without, kept, climatology = (
            log_loss_rows(y, both[name].to_numpy(dtype=float))
            for name in ("p_without", "p", "climatology")
        )
        session, until = both["session"].to_numpy(), both["until"].to_numpy()
        return cls(session, until, without, kept, climatology, horizon)

    @classmethod
    def pool(cls, parts: Sequence[_Rows]) -> _Rows:
        """Sum over the heads of each session."""
        frame = pd.concat(
            pd.DataFrame(
                {
                    "session": part.session,
                    "until": part.until,
                    "without": part.without,
                    "kept": part.kept,
                    "climatology": part.climatology,
                }
            )
            for part in parts
        )
        total = frame.groupby(["until", "session"], sort=True).sum().reset_index()
        return cls(
            total["session"].to_numpy(),
            total["until"].to_numpy(),
            total["without"].to_numpy(dtype=float),
            total["kept"].to_numpy(dtype=float),
            total["climatology"].to_numpy(dtype=float),
            max(part.horizon for part in parts),
        )

    @property
    def taken(self) -> bool:
        return bool((self.without != self.kept).any())


def group_table(
    refits: Mapping[str, pd.DataFrame],
    asked: Sequence[tuple[str, str, str, int]],
    settings: TrainingSettings,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Gain of keeping each group, with intervals and family-wise p-values.

    Parameters
    ----------
    refits : mapping of str to DataFrame
        Scored rows of the fits with all groups (`WHOLE`) and without each one, by tag, each with
        the last session of its fit in ``until``.
    asked : sequence of (group, at, head, horizon)
        Every question, answered or not.

    Returns
    -------
    table : DataFrame
        `GROUP_COLUMNS`, then from, n, p_value, note, p_family, useful; one row a question. The
        gain is (log loss without - log loss with) / log loss of climatology. It is null where the
        group has no span here, or where no fit took anything from it; `note` says which, and marks
        what was learnt on the group's own span.
    verdicts : DataFrame
        `VERDICT_COLUMNS`: the same over all heads of a group and moment together.

    Notes
    -----
    `useful` is true where `p_family`, the p-value corrected over all that the model itself could
    use, is at or below 0.05.
    """
    answers: dict[tuple[str, str], list[_Rows]] = {}
    records: list[dict[str, Any]] = []
    for group, at, head, horizon in asked:
        record: dict[str, Any] = {"group": group, "at": at, "head": head, "horizon": horizon}
        rows = refits.get(group)
        if rows is not None:
            rows = rows[(rows["at"] == at) & (rows["head"] == head) & (rows["horizon"] == horizon)]
        if rows is None or rows.empty:
            records.append(record | _silent(TOO_SHORT))
            continue
        own = own_span(group) in refits
        paired = _Rows.pair(refits[own_span(group) if own else WHOLE], rows, horizon)
        answers.setdefault((group, at), []).append(paired)
        records.append(record | _answer(paired, settings, OWN_SPAN if own else ""))
    columns = [*GROUP_COLUMNS, *_REST[:-2]]
    table = pd.DataFrame(records, columns=columns)
    verdicts = _verdicts(table, answers, settings)
    return _corrected(table, verdicts)


def no_groups() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Both tables of a retrain that asked for none."""
    return (
        pd.DataFrame(columns=[*GROUP_COLUMNS, *_REST]),
        pd.DataFrame(columns=list(VERDICT_COLUMNS)),
    )


def _silent(note: str) -> dict[str, Any]:
    return dict.fromkeys(["gain", "gain_lo", "gain_hi", "p_value"]) | {"note": note}


def _answer(rows: _Rows, settings: TrainingSettings, note: str) -> dict[str, Any]:
    if not rows.taken:
        return _silent(NOT_TAKEN)
    won = _won(rows, settings)
    if won is None:
        return _silent(ONE_FIT)
    return {
        "gain": won.mean,
        "gain_lo": won.lo,
        "gain_hi": won.hi,
        "from": f"{pd.Timestamp(rows.session.min()):%Y-%m-%d}",
        "n": len(rows.session),
        "p_value": won.p_value,
        "note": note,
    }


def _verdicts(
    table: pd.DataFrame,
    answers: Mapping[tuple[str, str], Sequence[_Rows]],
    settings: TrainingSettings,
) -> pd.DataFrame:
    records = []
    for (group, at), rows in table.groupby(["group", "at"], sort=False):
        record = {"group": group, "at": at, "heads": int(rows["p_value"].notna().sum())}
        answered = rows[rows["p_value"].notna()]
        if answered.empty:
            records.append(record | _silent(rows["note"].iloc[0]))
            continue
        pooled = _Rows.pool(answers[str(group), str(at)])
        records.append(record | _answer(pooled, settings, answered["note"].iloc[0]))
    return pd.DataFrame(records, columns=list(VERDICT_COLUMNS[:-2]))


def _won(rows: _Rows, settings: TrainingSettings) -> Gain | None:
    """Gain with the wider interval, of rows in blocks or of whole folds; none from one fold."""
    from scipy.stats import t

    by_row = gain(
        rows.without, rows.kept, rows.climatology, horizon=rows.horizon, settings=settings
    )
    _, member = np.unique(rows.until, return_inverse=True)
    folds = int(member.max()) + 1
    if folds < 2:
        return None
    # residuals of a ratio of fold totals
    saved = rows.without - rows.kept - by_row.mean * rows.climatology
    left = np.bincount(member, saved)
    spread = float(np.sqrt(folds / (folds - 1) * (left**2).sum()) / rows.climatology.sum())
    if spread == 0.0:
        return by_row
    reach = float(t.ppf(0.5 + settings.interval / 2.0, folds - 1)) * spread
    return Gain(
        by_row.mean,
        min(by_row.lo, by_row.mean - reach),
        max(by_row.hi, by_row.mean + reach),
        max(by_row.p_value, float(t.sf(by_row.mean / spread, folds - 1))),
    )


def _corrected(table: pd.DataFrame, verdicts: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Correct the questions that the model itself could use; the others get no verdict."""

    def counted(frame: pd.DataFrame) -> np.ndarray:
        return (frame["p_value"].notna() & (frame["note"] != OWN_SPAN)).to_numpy()

    inner, outer = counted(table), counted(verdicts)
    place = {
        pair: k
        for k, pair in enumerate(verdicts.loc[outer, ["group", "at"]].itertuples(index=False))
    }
    member = np.array(
        [place[pair] for pair in table.loc[inner, ["group", "at"]].itertuples(index=False)], int
    )
    families, questions = hierarchical(
        verdicts.loc[outer, "p_value"].to_numpy(dtype=float),
        table.loc[inner, "p_value"].to_numpy(dtype=float),
        member,
    )
    return _judged(table, inner, questions), _judged(verdicts, outer, families)


def _judged(frame: pd.DataFrame, counted: np.ndarray, p: np.ndarray) -> pd.DataFrame:
    adjusted = np.full(len(frame), np.nan)
    adjusted[counted] = p
    return frame.assign(p_family=adjusted, useful=adjusted <= FAMILY_LEVEL)
