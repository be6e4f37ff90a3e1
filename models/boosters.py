"""LightGBM boosters as text: fitted from an offset, evaluated with exact contributions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from models.lightgbm_library import Trees
from models.settings import ModelSettings

__all__ = ["MIN_ROWS", "SHARES", "Booster", "Matrix", "fit_booster", "mean_of", "parameters"]

# Fewer rows teach nothing that would last.
MIN_ROWS = 250
# How much of what the members of an ensemble say may be kept.
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)

# Rows of so many fits are kept binned: the members of three heads.
REMEMBERED = 15


@dataclass(frozen=True)
class Booster:
    """One booster, kept as LightGBM's own text so that it pickles and hashes as it is stored."""

    text: str
    _loaded: list[Trees] = field(default_factory=list, repr=False, compare=False)

    def trees(self) -> Trees:
        """Trees of the text, parsed once."""
        if not self._loaded:
            self._loaded.append(Trees(self.text, self.width))
        return self._loaded[0]

    @property
    def width(self) -> int:
        """Columns that it expects, from the head of its text: nothing is parsed for it."""
        key = "\nmax_feature_idx="
        start = self.text.index(key) + len(key)
        return int(self.text[start : self.text.index("\n", start)]) + 1

    def log_odds(self, x: np.ndarray) -> np.ndarray:
        """Correction of each row, without the offset."""
        return self.trees().raw_score(x)

    def contributions(self, x: np.ndarray) -> np.ndarray:
        """TreeSHAP values of each row; the last column is the expected value."""
        return self.trees().contributions(x)

    def __getstate__(self) -> dict[str, Any]:
        return {"text": self.text, "_loaded": []}


class Matrix:
    """Feature matrix of a moment, binned once and shared by every head and member.

    Bins are quantiles of the columns; they know no label, and rows of the matrix are all at or
    before the fit's last session.

    Parameters
    ----------
    values : ndarray, shape (rows, columns)
        What boosters are fitted on.
    asked : ndarray, optional
        The same rows as a forecast would read them; `values` by default.
    """

    def __init__(
        self, values: np.ndarray, settings: ModelSettings, asked: np.ndarray | None = None
    ) -> None:
        self.values = values
        self.asked = values if asked is None else asked
        self.settings = settings
        self._binned: Any = None
        self._parts: dict[bytes, Any] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_binned": None, "_parts": {}}

    def rows(self, rows: np.ndarray) -> Any:
        """Binned rows, sharing the bins of the whole; heads with the same rows share them too."""
        import lightgbm

        if self._binned is None:
            parameters = {
                "max_bin": self.settings.max_bin,
                "feature_pre_filter": False,
                "deterministic": True,
                "force_col_wise": True,
                "num_threads": 1,
                "verbosity": -1,
            }
            label = np.zeros(len(self.values))
            self._binned = lightgbm.Dataset(
                self.values, label, params=parameters, free_raw_data=True
            ).construct()
        asked = rows.tobytes()
        part = self._parts.pop(asked, None)
        if part is None:
            part = self._binned.subset(np.sort(rows)).construct()
        self._parts[asked] = part
        if len(self._parts) > REMEMBERED:
            self._parts.pop(next(iter(self._parts)))
        return part


def parameters(
    settings: ModelSettings, rows: int, seed: int, *, shares: bool = False
) -> dict[str, Any]:
    """Parameters of `lightgbm.train` for so many training rows, of labels or of shares.

    Notes
    -----
    Histograms by column or by row give the same trees; with few rows and many columns the former
    takes a sixth less time.
    """
    return {
        "objective": "cross_entropy" if shares else "binary",
        "boost_from_average": False,
        "num_leaves": settings.num_leaves,
        "learning_rate": settings.learning_rate,
        "min_data_in_leaf": max(20, int(settings.min_data_share * rows)),
        "lambda_l2": settings.lambda_l2,
        "feature_fraction": settings.feature_fraction,
        "bagging_fraction": settings.bagging_fraction,
        "bagging_freq": 1,
        "extra_trees": True,
        "max_bin": settings.max_bin,
        "feature_pre_filter": False,
        "seed": seed,
        "deterministic": True,
        "force_col_wise": True,
        "num_threads": 1,
        "verbosity": -1,
    }


def fit_booster(
    matrix: Matrix,
    rows: np.ndarray,
    y: np.ndarray,
    offset: np.ndarray,
    settings: ModelSettings,
    *,
    seed: int,
    shares: bool = False,
) -> Booster:
    """Boost the log odds `offset` towards `y`.

    Parameters
    ----------
    rows : ndarray of int
        Rows of `matrix`, ascending; `y` and `offset` are theirs.
    shares : bool
        `y` are shares between 0 and 1 instead of labels; the loss is the same.

    Notes
    -----
    Rows are weighted alike: at one horizon every label overlaps as many neighbours as any other,
    so uniqueness weights would be a constant. Overlap is answered by the block-out ensemble.
    """
    import lightgbm

    data = matrix.rows(rows)
    data.set_label(y)
    data.set_init_score(offset)
    booster = lightgbm.train(
        parameters(settings, len(y), seed, shares=shares),
        data,
        num_boost_round=settings.rounds,
        keep_training_booster=True,  # it is read once, as text; else it would be written twice
    )
    return Booster(booster.model_to_string())


def mean_of(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """Mean over members, added in their order: a row alone has the bits that it has in a batch."""
    total = arrays[0]
    for array in arrays[1:]:
        total = total + array
    return np.asarray(total / len(arrays))
