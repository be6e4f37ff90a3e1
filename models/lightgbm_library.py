"""LightGBM's own library, for forecasts alone.

The Python package around it imports scipy.sparse and, where it is installed, scikit-learn: a third
of the start of a process that scores one session. A forecast needs four functions of the C
interface, which stand in LightGBM's documentation. The fit uses the package.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.util
import weakref
from pathlib import Path

import numpy as np

from features.errors import DataError

__all__ = ["Trees"]

_NAMES = ("lib_lightgbm.so", "lib_lightgbm.dylib", "lib_lightgbm.dll")
_FLOAT64, _ROW_MAJOR = 1, 1
_RAW_SCORE, _CONTRIBUTIONS = 1, 3
_PARAMETERS = b"num_threads=1"


class Trees:
    """Trees of one booster, read from LightGBM's text.

    Parameters
    ----------
    text : str
        What `lightgbm.Booster.model_to_string` wrote.
    width : int
        Columns that the booster expects.

    Raises
    ------
    DataError
        If LightGBM cannot read the text.
    """

    def __init__(self, text: str, width: int) -> None:
        library = _library()
        self.width = width
        self._handle = ctypes.c_void_p()
        rounds = ctypes.c_int()
        _must(
            library.LGBM_BoosterLoadModelFromString(
                _one_by_one(text).encode(), ctypes.byref(rounds), ctypes.byref(self._handle)
            )
        )
        weakref.finalize(self, library.LGBM_BoosterFree, self._handle)

    def raw_score(self, x: np.ndarray) -> np.ndarray:
        """Sum of the leaves that each row falls into."""
        return self._predict(x, _RAW_SCORE, 1)[:, 0]

    def contributions(self, x: np.ndarray) -> np.ndarray:
        """TreeSHAP values of each row; the last column is the expected value."""
        return self._predict(x, _CONTRIBUTIONS, self.width + 1)

    def _predict(self, x: np.ndarray, kind: int, columns: int) -> np.ndarray:
        rows = np.ascontiguousarray(x, np.float64)
        if rows.ndim != 2 or rows.shape[1] != self.width:
            raise DataError(
                f"a booster of {self.width} columns was given an array of shape {rows.shape}. "
                "Pass one row a session, one column a feature."
            )
        out = np.empty((len(rows), columns))
        written = ctypes.c_int64()
        _must(
            _library().LGBM_BoosterPredictForMat(
                self._handle,
                rows.ctypes.data_as(ctypes.c_void_p),
                ctypes.c_int(_FLOAT64),
                ctypes.c_int32(len(rows)),
                ctypes.c_int32(self.width),
                ctypes.c_int(_ROW_MAJOR),
                ctypes.c_int(kind),
                ctypes.c_int(0),  # from the first tree
                ctypes.c_int(-1),  # to the last
                _PARAMETERS,
                ctypes.byref(written),
                out.ctypes.data_as(ctypes.POINTER(ctypes.c_double)),
            )
        )
        return out


def _one_by_one(text: str) -> str:
    """Leave out the sizes of the trees.

    With them LightGBM deals the trees to a thread a core, and for a few hundred small trees the
    threads' waiting costs several times the reading.
    """
    start = text.find("\ntree_sizes=")
    if start < 0:
        return text
    return text[:start] + text[text.index("\n", start + 1) :]


@functools.cache
def _library() -> ctypes.CDLL:
    package = importlib.util.find_spec("lightgbm")
    folders = list(package.submodule_search_locations or ()) if package else []
    for folder in folders:
        for place in ("lib", "bin", ".."):
            for name in _NAMES:
                path = Path(folder) / place / name
                if path.is_file():
                    library = ctypes.cdll.LoadLibrary(str(path))
                    library.LGBM_GetLastError.restype = ctypes.c_char_p
                    return library
    raise DataError(
        f"LightGBM's library is not installed: {folders or 'the package'} holds none of "
        f"{', '.join(_NAMES)}. Install lightgbm."
    )


def _must(status: int) -> None:
    if status:
        why = _library().LGBM_GetLastError().decode(errors="replace")
        raise DataError(f"LightGBM refused: {why}. Restore the bundle or retrain.")
