"""Fixtures of the room: an empty store, and a provider on the loopback that misbehaves."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from features.sources.fetchers.settings import FetchSettings
from features.store import MarketStore

Answer = Callable[["Ask"], "Reply"]


@dataclass
class Ask:
    """One request."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]
    count: int  # how often this path was asked, this time included


@dataclass
class Reply:
    """One answer, and how it goes wrong."""

    body: bytes = b""
    status: int = 200
    kind: str = "text/csv"
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None  # bytes that are sent of those announced
    drip: float = 0.0  # seconds between single bytes


class _Quiet(ThreadingHTTPServer):
    """A server that takes a client's hanging up for what it is."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Provider:
    """The server: answers by path, the longest matching prefix first."""

    HTML = Reply(b"<!DOCTYPE html><html><body>Maintenance</body></html>", kind="text/html")

    @staticmethod
    def csv(text: str, **changes: Any) -> Reply:
        return Reply(text.encode(), **changes)

    @staticmethod
    def doc(value: Any, **changes: Any) -> Reply:
        return Reply(json.dumps(value).encode(), kind="application/json", **changes)

    @staticmethod
    def reply(body: bytes, **changes: Any) -> Reply:
        return Reply(body, **changes)

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.asked: list[Ask] = []
        self._counts: Counter[str] = Counter()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer._handle(self)

            def log_message(self, *_: Any) -> None:
                return

        self._server = _Quiet(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def on(self, path: str, answer: Answer | Reply) -> None:
        fixed = answer if isinstance(answer, Reply) else None
        self.answers[path] = (lambda _: fixed) if fixed is not None else answer  # type: ignore

    def asked_for(self, path: str) -> list[Ask]:
        return [ask for ask in self.asked if ask.path.startswith(path)]

    def _handle(self, request: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(request.path)
        self._counts[parts.path] += 1
        ask = Ask(
            parts.path,
            dict(parse_qsl(parts.query)),
            {name.lower(): value for name, value in request.headers.items()},
            self._counts[parts.path],
        )
        self.asked.append(ask)
        found = [path for path in self.answers if parts.path.startswith(path)]
        reply = self.answers[max(found, key=len)](ask) if found else Reply(b"none", status=404)
        try:
            self._send(request, reply)
        except (BrokenPipeError, ConnectionResetError):
            request.close_connection = True

    def _send(self, request: BaseHTTPRequestHandler, reply: Reply) -> None:
        body = b"" if reply.status == 304 else reply.body
        request.send_response(reply.status)
        request.send_header("Content-Type", reply.kind)
        request.send_header("Content-Length", str(len(body)))
        for name, value in reply.headers.items():
            request.send_header(name, value)
        request.end_headers()
        if reply.drip:
            for i in range(len(body)):
                request.wfile.write(body[i : i + 1])
                request.wfile.flush()
                time.sleep(reply.drip)
            return
        request.wfile.write(body[: reply.cut] if reply.cut is not None else body)
        if reply.cut is not None:
            request.close_connection = True


@pytest.fixture
def store(tmp_path: Path) -> MarketStore:
    """A store without a row."""
    return MarketStore(tmp_path / "market")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder for market files."""
    made = tmp_path / "data"
    made.mkdir()
    return made


@pytest.fixture
def provider() -> Iterator[Provider]:
    """A server on 127.0.0.1 whose answers a test sets."""
    server = Provider()
    yield server
    server.close()


@pytest.fixture
def crypto_settings(provider: Provider) -> FetchSettings:
    """Every crypto source asks the provider, at once and twice at most."""
    quick = {"base_url": provider.url, "per_second": 10_000.0}
    return FetchSettings.model_validate(
        {
            "wait_initial_seconds": 0.001,
            "attempts": 2,
            "coins": ["BTC"],
            "backfill_days": 10,
            "binance": {**quick, "spot_url": provider.url + "/spot"},
            "bybit": quick,
            "okx": quick,
            "coinglass": quick,
            "coinalyze": {**quick, "symbols": {"BTC": ["BTCUSDT_PERP.A", "BTCUSDT.6"]}},
        }
    )
