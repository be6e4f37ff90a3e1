"""Artifacts that move with the home: the ``mlflow-artifacts:`` scheme without a server.

An experiment with the artifact location ``mlflow-artifacts:/<name>`` holds no absolute path, so
the home can be moved or copied. A tracking server resolves that scheme by itself; a client that
opens the SQLite file directly does not. This hook sends it to the ``artifacts`` folder beside the
database file. It is registered in two ways: by the entry-point group
``mlflow.artifact_repository``, which reaches every process of the environment, and by `install`
for a source tree that is run without being installed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

__all__ = ["SCHEME", "artifact_folder", "install", "repository"]

SCHEME = "mlflow-artifacts"
SQLITE = "sqlite:///"


def artifact_folder(tracking_uri: str) -> Path | None:
    """Folder that holds the artifacts of a SQLite tracking store; None for any other store."""
    if not tracking_uri.startswith(SQLITE):
        return None
    return Path(unquote(tracking_uri.removeprefix(SQLITE)).partition("?")[0]).parent / "artifacts"


def repository(
    artifact_uri: str, tracking_uri: str | None = None, registry_uri: str | None = None
) -> Any:
    """Open the artifact repository of a ``mlflow-artifacts:`` URI.

    Parameters
    ----------
    artifact_uri : str
        For instance ``mlflow-artifacts:/stormpetrel/<run>/artifacts``.
    tracking_uri : str, optional
        Where the run is tracked; the active URI where it is not given.

    Returns
    -------
    ArtifactRepository
        A local one beside a SQLite store, MLflow's own client for everything else.
    """
    from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository
    from mlflow.store.artifact.mlflow_artifacts_repo import MlflowArtifactsRepository
    from mlflow.tracking import get_tracking_uri

    active = tracking_uri or get_tracking_uri()
    folder = artifact_folder(active)
    parsed = urlparse(artifact_uri)
    if folder is None or parsed.netloc:
        return MlflowArtifactsRepository(artifact_uri, tracking_uri, registry_uri)
    inside = Path(unquote(parsed.path).lstrip("/"))
    if ".." in inside.parts:
        raise ValueError(
            f"`artifact_uri` must stay inside the artifact folder, got {artifact_uri}."
        )
    return LocalArtifactRepository((folder / inside).as_uri(), tracking_uri, registry_uri)


def install() -> None:
    """Register the hook in this process."""
    from mlflow.store.artifact import artifact_repository_registry as registry

    registry._artifact_repository_registry.register(SCHEME, repository)
