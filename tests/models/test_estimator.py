"""One head through scikit-learn's door is the head that `fit_forecaster` fits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score

from features.errors import UsageError
from models.dataset import training_rows
from models.estimator import ShiftClassifier
from models.fitting import fit_forecaster
from models.heads import HeadKey

KEY = HeadKey("shift_up", 5)


def rows_of(fitted: Any) -> tuple[pd.DataFrame, pd.Series]:
    days = training_rows(fitted.dataset, KEY, fitted.until)
    days = days[days.isin(fitted.dataset.features.index)]
    return fitted.dataset.features.loc[days], fitted.dataset.labels.loc[days, KEY.id]


def test_it_says_what_the_forecaster_says(fitted: Any) -> None:
    x, y = rows_of(fitted)
    settings = fitted.forecaster.settings
    model = ShiftClassifier(fitted.dataset, "shift_up", 5, settings).fit(x, y)
    data = fitted.dataset
    last = data.label_end.loc[x.index, KEY.id].max()
    shown = type(data)(**{**vars(data), "features": x})
    same = fit_forecaster(shown, until=last, settings=settings, heads=[KEY])
    later = data.features.loc[fitted.later]
    p = model.predict_proba(later)
    told = same.predict(data, later.index, light=True)["p"].to_numpy()
    np.testing.assert_array_equal(p[:, 1], told)
    np.testing.assert_allclose(p.sum(axis=1), 1.0, atol=1e-15)
    np.testing.assert_array_equal(model.predict(later), told > 0.5)
    # in a crisis there is no higher band
    crisis = fitted.dataset.spine.copy()
    crisis.loc[later.index[0], "vix_close"] = 35.0
    model.set_params(dataset=type(data)(**{**vars(data), "spine": crisis}))
    one = later.iloc[:1]
    assert np.isnan(model.predict_proba(one)).all() and np.isnan(model.predict(one)).all()


def test_rows_that_it_is_not_given_do_not_matter(fitted: Any) -> None:
    x, y = rows_of(fitted)
    half = len(x) // 2
    model = ShiftClassifier(fitted.dataset, "shift_up", 5, fitted.forecaster.settings)
    first = model.fit(x.iloc[:half], y.iloc[:half]).predict_proba(x.iloc[half:])
    spoilt = fitted.dataset.labels.copy()
    spoilt.loc[x.index[half:], KEY.id] = 1.0 - spoilt.loc[x.index[half:], KEY.id]
    other = type(fitted.dataset)(**{**vars(fitted.dataset), "labels": spoilt})
    again = clone(model).set_params(dataset=other).fit(x.iloc[:half], y.iloc[:half])
    np.testing.assert_array_equal(first, again.predict_proba(x.iloc[half:]))


def test_scikit_learn_can_cross_validate_it(fitted: Any) -> None:
    x, y = rows_of(fitted)
    n = len(x)
    model = ShiftClassifier(fitted.dataset, "shift_up", 5, fitted.forecaster.settings)
    assert clone(model).get_params()["horizon"] == 5
    folds = [(np.arange(0, n // 2), np.arange(n // 2 + 6, n))]
    score = cross_val_score(model, x, y, cv=folds, scoring="neg_log_loss")
    assert -1.0 < score[0] < 0.0


def test_wrong_use_is_refused(fitted: Any) -> None:
    x, y = rows_of(fitted)
    with pytest.raises(UsageError, match="no head is called shift_up_6"):
        ShiftClassifier(fitted.dataset, "shift_up", 6).fit(x, y)
    with pytest.raises(UsageError, match="is no session of the dataset"):
        ShiftClassifier(fitted.dataset).fit(x.set_axis(x.index + pd.Timedelta(hours=1)), y)
    with pytest.raises(NotFittedError):
        ShiftClassifier(fitted.dataset).predict_proba(x)
