"""Contiguous blocks of the training span, purged on both sides.

The choices of a fit (which offset, how much of the correction) are made on rows that the judged
member has not seen. Blocks are long, so neighbouring labels do not straddle them but at the
edges, and there `horizon + 1` rows are dropped.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

__all__ = ["block_folds"]


def block_folds(n: int, blocks: int, gap: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Split `n` rows in session order into blocks.

    Parameters
    ----------
    gap : int
        Rows dropped from the fitting side next to the held-out block.

    Returns
    -------
    list of (fit rows, held-out rows)
    """
    bounds = np.linspace(0, n, blocks + 1).astype(int)
    rows = np.arange(n)
    folds = []
    for a, b in pairwise(bounds):
        folds.append((rows[(rows < a - gap) | (rows >= b + gap)], rows[a:b]))
    return folds
