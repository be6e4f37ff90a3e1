"""What the model used, drawn by shap from the exact contributions: a bar and a beeswarm a head."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["draw_reasons", "explanation"]

SHOWN = 15


def explanation(contributions: pd.DataFrame, features: pd.DataFrame) -> Any:
    """Hand contributions over to shap.

    Parameters
    ----------
    contributions : DataFrame, shape (sessions, terms)
        Log odds; terms that are no feature (bias, coherence) are left out.
    features : DataFrame
        Values of the features, for the colours.

    Returns
    -------
    shap.Explanation, shape (sessions, features)
    """
    import shap

    names = [str(name) for name in contributions.columns if name in features.columns]
    return shap.Explanation(
        values=np.nan_to_num(contributions[names].to_numpy(dtype=float)),
        data=features.loc[contributions.index, names].to_numpy(dtype=float),
        feature_names=names,
    )


def draw_reasons(
    folder: Path, contributions: Mapping[str, pd.DataFrame], features: pd.DataFrame
) -> list[Path]:
    """Draw ``shap_bar_<head>.png`` and ``shap_beeswarm_<head>.png``.

    Parameters
    ----------
    contributions : mapping of str to DataFrame
        By head, sessions x terms. A head to which no feature contributed has no picture.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from shap.plots import bar, beeswarm

    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    for head, found in contributions.items():
        what = explanation(found, features)
        if not np.any(what.values):
            continue
        for kind, picture in (("bar", bar), ("beeswarm", beeswarm)):
            figure = Figure(figsize=(9, 7), layout="constrained")
            FigureCanvasAgg(figure)
            axis = figure.subplots()
            extra = {"plot_size": None} if kind == "beeswarm" else {}
            with _same_jitter():
                picture(what, max_display=SHOWN, show=False, ax=axis, **extra)
            axis.set_title(f"{head}: what moved it, last {len(found)} scored sessions, log odds")
            path = folder / f"shap_{kind}_{head}.png"
            figure.savefig(path, dpi=110, metadata={"Software": None})
            drawn.append(path)
    return drawn


@contextmanager
def _same_jitter() -> Iterator[None]:
    """Seed numpy's global generator, from which shap spreads its dots, and put it back."""
    before = np.random.get_state()  # noqa: NPY002 - shap takes no generator
    np.random.seed(0)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(before)  # noqa: NPY002
