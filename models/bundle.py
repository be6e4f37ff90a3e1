"""A promoted model on disk, and the whole inference path from it.

A bundle is a folder: boosters as LightGBM text, everything else JSON, and a manifest with the
hash of every file. Its name is its content: the same fit gives the same bytes and the same name.
The run's id and time stand in ``run.json``, outside of what is hashed. Nothing is pickled.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from features.bands import band_name
from features.errors import DataError
from models.bundle_files import (
    FORMAT,
    MANIFEST,
    json_bytes,
    read_moment,
    read_translation,
    write_bundle,
)
from models.dataset import Dataset, make_dataset
from models.explain import HeadForecast, SessionForecast, explain_rows
from models.forecaster import Forecaster
from models.paths import PathPrior
from models.settings import ModelSettings
from models.translation import Translation

__all__ = [
    "FORMAT",
    "Bundle",
    "Dataset",
    "Forecaster",
    "HeadForecast",
    "SessionForecast",
    "load_bundle",
    "make_dataset",
    "write_bundle",
]


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
        By moment, as far as they were read.
    translation : Translation or None
        What cascades become; None in a bundle that was written without it.
    """

    model_version: str
    until: str
    fallback: bool
    feature_names: tuple[str, ...]
    settings: ModelSettings
    manifest: dict[str, Any]
    forecasters: dict[str, Forecaster]
    translation: Translation | None = None

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

    def prior(self, at: str = "evening") -> PathPrior:
        """Path prior of a moment."""
        return self._forecaster(at).prior

    def _forecaster(self, at: str) -> Forecaster:
        try:
            return self.forecasters[at]
        except KeyError:
            raise DataError(
                f"model {self.model_version} has no forecasts for `{at}`, only for "
                f"{sorted(self.manifest['moments'])}. Choose one of those or retrain."
            ) from None


def load_bundle(folder: Path, *, moments: Collection[str] | None = None) -> Bundle:
    """Read a bundle, checking every file that is read against its hash.

    Parameters
    ----------
    folder : Path
        The bundle.
    moments : collection of str, optional
        Moments to read; all by default. One that the bundle was not fitted for is passed over, and
        refused by the forecast.

    Raises
    ------
    DataError
        If the folder is no bundle, is of another format, or a file is missing or changed.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise DataError(f"{folder} is no model bundle: {MANIFEST} is missing. Retrain or promote.")
    try:
        manifest = json.loads(path.read_bytes())
    except ValueError as error:
        raise DataError(f"{path} is not JSON ({error}). Restore the bundle or retrain.") from error
    if manifest.get("format") != FORMAT:
        raise DataError(
            f"{folder} has bundle format {manifest.get('format')}, expected {FORMAT}. Retrain."
        )
    named = {k: v for k, v in manifest.items() if k not in ("model_version", "content_hash")}
    if hashlib.sha256(json_bytes(named)).hexdigest() != manifest.get("content_hash"):
        raise DataError(f"{path} was changed after it was written. Restore the bundle or retrain.")
    wanted = [at for at in manifest["moments"] if moments is None or at in moments]
    passed = tuple(f"{at}/" for at in manifest["moments"] if at not in wanted)
    raw: dict[str, bytes] = {}
    for name, digest in manifest["files"].items():
        if name.startswith(passed):
            continue
        file = folder / name
        if not file.is_file():
            raise DataError(f"{file} is missing. Restore the bundle or retrain.")
        raw[name] = file.read_bytes()
        if hashlib.sha256(raw[name]).hexdigest() != digest:
            raise DataError(f"{file} does not match its hash. Restore the bundle or retrain.")
    settings = ModelSettings.from_json(manifest["settings"])
    forecasters = {
        at: read_moment(at, tuple(manifest["feature_names"][at]), settings, raw) for at in wanted
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
        translation=read_translation(raw),
    )
