"""Draw features over time with the volatility bands shaded: a person's look before trust."""

from __future__ import annotations

import os
from collections.abc import Sequence
from difflib import get_close_matches
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from features.bands import BAND_NAMES, band_index
from features.catalog import CATALOG
from features.errors import HomeError, UsageError
from features.moments import Moment
from features.pipeline import Progress, Store, build, spine

__all__ = ["plot"]

_SHADES = ("#ffffff", "#eef3e2", "#fbe7c6", "#f4b6ab")


def plot(
    store: Store,
    names: Sequence[str],
    out: Path,
    *,
    at: str | Moment = "evening",
    start: Any = None,
    end: Any = None,
    progress: Progress | None = None,
) -> Path:
    """Draw features, one panel each, over the bands of the VIX close.

    Parameters
    ----------
    store : Store
        Market store.
    names : sequence of str
        Features of the catalogue.
    out : Path
        PNG file to write; replaced in one step.
    at : str or Moment
        Moment.
    start, end : date-like, optional
        Sessions to draw.
    progress : callable, optional
        Called with the fraction done and what is being done.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    UsageError
        If no name is given, or one is not in the catalogue.
    HomeError
        If the file cannot be written.
    """
    if not names:
        raise UsageError("no feature was named. Expected one or more; see `features list`.")
    for name in names:
        if name not in CATALOG:
            near = get_close_matches(name, list(CATALOG), n=3)
            raise UsageError(
                f"no feature is called {name!r}. Expected a name from `features list`"
                + (f", such as {', '.join(near)}." if near else ".")
            )
    table = build(store, at=at, start=start, end=end, progress=progress)

    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 1.2 + 2.4 * len(names)), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(names), 1, sharex=True, squeeze=False)[:, 0]
    vix = spine(store)["vix_close"].reindex(table.index)
    band = band_index(vix.to_numpy())
    edges = [*np.flatnonzero(np.diff(band, prepend=-9)).tolist(), len(band)]
    for panel, name in zip(panels, names, strict=True):
        feature = CATALOG[name]
        for begin, stop in pairwise(edges):
            if band[begin] > 0:
                last = table.index[min(stop, len(band) - 1)]
                panel.axvspan(table.index[begin], last, color=_SHADES[band[begin]], linewidth=0)
        panel.plot(table.index, table[name], color="#1f3b57", linewidth=0.9)
        panel.set_title(f"{name}: {feature.definition}", loc="left", fontsize=9)
        panel.set_ylabel(feature.unit, fontsize=8)
        panel.margins(x=0)
    shaded = ", ".join(BAND_NAMES[1:])
    figure.supxlabel(f"shaded, light to dark: VIX close {shaded}", fontsize=8)
    beside = out.with_name(f".{out.name}.part")
    try:
        with beside.open("wb") as file:
            figure.savefig(file, format="png", dpi=110, metadata={"Software": None})
            file.flush()
            os.fsync(file.fileno())
        beside.replace(out)
    except OSError as error:
        raise HomeError(
            f"cannot write {out}: {error.strerror}. Expected a writable folder; choose another "
            "file with --out."
        ) from error
    return out
