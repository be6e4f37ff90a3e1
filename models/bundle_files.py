"""The files of a bundle: what is written, how it is named, and how a moment is read back."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from features.errors import DataError
from models.baselines import baseline_from_json
from models.boosters import Booster
from models.forecaster import Forecaster, HeadModel, head_table
from models.heads import parse_key
from models.mover import Mover
from models.novelty import Novelty
from models.paths import PathPrior
from models.settings import ModelSettings
from models.shift import ShiftModel
from models.translation import Translation

__all__ = ["FORMAT", "MANIFEST", "json_bytes", "read_moment", "read_translation", "write_bundle"]

FORMAT = 7
MANIFEST = "manifest.json"
_RUN = "run.json"
_TRANSLATION = "translation.json"
_MOVER = "mover_"


def write_bundle(
    folder: Path,
    forecasters: Mapping[str, Forecaster],
    *,
    fallback: bool = False,
    translation: Translation | None = None,
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
    translation : Translation, optional
        What cascades become.
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
    if translation is not None:
        documents[_TRANSLATION] = json_bytes(translation.to_json())
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
    digest = hashlib.sha256(json_bytes(manifest)).hexdigest()
    version = model_version or f"{manifest['until']}-{digest[:8]}"
    manifest["model_version"] = version
    manifest["content_hash"] = digest
    documents[MANIFEST] = json_bytes(manifest)
    if run is not None:
        documents[_RUN] = json_bytes(dict(run))
    target = folder / version
    if (target / MANIFEST).is_file() and (target / MANIFEST).read_bytes() == documents[MANIFEST]:
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


def json_bytes(document: Any) -> bytes:
    """Write JSON in the one way that the hashes are of."""
    text = json.dumps(document, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False)
    return (text + "\n").encode()


def _moment_files(at: str, forecaster: Forecaster, documents: dict[str, bytes]) -> None:
    documents[f"{at}/moment.json"] = json_bytes(
        {
            "until": forecaster.until,
            "prior": forecaster.prior.to_json(),
            "novelty": forecaster.novelty.to_json(),
            "movers": {name: mover.to_json() for name, mover in forecaster.movers.items()},
        }
    )
    for name, mover in forecaster.movers.items():
        _trees(f"{at}/{_MOVER}{name}", mover.boosters, documents)
    for name, head in forecaster.heads.items():
        documents[f"{at}/{name}.json"] = json_bytes(
            {
                "rows": head.rows,
                "first": head.first,
                "last": head.last,
                "baselines": {n: b.to_json() for n, b in head.baselines.items()},
                "shift": None if head.shift is None else head.shift.to_json(),
                "boosters": 0 if head.shift is None else len(head.shift.boosters),
            }
        )
        _trees(f"{at}/{name}", head.shift.boosters if head.shift else (), documents)


def _trees(name: str, boosters: Sequence[Booster], documents: dict[str, bytes]) -> None:
    for k, booster in enumerate(boosters):
        documents[f"{name}.{k}.lgb"] = booster.text.encode()


def _read_trees(name: str, count: int, raw: Mapping[str, bytes]) -> tuple[Booster, ...]:
    return tuple(Booster(raw[f"{name}.{k}.lgb"].decode()) for k in range(count))


def read_moment(
    at: str, feature_names: tuple[str, ...], settings: ModelSettings, raw: Mapping[str, bytes]
) -> Forecaster:
    """Read one moment from the files of a bundle."""
    moment = json.loads(raw[f"{at}/moment.json"])
    movers: dict[str, Mover] = {}
    for name, told in moment["movers"].items():
        trees = _read_trees(f"{at}/{_MOVER}{name}", told["boosters"], raw)
        _check_features(f"{at}/{_MOVER}{name}", told, trees, feature_names)
        movers[name] = Mover.from_json(name, told, trees)
    heads: dict[str, HeadModel] = {}
    for file in raw:
        if not file.startswith(f"{at}/") or not file.endswith(".json"):
            continue
        name = file.removeprefix(f"{at}/").removesuffix(".json")
        if name == "moment":
            continue
        document = json.loads(raw[file])
        boosters = _read_trees(f"{at}/{name}", document["boosters"], raw)
        shift = document["shift"]
        _check_features(f"{at}/{name}", shift, boosters, feature_names)
        mover = _mover_of(f"{at}/{name}", shift, movers)
        key = parse_key(name)
        heads[name] = HeadModel(
            key=key,
            shift=None if shift is None else ShiftModel.from_json(shift, boosters, mover),
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


def read_translation(raw: Mapping[str, bytes]) -> Translation | None:
    """Read the translation score; None where the bundle was written without one."""
    if _TRANSLATION not in raw:
        return None
    return Translation.from_json(json.loads(raw[_TRANSLATION]))


def _mover_of(
    what: str, shift: Mapping[str, Any] | None, movers: Mapping[str, Mover]
) -> Mover | None:
    """Find the mover that a head names; one that is not there, or of other members, is refused."""
    if shift is None or shift["moved"] is None:
        return None
    mover = movers.get(shift["moved"])
    if mover is None or len(mover.boosters) not in (0, len(shift["offsets"])):
        raise DataError(
            f"{what} is moved by `{shift['moved']}` with {len(shift['offsets'])} members, which "
            "the bundle does not hold. Restore the bundle or retrain."
        )
    return mover


def _check_features(
    what: str,
    shift: Mapping[str, Any] | None,
    boosters: tuple[Booster, ...],
    feature_names: tuple[str, ...],
) -> None:
    """Refuse a head or mover whose features are not the bundle's, or not those of its boosters."""
    if shift is None:
        return
    names = list(shift["features"])
    if unknown := sorted(set(names) - set(feature_names)):
        raise DataError(
            f"{what} reads {len(unknown)} features that the bundle does not name, first "
            f"{unknown[0]}. Restore the bundle or retrain."
        )
    widths = {booster.width for booster in boosters}
    if widths - {len(names)}:
        raise DataError(
            f"{what} names {len(names)} features, its boosters expect {sorted(widths)}. "
            "Restore the bundle or retrain."
        )
