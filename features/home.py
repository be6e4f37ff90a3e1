"""The home: one folder under which everything that a run leaves behind lives."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from features.errors import HomeError, UsageError

__all__ = ["Home"]

PROJECT_ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Home:
    """Folders of one installation.

    Parameters
    ----------
    root : Path
        The home folder. Nothing is created until something is written.
    """

    root: Path

    @classmethod
    def resolve(cls, given: Path | None = None) -> Home:
        """Take the given folder, else ``STORMPETREL_HOME``, else the project root."""
        chosen = given or os.environ.get("STORMPETREL_HOME") or PROJECT_ROOT
        return cls(Path(chosen).expanduser().resolve())

    @property
    def market(self) -> Path:
        """Folder of the market store."""
        return self.root / "market"

    @property
    def mlruns(self) -> Path:
        """Folder of MLflow's database, its artifacts, and the promoted bundles."""
        return self.root / "mlruns"

    @property
    def scores(self) -> Path:
        """Folder of the ledger and the tickets."""
        return self.root / "scores"

    @property
    def config_path(self) -> Path:
        """Path of the optional TOML configuration."""
        return self.root / "stormpetrel.toml"

    def writable(self, folder: Path) -> Path:
        """Make `folder` and return it.

        Raises
        ------
        HomeError
            If the folder cannot be made or written.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise HomeError(
                f"cannot write {folder}: {error.strerror}. Expected a writable home; choose one "
                "with --home DIR or STORMPETREL_HOME."
            ) from error
        if not os.access(folder, os.W_OK):
            raise HomeError(
                f"cannot write {folder}: permission denied. Expected a writable home; choose one "
                "with --home DIR or STORMPETREL_HOME."
            )
        return folder

    def config_section(self, name: str) -> dict[str, Any]:
        """Read one section of ``stormpetrel.toml``; an absent file or section is empty."""
        if not self.config_path.is_file():
            return {}
        import tomllib  # a home without the file, and so most scores, do without the parser

        try:
            document = tomllib.loads(self.config_path.read_text(encoding="utf-8"))
        except tomllib.TOMLDecodeError as error:
            raise UsageError(
                f"{self.config_path} is not valid TOML: {error}. Mend that line."
            ) from error
        section = document.get(name, {})
        if not isinstance(section, dict):
            raise UsageError(f"[{name}] in {self.config_path} must be a table, got {section!r}.")
        return section
