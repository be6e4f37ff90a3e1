"""Make a home ready, so that the first run is quicker."""

from __future__ import annotations

from features.errors import HomeError
from features.home import Home

__all__ = ["init_home"]

CONFIG = """\
# Stormpetrel's configuration. Every line is optional; unknown keys are refused.
# What can be set, with defaults and sources: docs/training.md for [training] and [models],
# docs/policy.md for [serving], docs/fetch.md for [fetch].

# [training]
# first_test = "2008-01-01"

# [moments]
# evening = {clock = "18:00"}
"""


def init_home(home: Home) -> list[str]:
    """Make folders, tracking database and a commented configuration; keep what is there.

    Parameters
    ----------
    home : Home

    Returns
    -------
    list of str
        One line for each thing, made or found.

    Raises
    ------
    HomeError
        If the home cannot be written.
    """
    from training.settings import load_settings
    from training.track import init_tracking, tracking_uri

    said = []
    for folder in (home.market, home.mlruns, home.scores):
        found = folder.is_dir()
        home.writable(folder)
        said.append(f"{'found' if found else 'made'} {folder}")
    if not home.config_path.exists():
        try:
            home.config_path.write_text(CONFIG, encoding="utf-8")
        except OSError as error:
            raise HomeError(
                f"cannot write {home.config_path}: {error.strerror}. Expected a writable home."
            ) from error
        said.append(f"made {home.config_path}")
    init_tracking(home, load_settings(home))
    said.append(f"tracking at {tracking_uri(home)}")
    return said
