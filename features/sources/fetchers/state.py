"""What a fetcher remembers: validators of stored documents, pages of an unfinished fetch.

It lives in a folder inside the store, so that it vanishes with it. Validators are written only
after the rows they stand for; without them a whole document is asked for: slower, never wrong.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["FetchState", "request_key"]

PAGES_KEPT_SECONDS = 24 * 3600


def request_key(url: str, params: Mapping[str, str]) -> str:
    """Name a request by its address and query; secrets travel in headers and are not part of it."""
    return json.dumps([url, sorted(params.items())])


class FetchState:
    """The memory of one source.

    Parameters
    ----------
    folder : Path
        Folder that all sources share; made when something is written.
    name : str
        The source.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._path = folder / f"{name}.json"
        self._pages = folder / "pages" / name
        self._fresh: dict[str, dict[str, str]] = {}

    def condition(self, key: str) -> dict[str, str]:
        """Return the headers that ask for a document only if it has changed."""
        return dict(self._known().get(key, {}))

    def saw(self, key: str, headers: Mapping[str, str]) -> None:
        """Note the validators of an answer, to be kept at `commit`."""
        names = {"If-None-Match": "etag", "If-Modified-Since": "last-modified"}
        found = {name: headers[header] for name, header in names.items() if header in headers}
        if found:
            self._fresh[key] = found

    def page(self, key: str) -> Any | None:
        """Return a page that an interrupted fetch has left, at most a day old."""
        path = self._page(key)
        try:
            if time.time() - path.stat().st_mtime < PAGES_KEPT_SECONDS:
                return json.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, json.JSONDecodeError):
            return None
        return None

    def keep_page(self, key: str, document: Any) -> None:
        """Keep a page that can no longer change, in case the fetch is interrupted."""
        _write(self._page(key), json.dumps(document))

    def commit(self) -> None:
        """Keep the validators of what is stored now, and forget the pages."""
        if self._fresh:
            _write(self._path, json.dumps(self._known() | self._fresh, indent=1, sort_keys=True))
            self._fresh = {}
        for page in self._pages.glob("*.json"):
            page.unlink(missing_ok=True)

    def _known(self) -> dict[str, dict[str, str]]:
        try:
            return dict(json.loads(self._path.read_text(encoding="utf-8")))
        except (FileNotFoundError, json.JSONDecodeError):
            return {}

    def _page(self, key: str) -> Path:
        return self._pages / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.json"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with beside.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    beside.replace(path)
