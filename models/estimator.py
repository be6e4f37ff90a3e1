"""One head of the shift model as a scikit-learn classifier, for research in a notebook.

`retrain` and `score` use `models.fitting` directly: they fit all heads on one ground, and scoring
imports no scikit-learn.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from features.errors import UsageError
from models.dataset import Dataset
from models.fitting import fit_forecaster
from models.heads import HeadKey
from models.logit import sigmoid
from models.ranks import ranks_within
from models.settings import ModelSettings

__all__ = ["ShiftClassifier"]


class ShiftClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Path prior, structural offset and boosters of one head, before coherence over horizons.

    Parameters
    ----------
    dataset : Dataset
        Prices, path prior, ranks and structural inputs of the sessions; its own labels are not
        used.
    head : str
        Head name, such as ``shift_up``.
    horizon : int
        Sessions ahead.
    settings : ModelSettings, optional
        Choices of the fit; the shipped ones by default.

    Attributes
    ----------
    forecaster_ : Forecaster
        The fit, with one head.
    classes_ : ndarray
        0 and 1.

    Notes
    -----
    *Timing:* a fit reads prices up to the end of the last label in `y`. A mover learns from rows
    whose next 21 sessions (`size`: next session) are rows of `X` as well, so give `fit` the
    unscored sessions too, NaN in `y`; scikit-learn's scorers refuse NaN, so cross-validation with
    them learns its movers from fewer rows. Cross-validation is honest
    only with purged folds (`training.splits`), and those that train on later rows fit the path
    prior on later prices too.
    """

    def __init__(
        self,
        dataset: Dataset,
        head: str = "shift_up",
        horizon: int = 5,
        settings: ModelSettings | None = None,
    ) -> None:
        self.dataset = dataset
        self.head = head
        self.horizon = horizon
        self.settings = settings

    def fit(self, X: pd.DataFrame, y: pd.Series | np.ndarray) -> ShiftClassifier:
        """Fit on some sessions.

        Parameters
        ----------
        X : DataFrame, shape (sessions, features)
            Rows of the feature table, sessions rising.
        y : array of float, shape (sessions,)
            1 or 0; NaN where the head is not scored.

        Raises
        ------
        UsageError
            If a session is not in the dataset, or the dataset has no such head.
        """
        key = self._key()
        days = self._sessions(X)
        labels = self.dataset.labels.copy()
        labels[key.id] = np.nan
        labels.loc[days, key.id] = np.asarray(y, dtype=float)
        ends = self.dataset.label_end.loc[days, key.id][labels.loc[days, key.id].notna()]
        # a row left out may belong to another fold, and a rank that reads it would know that fold
        left_out = self.dataset.features.index.difference(days)
        ranks = ranks_within(self.dataset.ranks, ~self.dataset.ranks.index.isin(left_out))
        shown = replace(self.dataset, features=X, labels=labels, ranks=ranks)
        last = ends.max() if len(ends) else days[-1]
        self.forecaster_ = fit_forecaster(
            shown, until=pd.Timestamp(last), settings=self.settings, heads=[key], light=True
        )
        self.classes_ = np.array([0.0, 1.0])
        self.n_features_in_ = X.shape[1]
        self.feature_names_in_ = np.asarray(X.columns, dtype=object)
        return self

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        """Probability of 0 and of 1, shape (sessions, 2); NaN where the head does not apply."""
        check_is_fitted(self)
        days = self._sessions(X)
        spine = self.dataset.spine.loc[: days.max()]
        odds = self.forecaster_.odds(X, spine, intervals=False)[self._key().id]
        p = sigmoid(odds.log_odds)
        return np.column_stack([1.0 - p, p])

    def predict(self, X: pd.DataFrame) -> np.ndarray:
        """1 where the probability is above one half, else 0; NaN where the head does not apply."""
        p = self.predict_proba(X)[:, 1]
        return np.where(np.isnan(p), np.nan, (p > 0.5).astype(float))

    def _key(self) -> HeadKey:
        key = HeadKey(self.head, self.horizon)
        if key.id not in self.dataset.labels:
            known = ", ".join(self.dataset.labels.columns)
            raise UsageError(f"no head is called {key.id}. Expected one of {known}.")
        return key

    def _sessions(self, X: pd.DataFrame) -> pd.DatetimeIndex:
        days = pd.DatetimeIndex(X.index)
        strange = days.difference(pd.DatetimeIndex(self.dataset.spine.index))
        if len(strange):
            raise UsageError(
                f"{strange[0]:%Y-%m-%d} is no session of the dataset. Give rows of its feature "
                "table, with sessions as their index."
            )
        return days
