"""One fit to make, and what it brings back."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from training.splits import Fold

__all__ = ["Job", "Result", "jobs_for"]


@dataclass(frozen=True)
class Job:
    """One fit.

    Parameters
    ----------
    at : str
        Moment.
    until : Timestamp
        Last session that the fit may know.
    test : DatetimeIndex or None
        Sessions to forecast; None for the final fit, whose forecaster itself comes back.
    heads : tuple of str or None
        Head keys to fit; None is all.
    drop : tuple of str
        Feature columns left out.
    since : Timestamp or None
        First session of the feature table that the fit may see; None is all.
    settings : object or None
        Model settings of this job alone (tuning); None takes the shared ones.
    keep : Path or None
        Folder into which the fold's forecaster is written as a bundle.
    tag : str
        What the job belongs to ("" main run, a group name, a trial).
    """

    at: str
    until: pd.Timestamp
    test: pd.DatetimeIndex | None
    heads: tuple[str, ...] | None = None
    drop: tuple[str, ...] = ()
    since: pd.Timestamp | None = None
    settings: Any = None
    keep: Path | None = None
    tag: str = ""

    @property
    def light(self) -> bool:
        """Whether only the probability is wanted, without intervals and baselines."""
        return self.tag != ""

    def batch(self) -> Hashable:
        """Jobs with the same one are one worker's: they share a path prior, and more."""
        return self.until, self.settings, self.light, self.at if self.light else None

    def ground(self) -> Hashable:
        """Jobs with the same one share what does not depend on the columns of the boosters."""
        from models.dataset import IVTS

        return (
            self.at,
            self.until,
            self.heads,
            self.since,
            self.settings,
            self.light,
            IVTS in self.drop,
        )


@dataclass(frozen=True)
class Result:
    """What a job brought back: forecasts, or the forecaster of a final fit."""

    job: Job
    forecasts: pd.DataFrame | None
    forecaster: Any


def jobs_for(
    at: str,
    folds: Sequence[Fold],
    *,
    heads: tuple[str, ...] | None = None,
    drop: tuple[str, ...] = (),
    keep: Path | None = None,
    tag: str = "",
    settings: Any = None,
    since: pd.Timestamp | None = None,
) -> list[Job]:
    """Make one job for each fold; `keep` gets a folder ``<at>/<fold>`` for each."""
    return [
        Job(
            at=at,
            until=fold.until,
            test=fold.test,
            heads=heads,
            drop=drop,
            since=since,
            settings=settings,
            keep=None if keep is None else keep / at / fold.name,
            tag=tag,
        )
        for fold in folds
    ]
