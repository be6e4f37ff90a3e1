"""Which way does it run? Liquidations against equity and VIX moves up to the same timestamp.

Two logistic fits on the same rows and folds: one knows what equity and VIX did by the cut-off, the
other knows the liquidations as well. What the second gains is what liquidations know beyond the
moves that everybody saw. The reverse question is asked in the same way. Correlation is not
causation: a gain says who moves first in this data, not what moves what.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from models.logit import RidgeLogit, logit, sigmoid
from models.scores import log_loss_rows
from models.structural import VARIANCE
from training.evaluate import gain
from training.settings import TrainingSettings
from training.splits import walk_forward_folds

__all__ = ["DIRECTION_COLUMNS", "LIQUIDATIONS", "added_skill", "direction_table"]

DIRECTION_COLUMNS = ("question", "at", "head", "horizon", "n", "gain", "gain_lo", "gain_hi", "note")
FORWARD, REVERSE = "liquidations lead", "equity and VIX lead"
#: Stated in advance: size, side, growth and count of the last days.
LIQUIDATIONS = (
    "all_liq_day_z",
    "all_liq_z",
    "all_liq_long_share",
    "all_liq_acceleration",
    "btc_casc_n_7d",
    "eth_casc_n_7d",
    "btc_casc_oi_lost_7d",
    "eth_casc_oi_lost_7d",
)
NIGHT = ("cw_btc_cascades", "cw_eth_cascades", "cw_btc_oi_change", "cw_eth_oi_change")
OVERNIGHT_CONTROLS = ("cw_es_move", "cw_vx_move")
HEADS = {
    "evening": (("shift_up", 5), ("breach_down", 1), ("spike", 1)),
    "preopen": (("gap_down", 1), ("breach_down", 1), ("spike", 1), ("breach_open", 1)),
}
BIG_DAY_Z = 1.0
MIN_TRAIN = 252
MIN_OF_EACH = 8
RIDGE_CONTROLS, RIDGE_EXTRA = 30.0, 100.0


def direction_table(datasets: Mapping[str, Any], settings: TrainingSettings) -> pd.DataFrame:
    """Ask both directions at every moment that has data.

    Parameters
    ----------
    datasets : mapping of str to Dataset
        By moment.

    Returns
    -------
    DataFrame
        `DIRECTION_COLUMNS`. The gain is in climatology's log loss, with its block-bootstrap
        interval; it is null, with a note, where the rows are too few.

    Notes
    -----
    *Timing:* controls and liquidations are those of the row's cut-off; each calendar year is
    forecast by fits on labels that ended before it.
    """
    records = []
    for at, heads in HEADS.items():
        if at not in datasets:
            continue
        data = datasets[at]
        controls = _controls(data)
        names = [
            n for n in (*LIQUIDATIONS, *(NIGHT if at == "preopen" else ())) if n in data.features
        ]
        night = [n for n in OVERNIGHT_CONTROLS if _known(data.features, n)]
        note = ""
        if at == "preopen":
            controls = controls.join(data.features[night])
            note = "" if night else "overnight index futures absent: the gap is not controlled for"
        for head, horizon in heads:
            key = f"{head}_{horizon}"
            extra = data.features[names]
            told = added_skill(
                data.labels[key], data.label_end[key], controls, extra, horizon, settings
            )
            records.append(
                {"question": FORWARD, "at": at, "head": head, "horizon": horizon}
                | _noted(told, note)
            )
    if "evening" in datasets:
        records.append(_reverse(datasets["evening"], settings))
    return pd.DataFrame(records, columns=list(DIRECTION_COLUMNS))


def added_skill(
    y: pd.Series,
    label_end: pd.Series,
    controls: pd.DataFrame,
    extra: pd.DataFrame,
    horizon: int,
    settings: TrainingSettings,
) -> dict[str, Any]:
    """Gain of controls and extra columns over the controls alone, out of sample.

    Parameters
    ----------
    y, label_end : Series
        Labels (NaN where not scored) and the session on which each is known.
    controls, extra : DataFrame
        Known at the cut-off of each row. Rows that lack any of them are left out on both sides.

    Returns
    -------
    dict
        n, gain, gain_lo, gain_hi, note.
    """
    empty: dict[str, Any] = {"n": 0, "gain": None, "gain_lo": None, "gain_hi": None}
    if extra.shape[1] == 0:
        return empty | {"note": "no such data"}
    rows = controls.join(extra, how="inner").dropna().index
    rows = rows.intersection(y.index[y.notna()])
    if len(rows) < 2 * MIN_TRAIN:
        return empty | {"n": len(rows), "note": f"too few rows: {len(rows)}"}
    sessions = pd.DatetimeIndex(rows)
    parts = []
    for fold in walk_forward_folds(
        sessions, first=settings.first_test, min_train=MIN_TRAIN, embargo=settings.embargo_sessions
    ):
        fit = sessions[(label_end.loc[sessions] <= fold.until).to_numpy()]
        target = y.loc[fit].to_numpy(float)
        if min(target.sum(), target.size - target.sum()) < MIN_OF_EACH:
            continue
        parts.append(_forecast(target, controls, extra, fit, fold.test).assign(y=y.loc[fold.test]))
    if not parts:
        return empty | {"n": len(rows), "note": "too few events to learn from"}
    said = pd.concat(parts)
    truth = said["y"].to_numpy(float)
    won = gain(
        *(log_loss_rows(truth, said[name].to_numpy(float)) for name in ("without", "with", "rate")),
        horizon=horizon,
        settings=settings,
    )
    return {"n": len(said), "gain": won.mean, "gain_lo": won.lo, "gain_hi": won.hi, "note": ""}


def _forecast(
    target: np.ndarray,
    controls: pd.DataFrame,
    extra: pd.DataFrame,
    fit: pd.DatetimeIndex,
    test: pd.DatetimeIndex,
) -> pd.DataFrame:
    base = _fit(controls.loc[fit], target, RIDGE_CONTROLS)
    start, later = (base.log_odds(controls.loc[i].to_numpy(float)) for i in (fit, test))
    more = _fit(extra.loc[fit], target, RIDGE_EXTRA, offset=start)
    rate = (target.sum() + 0.5) / (target.size + 1.0)
    return pd.DataFrame(
        {
            "without": sigmoid(later),
            "with": sigmoid(later + more.log_odds(extra.loc[test].to_numpy(float))),
            "rate": sigmoid(logit(np.full(len(test), rate))),
        },
        index=test,
    )


def _fit(
    x: pd.DataFrame, y: np.ndarray, ridge: float, offset: np.ndarray | None = None
) -> RidgeLogit:
    return RidgeLogit.fit(
        x.to_numpy(float),
        y,
        names=tuple(map(str, x.columns)),
        l2=ridge,
        offset=offset,
        intercept=offset is None,
        winsor=0.01,
    )


def _reverse(data: Any, settings: TrainingSettings) -> dict[str, Any]:
    """Ask whether today's equity and VIX moves know of tomorrow's liquidations."""
    record = {"question": REVERSE, "at": "evening", "head": "big liquidation day", "horizon": 1}
    if not _known(data.features, LIQUIDATIONS[0]):
        return record | {"n": 0, "note": "no such data"}
    z = data.features[LIQUIDATIONS[0]]
    following = z.shift(-1)
    y = (following > BIG_DAY_Z).astype(float).where(following.notna())
    end = pd.Series(z.index, index=z.index).shift(-1)
    own = [n for n in LIQUIDATIONS if n in data.features]
    moves = _controls(data)[["log_vix", "ret1", "dvix1"]]
    return record | added_skill(y, end, data.features[own], moves, 1, settings)


def _controls(data: Any) -> pd.DataFrame:
    return pd.DataFrame(data.inputs.loc[data.features.index, list(VARIANCE)])


def _known(features: pd.DataFrame, name: str) -> bool:
    return name in features and bool(features[name].notna().any())


def _noted(told: dict[str, Any], note: str) -> dict[str, Any]:
    return told | {"note": "; ".join(part for part in (told["note"], note) if part)}
