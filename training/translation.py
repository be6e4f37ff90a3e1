"""How good the translation score is: walk-forward by year, against the base rate and VIX alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from models.aftermath import clusters, outcomes, too_few
from models.logit import RidgeLogit, sigmoid
from models.scores import log_loss_rows
from models.translation import INPUTS, TAILS, Translation, block_weights, fit_translation
from training.settings import TrainingSettings
from training.splits import walk_forward_folds

__all__ = ["SKILL_COLUMNS", "lead", "skill_rows", "translation_rows", "translation_study", "walk"]

SKILL_COLUMNS = (
    "forecast",
    "against",
    "from",
    "to",
    "n",
    "clusters",
    "weak",
    "log_loss",
    "log_loss_against",
    "gain",
    "gain_lo",
    "gain_hi",
    "note",
)
PAIRS = (("translation", "base_rate"), ("translation", "vix"), ("vix", "base_rate"))
#: A year is scored where this many clusters, and of each outcome, ended before it.
MIN_FOLD_CLUSTERS, MIN_FOLD_OF_EACH = 15, 3
MIN_SESSIONS = 252
VIX_RIDGE = 1.0


def translation_study(
    features: pd.DataFrame, events: pd.DataFrame, spine: pd.DataFrame, settings: TrainingSettings
) -> Translation:
    """Fit the translation score on all that is known, and judge it out of sample.

    Parameters
    ----------
    features, events : DataFrame
        Evening rows: the features that the model may see, and those that describe events.
    spine : DataFrame
        SPX and VIX closes by session, to the end of training.
    """
    rows = translation_rows(features, events, spine)
    fitted = fit_translation(rows)
    return replace(
        fitted, skill=tuple(skill_rows(rows, walk(rows, settings), settings)), lead=lead(rows)
    )


def translation_rows(
    features: pd.DataFrame, events: pd.DataFrame, spine: pd.DataFrame
) -> pd.DataFrame:
    """Lay out every session on which a cascade could have been seen.

    Returns
    -------
    DataFrame
        `INPUTS` (null where unknown), ``cascade``, ``weakness``, ``fleeting``, ``end``, ``place``,
        ``log_vix``, ``ret1``.

    Notes
    -----
    *Timing:* inputs and ``log_vix``, ``ret1`` are those of the session's evening; outcomes are
    null where they end after the spine.
    """
    told = features.join(events) if len(events.columns) else features
    log_spx = np.log(spine["spx_close"])
    rows = told.reindex(columns=[*INPUTS, "casc_new"]).join(outcomes(spine))
    rows["place"] = spine.index.get_indexer(rows.index)
    rows["log_vix"] = np.log(spine["vix_close"]).reindex(rows.index)
    rows["ret1"] = log_spx.diff().reindex(rows.index)
    rows = rows[rows["casc_new"].notna() & rows["log_vix"].notna() & rows["ret1"].notna()]
    return rows.assign(cascade=rows["casc_new"] > 0)


def walk(rows: pd.DataFrame, settings: TrainingSettings) -> pd.DataFrame:
    """Forecast each calendar year's cascade sessions by what had ended before it.

    Returns
    -------
    DataFrame
        By session: ``y``, ``translation``, ``vix``, ``base_rate``. Empty where no year has enough
        before it.
    """
    parts = [pd.DataFrame(columns=["y", "translation", "vix", "base_rate"], dtype=float)]
    if len(rows) > MIN_SESSIONS + settings.embargo_sessions:
        folds = walk_forward_folds(
            pd.DatetimeIndex(rows.index),
            first=settings.first_test,
            min_train=MIN_SESSIONS,
            embargo=settings.embargo_sessions,
        )
        for fold in folds:
            past = rows[rows["end"] <= fold.until]
            test = rows.loc[fold.test]
            test = test[test["cascade"] & test["weakness"].notna()]
            taught = past[past["cascade"] & past["weakness"].notna()]
            y = taught["weakness"].to_numpy(float)
            short = too_few(
                clusters(taught["place"].to_numpy(int)),
                y,
                least=MIN_FOLD_CLUSTERS,
                of_each=MIN_FOLD_OF_EACH,
            )
            if short is None and len(test):
                parts.append(_forecast(past, taught, y, test))
    return pd.concat(parts)


def _forecast(
    past: pd.DataFrame, taught: pd.DataFrame, y: np.ndarray, test: pd.DataFrame
) -> pd.DataFrame:
    fitted = fit_translation(past, draws=0)
    assert fitted.model is not None  # there are events: the caller counted them
    vix = RidgeLogit.fit(taught[["log_vix"]].to_numpy(float), y, names=("log_vix",), l2=VIX_RIDGE)
    x = test[list(fitted.model.names)].to_numpy(float)
    return pd.DataFrame(
        {
            "y": test["weakness"],
            "translation": sigmoid(fitted.model.log_odds(x)),
            "vix": sigmoid(vix.log_odds(test[["log_vix"]].to_numpy(float))),
            "base_rate": fitted.base_rate,
        },
        index=test.index,
    )


def skill_rows(
    rows: pd.DataFrame, said: pd.DataFrame, settings: TrainingSettings
) -> list[dict[str, Any]]:
    """Compare the forecasts of `walk`.

    Returns
    -------
    list of dict
        `SKILL_COLUMNS`. Gain is (log loss of the other - log loss) / log loss of the base rate; its
        interval is the stationary block bootstrap over all sessions of the scored span.
    """
    if said.empty:
        empty = dict.fromkeys(SKILL_COLUMNS)
        note = "no calendar year has enough clusters before it"
        none = {"n": 0, "clusters": 0, "weak": 0, "note": note}
        return [empty | {"forecast": a, "against": b} | none for a, b in PAIRS]
    span = rows.loc[said.index[0] : said.index[-1]]
    weights = block_weights(len(span), draws=settings.bootstrap_repeats, seed=settings.seed)
    weights = weights[:, span.index.get_indexer(said.index)]
    y = said["y"].to_numpy(float)
    loss = {n: log_loss_rows(y, said[n].to_numpy(float)) for n in ("translation", "vix")}
    loss["base_rate"] = log_loss_rows(y, said["base_rate"].to_numpy(float))
    out = []
    for ours, other in PAIRS:
        saved = loss[other] - loss[ours]
        lo, hi = np.quantile((weights @ saved) / (weights @ loss["base_rate"]), TAILS)
        out.append(
            {
                "forecast": ours,
                "against": other,
                "from": f"{said.index[0]:%Y-%m-%d}",
                "to": f"{said.index[-1]:%Y-%m-%d}",
                "n": len(said),
                "clusters": int(clusters(rows.loc[said.index, "place"].to_numpy(int))[-1]) + 1,
                "weak": int(y.sum()),
                "log_loss": float(loss[ours].mean()),
                "log_loss_against": float(loss[other].mean()),
                "gain": float(saved.mean() / loss["base_rate"].mean()),
                "gain_lo": float(lo),
                "gain_hi": float(hi),
                "note": None,
            }
        )
    return out


def lead(rows: pd.DataFrame) -> dict[str, Any] | None:
    """Ask whether weakness follows cascades more often than VIX and the day's return say.

    Returns
    -------
    dict or None
        ``log_odds`` that a new cascade adds, with ``lo`` and ``hi`` (90 %, block bootstrap), the
        rates of weakness ``after_cascade`` and ``else``, and ``sessions``. In sample. None
        where one side has no outcome of each kind.
    """
    known = rows["weakness"].notna().to_numpy()
    some = rows[known]
    y = some["weakness"].to_numpy(float)
    flag = some["cascade"].to_numpy(float)
    if any(y[flag == side].size == 0 or np.ptp(y[flag == side]) == 0 for side in (0.0, 1.0)):
        return None
    x = np.column_stack([flag, some[["log_vix", "ret1"]].to_numpy(float)])
    drawn = [
        _flag(x, y, weight)
        for weight in block_weights(len(rows))[:, known]
        if 0.0 < weight @ y < weight.sum() and 0.0 < weight @ flag < weight.sum()
    ]
    lo, hi = np.quantile(drawn, TAILS)
    return {
        "log_odds": _flag(x, y, np.ones(len(y))),
        "lo": float(lo),
        "hi": float(hi),
        "after_cascade": float(y[flag == 1.0].mean()),
        "else": float(y[flag == 0.0].mean()),
        "sessions": len(y),
    }


def _flag(x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> float:
    # one count of ridge keeps a draw without weakness after a cascade finite
    names = ("cascade", "log_vix", "ret1")
    fit = RidgeLogit.fit(x, y, names=names, l2=0.5, weight=weight)
    return float(fit.coef[0] / fit.scale[0])
