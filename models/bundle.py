"""A promoted model on disk, and the whole inference path from it.

A bundle is a folder: boosters as LightGBM text, everything else JSON, and a manifest with the
hash of every file. Its name is its content: the same fit gives the same bytes and the same name.
The run's id and time stand in ``run.json``, outside of what is hashed. Nothing is pickled.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from features.bands import band_name
from features.errors import DataError
from models.baselines import baseline_from_json
from models.boosters import Booster
from models.dataset import Dataset, make_dataset
from models.explain import HeadForecast, SessionForecast, explain_rows
from models.forecaster import Forecaster, HeadModel, fit_forecaster, head_table
from models.heads import parse_key
from models.novelty import Novelty
from models.paths import PathPrior
from models.settings import ModelSettings
from models.shift import ShiftModel

__all__ = [
    "FORMAT",
    "Bundle",
    "Dataset",
    "Forecaster",
    "HeadForecast",
    "SessionForecast",
    "fit_forecaster",
    "load_bundle",
    "make_dataset",
    "write_bundle",
]

FORMAT = 1
_MANIFEST = "manifest.json"
_RUN = "run.json"


@dataclass(frozen=True)
class Bundle:
    """A loaded bundle.

    Parameters
    ----------
    model_version : str
        Name: last training session and the first eight digits of the content's hash.
    until : str
        Last session that the fit has read, ISO date.
    fallback : bool
        True where the model did not earn its place: forecasts are the path prior, and say so.
    feature_names : tuple of str
        Columns that the feature table had at the fit.
    settings : ModelSettings
        Choices of the fit.
    manifest : dict
        The manifest as stored.
    forecasters : dict of str to Forecaster
        By moment.
    """

    model_version: str
    until: str
    fallback: bool
    feature_names: tuple[str, ...]
    settings: ModelSettings
    manifest: dict[str, Any]
    forecasters: dict[str, Forecaster]

    def forecast(
        self, *, at: str, features: pd.DataFrame, spine: pd.DataFrame
    ) -> list[SessionForecast]:
        """Forecast and explain the rows of a feature table.

        Parameters
        ----------
        at : str
            Moment; one that the bundle was fitted for.
        features : DataFrame
            One row a session, in any number; absent columns count as null.
        spine : DataFrame
            SPX and VIX history that reaches the last row. A row reads its own past alone, so a
            batch gives the same bytes as single calls.

        Raises
        ------
        DataError
            If the bundle has no model for the moment.
        """
        forecaster = self._forecaster(at)
        vix = spine["vix_close"].reindex(features.index).to_numpy(float)
        regimes = [band_name(float(v)) for v in vix]
        return explain_rows(forecaster, features, spine, regimes, fallback=self.fallback)

    def paths(
        self, *, at: str, spine: pd.DataFrame, sessions: pd.DatetimeIndex, horizon: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Simulate paths of the prior; see `PathPrior.sample`."""
        return self._forecaster(at).prior.sample(spine, sessions, horizon)

    def prior(self, at: str = "evening") -> PathPrior:
        """Path prior of a moment."""
        return self._forecaster(at).prior

    def _forecaster(self, at: str) -> Forecaster:
        try:
            return self.forecasters[at]
        except KeyError:
            raise DataError(
                f"model {self.model_version} has no forecasts for `{at}`, only for "
                f"{sorted(self.forecasters)}. Choose one of those or retrain."
            ) from None


def write_bundle(
    folder: Path,
    forecasters: Mapping[str, Forecaster],
    *,
    fallback: bool = False,
    fields: Mapping[str, Any] | None = None,
    run: Mapping[str, Any] | None = None,
    model_version: str | None = None,
) -> Path:
    """Write a bundle beside the others and return its folder.

    Parameters
    ----------
    folder : Path
        Where bundles live; the bundle becomes ``folder/<model_version>``.
    forecasters : mapping of str to Forecaster
        By moment.
    fallback : bool
        Forecast with the path prior and say so.
    fields : mapping, optional
        Plain JSON values for the manifest (config hash, data hash, git revision); hashed.
    run : mapping, optional
        Run id, time: written to ``run.json``, not hashed.
    model_version : str, optional
        Name; by default the last training session and the first eight digits of the hash.

    Notes
    -----
    The same content written twice is one folder and no error.
    """
    if not forecasters:
        raise DataError("a bundle needs one fitted moment at least, got none. Fit one first.")
    documents: dict[str, bytes] = {}
    for at, forecaster in sorted(forecasters.items()):
        _moment_files(at, forecaster, documents)
    some = next(iter(forecasters.values()))
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "until": max(f.until for f in forecasters.values()),
        "fallback": fallback,
        "moments": sorted(forecasters),
        "feature_names": {at: list(f.feature_names) for at, f in sorted(forecasters.items())},
        "settings": some.settings.to_json(),
        "heads": {at: head_table(f) for at, f in sorted(forecasters.items())},
        "fields": dict(fields or {}),
        "files": {name: hashlib.sha256(raw).hexdigest() for name, raw in sorted(documents.items())},
    }
    digest = hashlib.sha256(_json(manifest)).hexdigest()
    version = model_version or f"{manifest['until']}-{digest[:8]}"
    manifest["model_version"] = version
    manifest["content_hash"] = digest
    documents[_MANIFEST] = _json(manifest)
    if run is not None:
        documents[_RUN] = _json(dict(run))
    target = folder / version
    if (target / _MANIFEST).is_file() and (target / _MANIFEST).read_bytes() == documents[_MANIFEST]:
        return target
    folder.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{version}-", dir=folder))
    try:
        for name, raw in documents.items():
            path = beside / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as stream:
                stream.write(raw)
                stream.flush()
                os.fsync(stream.fileno())
        beside.chmod(0o755)
        if target.exists():
            shutil.rmtree(target)
        beside.replace(target)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
    return target


def load_bundle(folder: Path) -> Bundle:
    """Read a bundle, checking every file against its hash.

    Raises
    ------
    DataError
        If the folder is no bundle, is of another format, or a file is missing or changed.
    """
    path = folder / _MANIFEST
    if not path.is_file():
        raise DataError(f"{folder} is no model bundle: {_MANIFEST} is missing. Retrain or promote.")
    try:
        manifest = json.loads(path.read_bytes())
    except ValueError as error:
        raise DataError(f"{path} is not JSON ({error}). Restore the bundle or retrain.") from error
    if manifest.get("format") != FORMAT:
        raise DataError(
            f"{folder} has bundle format {manifest.get('format')}, expected {FORMAT}. Retrain."
        )
    named = {k: v for k, v in manifest.items() if k not in ("model_version", "content_hash")}
    if hashlib.sha256(_json(named)).hexdigest() != manifest.get("content_hash"):
        raise DataError(f"{path} was changed after it was written. Restore the bundle or retrain.")
    raw: dict[str, bytes] = {}
    for name, digest in manifest["files"].items():
        file = folder / name
        if not file.is_file():
            raise DataError(f"{file} is missing. Restore the bundle or retrain.")
        raw[name] = file.read_bytes()
        if hashlib.sha256(raw[name]).hexdigest() != digest:
            raise DataError(f"{file} does not match its hash. Restore the bundle or retrain.")
    settings = ModelSettings.from_json(manifest["settings"])
    forecasters = {
        at: _read_moment(at, tuple(manifest["feature_names"][at]), settings, raw)
        for at in manifest["moments"]
    }
    names = dict.fromkeys(n for at in manifest["moments"] for n in manifest["feature_names"][at])
    return Bundle(
        model_version=manifest["model_version"],
        until=manifest["until"],
        fallback=bool(manifest["fallback"]),
        feature_names=tuple(names),
        settings=settings,
        manifest=manifest,
        forecasters=forecasters,
    )


def _json(document: Any) -> bytes:
    text = json.dumps(document, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False)
    return (text + "\n").encode()


def _moment_files(at: str, forecaster: Forecaster, documents: dict[str, bytes]) -> None:
    documents[f"{at}/moment.json"] = _json(
        {
            "until": forecaster.until,
            "prior": forecaster.prior.to_json(),
            "novelty": forecaster.novelty.to_json(),
        }
    )
    for name, head in forecaster.heads.items():
        documents[f"{at}/{name}.json"] = _json(
            {
                "rows": head.rows,
                "first": head.first,
                "last": head.last,
                "baselines": {n: b.to_json() for n, b in head.baselines.items()},
                "shift": None if head.shift is None else head.shift.to_json(),
                "boosters": 0 if head.shift is None else len(head.shift.boosters),
            }
        )
        for k, booster in enumerate(head.shift.boosters if head.shift else ()):
            documents[f"{at}/{name}.{k}.lgb"] = booster.text.encode()


def _read_moment(
    at: str, feature_names: tuple[str, ...], settings: ModelSettings, raw: Mapping[str, bytes]
) -> Forecaster:
    moment = json.loads(raw[f"{at}/moment.json"])
    heads: dict[str, HeadModel] = {}
    for file in raw:
        if not file.startswith(f"{at}/") or not file.endswith(".json"):
            continue
        name = file.removeprefix(f"{at}/").removesuffix(".json")
        if name == "moment":
            continue
        document = json.loads(raw[file])
        texts = [raw[f"{at}/{name}.{k}.lgb"].decode() for k in range(document["boosters"])]
        boosters = tuple(Booster(text) for text in texts)
        shift = document["shift"]
        key = parse_key(name)
        heads[name] = HeadModel(
            key=key,
            shift=None if shift is None else ShiftModel.from_json(shift, boosters),
            baselines={n: baseline_from_json(b) for n, b in document["baselines"].items()},
            rows=document["rows"],
            first=document["first"],
            last=document["last"],
        )
    heads = {k.id: heads[k.id] for k in sorted(h.key for h in heads.values())}
    return Forecaster(
        at=at,
        until=moment["until"],
        settings=settings,
        prior=PathPrior.from_json(moment["prior"]),
        heads=heads,
        novelty=Novelty.from_json(moment["novelty"]),
        feature_names=feature_names,
    )
