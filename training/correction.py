"""Corrections for asking many questions of one history."""

from __future__ import annotations

import numpy as np

from features.errors import UsageError

__all__ = ["benjamini_hochberg", "hierarchical", "holm"]


def holm(p_values: np.ndarray) -> np.ndarray:
    """Holm's step-down adjustment: controls the chance of even one false claim in the family.

    Parameters
    ----------
    p_values : ndarray, shape (m,)
        One-sided p-values; valid under any dependence between them.

    Returns
    -------
    ndarray, shape (m,)
        Adjusted p-values: compare them with the level wanted for the whole family.

    References
    ----------
    Holm, Scandinavian Journal of Statistics 6 (1979).
    """
    p = _checked(p_values)
    order = np.argsort(p, kind="stable")
    steps = p[order] * (len(p) - np.arange(len(p)))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(steps))
    return adjusted


def benjamini_hochberg(p_values: np.ndarray) -> np.ndarray:
    """Benjamini and Hochberg's step-up adjustment: controls the share of false claims.

    Parameters
    ----------
    p_values : ndarray, shape (m,)

    Returns
    -------
    ndarray, shape (m,)
        Adjusted p-values (often called q-values).

    References
    ----------
    Benjamini and Hochberg, Journal of the Royal Statistical Society B 57 (1995).
    """
    p = _checked(p_values)
    order = np.argsort(p, kind="stable")[::-1]
    steps = p[order] * len(p) / (len(p) - np.arange(len(p)))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1.0, np.minimum.accumulate(steps))
    return adjusted


def hierarchical(
    families: np.ndarray, members: np.ndarray, family_of: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Adjust p-values of families of questions, and of the questions inside them.

    Parameters
    ----------
    families : ndarray, shape (f,)
        P-value of each family as a whole: no question in it has anything to find.
    members : ndarray, shape (m,)
        P-value of each question.
    family_of : ndarray of int, shape (m,)
        Family of each question; every family has one at least.

    Returns
    -------
    families, members : ndarray
        Adjusted p-values. A family's is multiplied by m over the number of its questions; a
        question's by m, and it is never below its family's. Controls the chance of even one false
        claim at either level, under any dependence.

    References
    ----------
    Meinshausen, Biometrika 95 (2008).
    """
    outer, inner = _checked(families), _checked(members)
    size = np.bincount(family_of, minlength=len(outer))
    if len(size) != len(outer) or (size == 0).any():
        raise UsageError("every family needs at least one question, and every question a family.")
    adjusted = np.minimum(1.0, outer * len(inner) / size)
    return adjusted, np.maximum(np.minimum(1.0, inner * len(inner)), adjusted[family_of])


def _checked(p_values: np.ndarray) -> np.ndarray:
    p = np.asarray(p_values, dtype=float)
    if np.isnan(p).any() or (p < 0.0).any() or (p > 1.0).any():
        raise UsageError("`p_values` must lie in [0, 1] without NaN. Leave unscored claims out.")
    return p
