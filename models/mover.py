"""How far the features move what the path prior expects.

A second reading of the same features. The boosters of a head learn from its labels: one bit a
session, and only where the head is scored. A mover learns from ranks (`models.ranks`): where in the
prior's distribution each session's future fell, so every session teaches, and how much it teaches
does not hang on how near a threshold was. One mover serves all heads that ask about its quantity.

In log odds of a head that asks whether the quantity is high, a move of the distribution by `m`
(in units of a logistic distribution) adds `m`. The expected rank of a moved logistic has the slope
1/6 at zero, a probability in its own log odds 1/4: so a mover's log odds of a rank count one and a
half times.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from models.boosters import Booster, mean_of
from models.columns import Columns
from models.heads import HeadKey

__all__ = ["Mover", "move_of"]

MOVE_OF_RANK = 1.5
# Quantity that moves each head, and whether the head asks for it high or low. Which heads are moved
# was chosen by looking: `shift_up` loses by it on 2000 to 2007, `premium_failure` after 2008
# (docs/models.md, What was tried).
_MOVES = {
    "shift_down": ("vix", -1.0),
    "expansion": ("variance", 1.0),
    "breach": ("size", 1.0),
    "breach_down": ("size", 1.0),
    "spike": ("size", 1.0),
    "gap_down": ("size", 1.0),
    "breach_open": ("size", 1.0),
}


def move_of(key: HeadKey) -> tuple[str, float] | None:
    """Quantity whose moves a head follows and their sign; None where it follows none."""
    return _MOVES.get(key.head)


@dataclass(frozen=True)
class Mover:
    """A fitted mover.

    Parameters
    ----------
    quantity : str
        What it moves, one of `models.ranks.AHEAD`.
    columns : Columns
        Columns of the boosters and what stands for a null.
    boosters : tuple of Booster
        One a member; empty where nothing was kept, and then nothing moves.
    share : float
        Share of what they say that was kept.
    losses : dict
        Held-out loss of every share: the record of the choice.
    """

    quantity: str
    columns: Columns
    boosters: tuple[Booster, ...]
    share: float
    losses: dict[str, float]

    @property
    def scale(self) -> float:
        """Log odds of a head for one of a rank."""
        return MOVE_OF_RANK * self.share

    def moves(self, x: pd.DataFrame) -> np.ndarray:
        """Log odds by which each member moves the rows, shape (members, rows)."""
        matrix = self.columns.values(x) if self.boosters else np.zeros((len(x), 0))
        told = [self.scale * booster.log_odds(matrix) for booster in self.boosters]
        return np.array(told).reshape(len(told), len(x))

    def contributions(self, x: pd.DataFrame) -> np.ndarray:
        """Mean TreeSHAP values of the members, log odds; the last column is the expected value.

        There is nothing to explain, and no call, where it has no boosters.
        """
        matrix = self.columns.values(x)
        return self.scale * mean_of([booster.contributions(matrix) for booster in self.boosters])

    def to_json(self) -> dict[str, Any]:
        """Everything but the boosters, whose text has files of its own."""
        return {
            **self.columns.to_json(),
            "boosters": len(self.boosters),
            "share": self.share,
            "losses": self.losses,
        }

    @classmethod
    def from_json(
        cls, quantity: str, document: Mapping[str, Any], boosters: tuple[Booster, ...]
    ) -> Mover:
        """Read what `to_json` wrote."""
        losses = {str(k): float(v) for k, v in document["losses"].items()}
        columns = Columns.from_json(document)
        return cls(quantity, columns, boosters, float(document["share"]), losses)
