"""All heads of one fitted moment: forecast together, in parts that add up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from models.baselines import Baseline
from models.coherence import coherent_log_odds
from models.dataset import Dataset, moment_inputs
from models.heads import HeadKey
from models.interval import PRIOR_CLIP, interval, jackknife
from models.logit import logit, sigmoid
from models.mover import Mover
from models.novelty import Novelty
from models.paths import PathPrior
from models.settings import ModelSettings
from models.shift import ShiftModel

__all__ = ["Forecaster", "HeadModel", "HeadOdds", "head_table", "of_head"]


@dataclass(frozen=True)
class HeadModel:
    """One head: its shift model and its baselines.

    Where there is too little to fit, the shift model is absent and the path prior answers.
    """

    key: HeadKey
    shift: ShiftModel | None
    baselines: dict[str, Baseline]
    rows: int
    first: str
    last: str


@dataclass(frozen=True)
class HeadOdds:
    """Log odds of one head on some rows, and what they are made of.

    Parameters
    ----------
    asked : ndarray of bool
        False where the head is not scored or its prior is unknown.
    prior, base, correction, calibration, coherence : ndarray
        Path prior (probability), structural start, features' part, and the last two terms, all in
        log odds.
    lo, hi : ndarray
        Ends of the interval, probabilities.
    prior_lo, prior_hi : ndarray
        Ends of the path prior's own interval.
    """

    asked: np.ndarray
    prior: np.ndarray
    base: np.ndarray
    correction: np.ndarray
    calibration: np.ndarray
    coherence: np.ndarray
    lo: np.ndarray
    hi: np.ndarray
    prior_lo: np.ndarray
    prior_hi: np.ndarray

    @property
    def log_odds(self) -> np.ndarray:
        """Final log odds, NaN where not asked."""
        total = self.base + self.correction + self.calibration + self.coherence
        return np.where(self.asked, total, np.nan)


@dataclass
class _Part:
    """Log odds of one head before coherence; `half` and `prior_half` are halves of intervals."""

    asked: np.ndarray
    prior: np.ndarray
    base: np.ndarray
    correction: np.ndarray
    calibration: np.ndarray
    half: np.ndarray
    prior_half: np.ndarray

    def before_coherence(self) -> np.ndarray:
        return self.base + self.correction + self.calibration


@dataclass(frozen=True)
class Forecaster:
    """A fitted moment; plain data, so that it pickles to another process.

    Parameters
    ----------
    at : str
        Moment.
    until : str
        Last session that any part of the fit has read, ISO date.
    settings : ModelSettings
        Choices of the fit.
    prior : PathPrior
        Simulator fitted up to `until`; forecasts use this one.
    heads : dict of str to HeadModel
        By head id.
    novelty : Novelty
        Distance from the training rows.
    feature_names : tuple of str
        Columns of the feature table at the fit.
    """

    at: str
    until: str
    settings: ModelSettings
    prior: PathPrior
    heads: dict[str, HeadModel]
    novelty: Novelty
    feature_names: tuple[str, ...]

    @property
    def movers(self) -> dict[str, Mover]:
        """Movers of the moment, by quantity."""
        found = [head.shift.mover for head in self.heads.values() if head.shift is not None]
        return {mover.quantity: mover for mover in found if mover is not None}

    def odds(
        self,
        features: pd.DataFrame,
        spine: pd.DataFrame,
        *,
        inputs: pd.DataFrame | None = None,
        intervals: bool = True,
        told: list[dict[str, np.ndarray]] | None = None,
    ) -> dict[str, HeadOdds]:
        """Forecast every head for the rows of a feature table.

        Parameters
        ----------
        features : DataFrame
            Rows to forecast, index session; absent columns count as null.
        spine : DataFrame
            History that reaches every row.
        inputs : DataFrame, optional
            Structural inputs of the rows where they were computed already.
        intervals : bool
            Ask the members too; without them the ends of the intervals are NaN.
        told : list, optional
            What the path prior, and its members where they are asked, say of the rows.
        """
        sessions = pd.DatetimeIndex(features.index)
        if inputs is None:
            inputs = moment_inputs(spine, features).loc[sessions]
        if told is None:
            laws = self.prior.laws(members=intervals)
            told = self.prior.told_by(laws, spine, sessions, self.at)
        priors, *others = told
        movers = self.movers.items()
        moves = {name: mover.moves(features) for name, mover in movers if mover.boosters}
        parts = {}
        for name, head in self.heads.items():
            members = np.array([other[name] for other in others])
            move = of_head(moves, head)
            parts[head.key] = _part(head.shift, features, inputs, priors[name], members, move)
        fixes = coherent_log_odds({k: part.before_coherence() for k, part in parts.items()})
        out = {}
        for key, part in parts.items():
            centre = part.before_coherence() + fixes[key]
            out[key.id] = HeadOdds(
                part.asked,
                part.prior,
                part.base,
                part.correction,
                part.calibration,
                np.where(part.asked, fixes[key], 0.0),
                *interval(centre, part.half, part.prior),
                *interval(logit(part.prior), part.prior_half, part.prior),
            )
        return out

    def predict(
        self, dataset: Dataset, sessions: Iterable[pd.Timestamp], *, light: bool = False
    ) -> pd.DataFrame:
        """Forecast sessions of a dataset, long format.

        Parameters
        ----------
        sessions : iterable of Timestamp
            Sessions of the dataset's feature table.
        light : bool
            Leave out the interval and all baselines but the prior and climatology.

        Returns
        -------
        DataFrame
            Columns ``session, at, head, horizon, p, prior, climatology, lo, hi, base_log_odds``
            and ``b_<name>`` for every baseline; `p` is NaN where the head is not scored.
        """
        index = pd.DatetimeIndex(list(sessions))
        features = dataset.features.loc[index]
        spine = dataset.spine.loc[: index.max()]
        inputs = dataset.inputs.loc[index]
        told = self.prior.recalled(spine, index, members=not light)
        odds = self.odds(features, spine, inputs=inputs, intervals=not light, told=told)
        frames = []
        for name, head in self.heads.items():
            part = odds[name]
            columns: dict[str, Any] = {
                "session": index,
                "at": self.at,
                "head": head.key.head,
                "horizon": head.key.horizon,
                "p": sigmoid(part.log_odds),
                "prior": part.prior,
                "climatology": head.baselines["climatology"].predict(inputs, part.prior),
                "lo": part.lo,
                "hi": part.hi,
                "base_log_odds": part.base,
            }
            if not light:
                for label, baseline in head.baselines.items():
                    values = baseline.predict(inputs, part.prior)
                    columns[f"b_{label}"] = np.where(part.asked, values, np.nan)
            frames.append(pd.DataFrame(columns))
        return pd.concat(frames, ignore_index=True)


def _part(
    shift: ShiftModel | None,
    features: pd.DataFrame,
    inputs: pd.DataFrame,
    prior: np.ndarray,
    members: np.ndarray,
    moves: np.ndarray | None,
) -> _Part:
    """Ask one head.

    Parameters
    ----------
    members : ndarray, shape (members, rows)
        The prior by its members; without rows where none is wanted.
    moves : ndarray, shape (members, rows), or None
        What the mover of the head says.
    """
    n, asked = len(prior), ~np.isnan(prior)
    base = np.full(n, np.nan)
    correction, calibration = np.zeros(n), np.zeros(n)
    half, prior_half = np.full(n, np.nan), np.full(n, np.nan)
    if asked.any():
        x, some, own = features, inputs, members
        if not asked.all():
            x, some = features[asked], inputs[asked]
            own = members[:, asked] if len(members) else members
        if len(own):
            prior_half[asked] = jackknife(logit(own, clip=PRIOR_CLIP))
        if shift is None:
            base[asked], half = logit(prior[asked]), prior_half
        else:
            base[asked], starts = shift.starts(some, prior[asked], own)
            added = shift.added(x, None if moves is None else moves[:, asked])
            boosted = shift.boosted(x, added)
            correction[asked] = boosted + shift.young(x)
            calibration[asked] = shift.calibrated(base[asked] + boosted)
            if len(own):
                half[asked] = jackknife(shift.members(starts, added))
    return _Part(asked, prior, base, correction, calibration, half, prior_half)


def of_head(told: Mapping[str, np.ndarray], head: HeadModel) -> np.ndarray | None:
    """Take what the mover of a head says; None where it has none, or none that speaks."""
    if head.shift is None or head.shift.mover is None:
        return None
    return told.get(head.shift.mover.quantity)


def head_table(forecaster: Forecaster) -> Mapping[str, Any]:
    """Training span, rows and choices of every head, for the record."""
    return {
        name: {
            "rows": head.rows,
            "first": head.first,
            "last": head.last,
            "weights": head.shift.offsets[0].weights if head.shift else None,
            "window": head.shift is not None and head.shift.window is not None,
            "share": head.shift.share if head.shift else None,
            "moved": head.shift.mover.share if head.shift and head.shift.mover else 0.0,
            "calibrated": head.shift is not None and head.shift.calibration is not None,
        }
        for name, head in forecaster.heads.items()
    }
