"""Choices of the estimator, all stated in advance; `[models]` in the configuration changes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from features.declare import KNOWN_SHARE
from features.errors import UsageError

__all__ = ["ModelSettings"]


@dataclass(frozen=True)
class ModelSettings:
    """Settings of every head.

    Parameters
    ----------
    blocks : int
        Contiguous blocks of the training span. Each ensemble member leaves one out; what the
        members say about the rows that they did not see makes every choice of the fit.
    rounds, num_leaves, learning_rate, min_data_share, lambda_l2 : number
        Size and regularisation of a booster; `min_data_share` is the smallest leaf as a share
        of the training rows.
    feature_fraction, bagging_fraction : float
        Columns for each tree and rows for each round.
    max_bin : int
        Histogram bins of a column.
    min_share : float
        Share of training rows in which a feature must be known to be used.
    stack_penalty : float
        Pull of the experts' weights to equal ones, nats of log loss.
    share_penalty : float
        Pull of the share that is kept of a head's boosters to the whole, nats of log loss for all
        of the way.
    open_rows : int
        Newest rows on which a head that needs the open is fitted: the recorded opening print of
        the index has changed its nature more than once (until 2006 it repeats the last close).
    paths : int
        Paths of the prior.
    seed : int
        Seed of everything random.
    features : tuple of str, optional
        Names to use; all by default.
    """

    blocks: int = 5
    rounds: int = 120
    num_leaves: int = 4
    learning_rate: float = 0.03
    min_data_share: float = 0.02
    lambda_l2: float = 20.0
    feature_fraction: float = 0.4
    bagging_fraction: float = 0.6
    max_bin: int = 63
    min_share: float = KNOWN_SHARE
    stack_penalty: float = 0.002
    share_penalty: float = 0.005
    open_rows: int = 1000
    paths: int = 1000
    seed: int = 7
    features: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.blocks < 2:
            raise UsageError(f"`blocks` must be 2 or more, got {self.blocks}.")
        if self.rounds < 1 or self.num_leaves < 2:
            raise UsageError("`rounds` must be 1 or more and `num_leaves` 2 or more.")
        if not 0.0 <= self.min_share <= 1.0:
            raise UsageError(f"`min_share` must lie between 0 and 1, got {self.min_share}.")
        if self.paths < 40 or self.paths % 40:
            raise UsageError(f"`paths` must be a multiple of 40, got {self.paths}.")

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        document = asdict(self)
        if self.features is not None:
            document["features"] = list(self.features)
        return document

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> ModelSettings:
        """Read plain values; unknown names are refused.

        Raises
        ------
        UsageError
            If a name is unknown.
        """
        known = {f.name for f in fields(cls)}
        if unknown := set(document) - known:
            raise UsageError(
                f"unknown model settings {sorted(unknown)}. Expected some of {sorted(known)}."
            )
        values = dict(document)
        if values.get("features") is not None:
            values["features"] = tuple(values["features"])
        return cls(**values)
