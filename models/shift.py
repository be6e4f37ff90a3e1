"""The shift model of one head: a structural offset, corrected by boosters that left a block out.

Member k is fitted on all but block k of the training span; the forecast averages the members in
log odds. Where a mover (`models.mover`) serves the head, that is one half of the forecast, and the
path prior as far as the mover moves it the other: two readings of the same features, one from
labels and one from ranks, err apart. How it is fitted, and what is chosen there, stands in
`models.shift_fit`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from models.boosters import Booster, mean_of
from models.calibration import calibration_term
from models.columns import Columns
from models.heads import HeadKey
from models.logit import RidgeLogit
from models.mover import Mover
from models.offset import PRIOR, Offset, offset_columns
from models.window import window_parts

__all__ = ["ShiftModel"]


@dataclass(frozen=True)
class ShiftModel:
    """A fitted head.

    Parameters
    ----------
    key : HeadKey
        Head and horizon.
    columns : Columns
        Columns of the boosters and what stands for a null.
    offsets : tuple of Offset
        One a member.
    boosters : tuple of Booster
        One a member; empty where the correction was not kept.
    share : float
        Share of the boosters' correction that was kept.
    lean : float
        What the log odds of the head gain by a move of one, down where it asks for a low; its size
        is the weight of the moved path prior. 0 where the head is not moved.
    mover : Mover or None
        What moves the path prior; None where the head is not moved.
    calibration : RidgeLogit or None
        What is added to structural start and trees; None where it did not help on a later block.
    window : RidgeLogit or None
        Correction from young features; None where it was not kept.
    choice : dict
        Held-out log loss of every candidate: the record of the choices.
    """

    key: HeadKey
    columns: Columns
    offsets: tuple[Offset, ...]
    boosters: tuple[Booster, ...]
    share: float
    lean: float
    mover: Mover | None
    calibration: RidgeLogit | None
    window: RidgeLogit | None
    choice: dict[str, float]

    def starts(
        self, inputs: pd.DataFrame, prior: np.ndarray, own: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Structural start of each row, and where each member starts from by a prior of its own.

        Parameters
        ----------
        prior : ndarray
            Path prior of the rows.
        own : ndarray, shape (members, rows)
            Path prior by each of its own members; without rows where none is wanted.

        Returns
        -------
        (base, starts) : tuple of ndarray
            Mean log odds of the members' offsets, halfway to the path prior where it is moved; and
            shape (members, rows).
        """
        columns = offset_columns(inputs, prior)
        if not len(own):
            told = [offset.from_columns(columns) for offset in self.offsets]
            return self._start(mean_of(told), columns[PRIOR]), own
        # both priors in one pass: the log odds of a row are those of the row alone
        twice = {name: np.tile(column, 2) for name, column in columns.items()}
        both = [offset_columns(twice, np.concatenate([prior, other])) for other in own]
        pairs = list(zip(self.offsets, both, strict=True))
        said = np.array([offset.from_columns(known) for offset, known in pairs])
        base, starts = said[:, : len(prior)], said[:, len(prior) :]
        alone = np.array([known[PRIOR][len(prior) :] for known in both])
        return self._start(mean_of(list(base)), columns[PRIOR]), self._start(starts, alone)

    @property
    def weight(self) -> float:
        """Weight of offset and boosters; the rest lies on the moved path prior."""
        return 1.0 - abs(self.lean)

    def _start(self, offset: np.ndarray, prior: np.ndarray) -> np.ndarray:
        return self.weight * offset + abs(self.lean) * prior

    @property
    def features(self) -> tuple[str, ...]:
        """Columns that may contribute, boosters' first."""
        young = self.window.names if self.window is not None else ()
        return (*(self.columns.names if self._has_trees else ()), *young)

    @property
    def _has_trees(self) -> bool:
        return bool(self.boosters) or self._moves

    @property
    def _moves(self) -> bool:
        return self.mover is not None and bool(self.mover.boosters)

    def added(self, x: pd.DataFrame, moves: np.ndarray | None = None) -> np.ndarray:
        """Log odds that the trees of each member add, shape (members, rows).

        Parameters
        ----------
        moves : ndarray, shape (members, rows), optional
            What the mover says of the rows where it was asked already.
        """
        total = np.zeros((len(self.offsets), len(x)))
        if self.boosters:
            matrix = self.columns.values(x)
            said = np.array([booster.log_odds(matrix) for booster in self.boosters])
            total += self.weight * self.share * said
        if self.mover is not None and self._moves:
            total += self.lean * (self.mover.moves(x) if moves is None else moves)
        return total

    def boosted(self, x: pd.DataFrame, added: np.ndarray | None = None) -> np.ndarray:
        """Mean over the members of what their trees add; `added` where they were asked already."""
        return mean_of(list(self.added(x) if added is None else added))

    def young(self, x: pd.DataFrame) -> np.ndarray:
        """Log odds that the young features add."""
        total = np.zeros(len(x))
        if self.window is not None:
            parts = window_parts(self.window, x)
            for j in range(parts.shape[1]):
                total = total + parts[:, j]
        return total

    def calibrated(self, log_odds: np.ndarray) -> np.ndarray:
        """Log odds that the calibration adds to structural start and trees."""
        return calibration_term(self.calibration, log_odds)

    def contributions(
        self, x: pd.DataFrame, pushes: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Exact contributions of `features` and of the trees' expected value.

        Parameters
        ----------
        pushes : ndarray, shape (rows, columns + 1), optional
            Contributions of the mover where they were computed already.

        Returns
        -------
        (values, bias) : tuple of ndarray
            Shapes (rows, features) and (rows,), log odds; they sum to `boosted` and `young`.
        """
        pieces, bias = [], np.zeros(len(x))
        if self._has_trees:
            total = np.zeros((len(x), len(self.columns.names) + 1))
            if self.boosters:
                matrix = self.columns.values(x)
                told = mean_of([booster.contributions(matrix) for booster in self.boosters])
                total += self.weight * self.share * told
            if self.mover is not None and self._moves:
                total += self.lean * (self.mover.contributions(x) if pushes is None else pushes)
            pieces.append(total[:, :-1])
            bias = total[:, -1]
        if self.window is not None:
            pieces.append(window_parts(self.window, x))
        return (np.hstack(pieces) if pieces else np.zeros((len(x), 0))), bias

    def members(self, starts: np.ndarray, added: np.ndarray) -> np.ndarray:
        """Calibrated log odds of every member before the young features, shape (members, rows).

        Parameters
        ----------
        starts, added : ndarray, shape (members, rows)
            As `starts` and `added` tell them.
        """
        log_odds = starts + added
        return log_odds + self.calibrated(log_odds.ravel()).reshape(log_odds.shape)

    def to_json(self) -> dict[str, Any]:
        """Everything but the trees, whose text has files of its own."""
        columns = self.columns if self._has_trees else Columns((), np.empty(0), ())
        return {
            "head": self.key.head,
            "horizon": self.key.horizon,
            **columns.to_json(),
            "offsets": [o.to_json() for o in self.offsets],
            "share": self.share,
            "lean": self.lean,
            "moved": None if self.mover is None else self.mover.quantity,
            "calibration": None if self.calibration is None else self.calibration.to_json(),
            "window": None if self.window is None else self.window.to_json(),
            "choice": self.choice,
        }

    @classmethod
    def from_json(
        cls, document: Mapping[str, Any], boosters: tuple[Booster, ...], mover: Mover | None
    ) -> ShiftModel:
        """Read what `to_json` wrote; `mover` is that of the quantity under ``moved``."""
        window, calibration = document["window"], document["calibration"]
        return cls(
            HeadKey(str(document["head"]), int(document["horizon"])),
            Columns.from_json(document),
            tuple(Offset.from_json(o) for o in document["offsets"]),
            boosters,
            float(document["share"]),
            float(document["lean"]),
            mover,
            None if calibration is None else RidgeLogit.from_json(calibration),
            None if window is None else RidgeLogit.from_json(window),
            {str(k): float(v) for k, v in document["choice"].items()},
        )
