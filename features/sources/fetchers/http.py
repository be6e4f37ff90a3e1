"""One HTTP client for all fetchers: bounded in time, size, rate and attempts.

What a server says is believed only when it is whole, of the right kind and small enough.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from features.errors import DataError, StormpetrelError
from features.sources.fetchers.state import FetchState, request_key

if TYPE_CHECKING:
    import httpx

    from features.sources.fetchers.settings import FetchSettings

__all__ = ["AnswerError", "Client", "FetchError"]

# Each retry is logged for who listens; a terminal without a handler would show a bare event name.
logging.getLogger("stamina").addHandler(logging.NullHandler())

Kind = Literal["csv", "json"]
Check = Callable[[Any], None]
AGENT = "stormpetrel (market data for one desk)"


class FetchError(StormpetrelError):
    """A provider could not be reached, or said no."""


class AnswerError(DataError):
    """A provider answered, but not with what its documentation promises."""


class _TransientError(Exception):
    """Worth another attempt, after `wait` seconds if the server said so."""

    def __init__(self, text: str, wait: float | None = None) -> None:
        super().__init__(text)
        self.wait = wait


@dataclass(frozen=True)
class _Request:
    kind: Kind
    url: str
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    secret: bool = False
    absent: bool = False
    check: Check | None = None

    @property
    def shown(self) -> str:
        """The address without its query, which could hold what must not be logged."""
        parts = urlsplit(self.url)
        return f"{parts.netloc}{parts.path}"


class Client:
    """A polite client for one source.

    Parameters
    ----------
    name : str
        Source, for messages.
    state : FetchState
        Its memory.
    settings : FetchSettings
        Limits.
    per_second : float
        Most requests a second.
    """

    def __init__(
        self, name: str, *, state: FetchState, settings: FetchSettings, per_second: float
    ) -> None:
        import httpx

        self.name = name
        self.requests = 0
        self.state = state
        self._settings = settings
        self._pause = 1.0 / per_second
        self._last = float("-inf")
        self._http = httpx.Client(timeout=settings.timeout_seconds, headers={"User-Agent": AGENT})

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()

    def text(
        self,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        conditional: bool = False,
        absent: bool = False,
    ) -> str | None:
        """Get a CSV document.

        Parameters
        ----------
        url : str
            Address.
        params : mapping, optional
            Query.
        conditional : bool, default False
            Ask only for a document newer than the one that was stored last.
        absent : bool, default False
            Whether the document may not exist (403, 404).

        Returns
        -------
        str or None
            None where the document has not changed or does not exist.

        Raises
        ------
        FetchError
            If the server cannot be reached, or refuses, in all attempts.
        AnswerError
            If the answer is a page of HTML, or too large.
        """
        query = params or {}
        condition = self.state.condition(request_key(url, query)) if conditional else {}
        return self._get(_Request("csv", url, query, condition, absent=absent))

    def json(
        self,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        keep: bool = False,
        check: Check | None = None,
    ) -> Any:
        """Get a JSON document.

        Parameters
        ----------
        url, params
            Address and query.
        headers : mapping, optional
            Headers that hold a secret: no redirect is followed with them, no message names them.
        keep : bool, default False
            Whether the answer is final (a page about the past), so that an interrupted fetch
            need not ask again.
        check : callable, optional
            Called with the document; raises `AnswerError`, or what `transient` returns to ask
            for another attempt.

        Raises
        ------
        FetchError, AnswerError
            As for `text`.
        """
        query = params or {}
        key = request_key(url, query)
        document = self.state.page(key) if keep else None
        if document is not None:
            return document
        request = _Request("json", url, query, headers or {}, secret=bool(headers), check=check)
        document = json.loads(self._get(request) or "null")
        if keep:
            self.state.keep_page(key, document)
        return document

    @staticmethod
    def transient(text: str) -> Exception:
        """Return the exception by which a `check` asks for another attempt."""
        return _TransientError(text)

    def _get(self, request: _Request) -> str | None:
        import stamina

        limits = self._settings
        retrying = stamina.RetryingCaller(
            attempts=limits.attempts,
            timeout=None,
            wait_initial=limits.wait_initial_seconds,
            wait_max=limits.wait_max_seconds,
            wait_jitter=limits.wait_initial_seconds,
        )
        try:
            # no argument: the library logs the arguments of what it retries, secrets with them
            body: str | None = retrying(self._again, lambda: self._once(request))
        except _TransientError as error:
            raise FetchError(
                f"{self.name}: {error} ({request.shown}, at most {limits.attempts} attempts). "
                "Expected an answer; try again later, or look at the provider's status."
            ) from error
        return body

    def _again(self, error: Exception) -> bool | float:
        if not isinstance(error, _TransientError):
            return False
        if error.wait is None:
            return True
        return error.wait if error.wait <= self._settings.wait_max_seconds else False

    def _once(self, request: _Request) -> str | None:
        import httpx

        wait = self._last + self._pause - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        self._last = time.monotonic()
        self.requests += 1
        try:
            with self._http.stream(
                "GET",
                request.url,
                params=dict(request.params),
                headers=dict(request.headers),
                follow_redirects=not request.secret,
            ) as response:
                status = response.status_code
                if status == 304 or (request.absent and status in (403, 404)):
                    return None
                body = self._body(response)
        except httpx.TimeoutException as error:
            silence = self._settings.timeout_seconds
            raise _TransientError(f"no answer within {silence:g} s") from error
        except httpx.TransportError as error:
            raise _TransientError(f"the connection broke ({type(error).__name__})") from error
        self._refuse(response, body, request)
        self._whole(response, body, request)
        self.state.saw(request_key(request.url, request.params), response.headers)
        return body

    def _body(self, response: httpx.Response) -> str:
        """Read the answer against the clock: a slow drip never trips a read timeout."""
        limits = self._settings
        deadline = time.monotonic() + limits.total_seconds
        size, parts = 0, []
        for part in response.iter_bytes():
            size += len(part)
            parts.append(part)
            if size > limits.max_megabytes * 1e6:
                raise AnswerError(
                    f"{self.name}: an answer larger than {limits.max_megabytes:g} MB. Expected "
                    "less; raise fetch.max_megabytes if that is right."
                )
            if time.monotonic() > deadline:
                raise _TransientError(f"the answer took longer than {limits.total_seconds:g} s")
        try:
            return b"".join(parts).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise _TransientError("the answer is no whole UTF-8 text") from error

    def _refuse(self, response: httpx.Response, body: str, request: _Request) -> None:
        status = response.status_code
        if status in (418, 429):
            raise _TransientError(f"too many requests ({status})", _retry_after(response))
        if status >= 500 or status == 408:
            raise _TransientError(f"the server failed ({status})", _retry_after(response))
        if status != 200:
            said = "" if body.lstrip().startswith("<") else " ".join(body.split())[:120]
            raise FetchError(
                f"{self.name} refused {request.shown} with {status}{said and f': {said}'}. "
                "Expected 200; look at the address, the key and the region's access."
            )

    def _whole(self, response: httpx.Response, body: str, request: _Request) -> None:
        """Refuse what is no document of the kind asked for."""
        html = "html" in response.headers.get("content-type", "")
        if html or body.lstrip()[:1] == "<":
            raise AnswerError(
                f"{self.name} answered {request.shown} with a page of HTML. Expected "
                f"{request.kind.upper()}; it may be a notice of maintenance or a block: open the "
                "address in a browser."
            )
        if request.kind == "json":
            try:
                document = json.loads(body)
            except json.JSONDecodeError as error:
                raise _TransientError("the answer is no whole JSON document") from error
            if request.check:
                request.check(document)


def _retry_after(response: httpx.Response) -> float | None:
    """Read Retry-After in seconds; its date form is rare and waits as usual."""
    try:
        return max(float(response.headers.get("retry-after", "")), 0.0)
    except ValueError:
        return None
