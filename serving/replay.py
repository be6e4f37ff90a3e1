"""History replayed with the kept fold models: the track record of sessions they had not seen.

Each walk-forward fold's model forecasts the sessions that it scored at the retrain, but by the path
that serves: evidence as of every cut-off, the bundle from disk, the forecast document. The table
must be the retrain's own; where it is not, the store or the code has changed since.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from features.errors import DataError, UsageError
from features.home import Home
from features.sessions import calendar, new_york
from serving.champion import read_champion
from serving.documents import forecast
from serving.evidence import Evidence, gather, open_store
from serving.track import skill_rows

if TYPE_CHECKING:
    from models.bundle import Bundle

__all__ = ["replay", "replay_rows"]

Progress = Callable[[float, str], None]


def replay(
    home: Home, *, ats: Sequence[str] | None = None, progress: Progress | None = None
) -> dict[str, Any]:
    """Judge the champion's fold models on the sessions that each of them scored.

    Parameters
    ----------
    home : Home
    ats : sequence of str, optional
        Moments; all that were walked forward by default.
    progress : callable, optional

    Returns
    -------
    dict
        ``model_version``, ``until``, ``folds`` and ``skill`` as `serving.track.track_record`
        gives it, with every baseline of the folds beside the forecast.

    Raises
    ------
    RefusedError
        If no model is promoted.
    DataError
        If its fold models are not kept.
    UsageError
        If a moment has no folds.
    """
    champion = read_champion(home)
    version = str(champion["model_version"])
    folds = _folds(home, version, ats)
    rows = replay_rows(home, version, folds, progress=progress)
    return {
        "model_version": version,
        "until": str(champion["until"]),
        "folds": folds,
        "skill": skill_rows(rows),
    }


def replay_rows(
    home: Home,
    version: str,
    folds: Sequence[dict[str, Any]],
    *,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Forecast every session of some folds again.

    Parameters
    ----------
    folds : sequence of dict
        Entries of ``folds.json``: ``at, first, last, until, bundle``.

    Returns
    -------
    pd.DataFrame
        ``session, at, head, horizon, y, p, prior, climatology`` and ``b_<name>`` of each
        baseline; scored rows whose outcome was complete by the last fold's end.

    Notes
    -----
    Timing: forecasts see what was known at each cut-off; outcomes are those known at the end of
    the last session that the retrain knew.
    """
    from models.bundle import load_bundle

    until = max(pd.Timestamp(str(fold["last"])) for fold in folds)
    history, y = _outcomes(home, until)
    latent = None
    parts = []
    for number, fold in enumerate(folds):
        if progress is not None:
            progress(number / len(folds), f"replaying {fold['at']} {str(fold['first'])[:4]}")
        at = str(fold["at"])
        bundle = load_bundle(home.mlruns / "folds" / version / str(fold["bundle"]))
        days = calendar().sessions(str(fold["first"]), str(fold["last"]))
        evidence = gather(home, days, at).evidence
        if latent is None and _asks_filters(bundle, at):
            latent = _filters(history)
        parts.append(_rows(bundle, at, evidence, y, latent))
    rows = pd.concat(parts, ignore_index=True)
    rows = rows[rows["p"].notna() & rows["y"].notna()]
    return rows.sort_values(["at", "head", "horizon", "session"], ignore_index=True)


def _folds(home: Home, version: str, ats: Sequence[str] | None) -> list[dict[str, Any]]:
    path = home.mlruns / "folds" / version / "folds.json"
    if not path.is_file():
        raise DataError(
            f"the fold models of {version} are not kept: {path} is missing. Expected those of a "
            "retrain of this home; run `stormpetrel retrain` again, or keep more with "
            "`keep_fold_models` in [training]."
        )
    index: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    known = list(dict.fromkeys(str(fold["at"]) for fold in index))
    for at in ats or ():
        if at not in known:
            raise UsageError(
                f"{version} was not walked forward at {at!r}. Expected one of {', '.join(known)}."
            )
    return [fold for fold in index if ats is None or fold["at"] in ats]


def _outcomes(home: Home, until: pd.Timestamp) -> tuple[pd.DataFrame, pd.DataFrame]:
    from features.pipeline import spine
    from models.labels import labels

    midnight = new_york(pd.DatetimeIndex([until + pd.Timedelta(days=1)]), "00:00")[0]
    history = spine(open_store(home), as_of=midnight).loc[:until]
    return history, labels(history)[0]


def _asks_filters(bundle: Bundle, at: str) -> bool:
    from models.baselines import LATENT

    heads = bundle.forecasters[at].heads.values()
    return any(set(head.baselines) & set(LATENT) for head in heads)


def _filters(history: pd.DataFrame) -> pd.DataFrame:
    """Filter as GJR-GARCH and regime switching do; empty, so no rivals, without their packages."""
    from models.latent import lacking, walk_forward_latent

    return walk_forward_latent(history) if lacking() is None else pd.DataFrame(index=history.index)


def _rows(
    bundle: Bundle,
    at: str,
    evidence: Sequence[Evidence],
    y: pd.DataFrame,
    latent: pd.DataFrame | None,
) -> pd.DataFrame:
    from models.baselines import LATENT
    from models.dataset import moment_inputs

    documents = forecast(bundle, evidence, at)
    index = pd.DatetimeIndex([item.session for item in evidence], name="session")
    features = pd.DataFrame([item.features for item in evidence]).set_axis(index)
    inputs = moment_inputs(evidence[-1].spine, features)
    if latent is not None:
        inputs = inputs.join(latent)
    inputs = inputs.loc[index]
    told = {
        name: pd.DataFrame(
            [{f"{h['head']}_{h['horizon']}": h[name] for h in d["heads"]} for d in documents],
            index=index,
            dtype=float,
        )
        for name in ("probability", "prior", "climatology")
    }
    parts = []
    for name, head in bundle.forecasters[at].heads.items():
        prior = told["prior"][name].to_numpy(dtype=float)
        rivals = {
            f"b_{label}": np.where(np.isnan(prior), np.nan, baseline.predict(inputs, prior))
            for label, baseline in head.baselines.items()
            if label not in LATENT or (latent is not None and len(latent.columns))
        }
        parts.append(
            pd.DataFrame(
                {
                    "session": index,
                    "at": at,
                    "head": head.key.head,
                    "horizon": head.key.horizon,
                    "y": y[name].reindex(index).to_numpy(dtype=float),
                    "p": told["probability"][name].to_numpy(dtype=float),
                    "prior": prior,
                    "climatology": told["climatology"][name].to_numpy(dtype=float),
                    **rivals,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)
