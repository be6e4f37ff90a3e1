"""The shared client against a server that misbehaves."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any

import pytest

from features.errors import UsageError
from features.home import Home
from features.sources.fetchers.http import AnswerError, Client, FetchError
from features.sources.fetchers.settings import FetchSettings, load_settings
from features.sources.fetchers.state import FetchState


def _client(folder: Path, **changes: Any) -> Client:
    limits = {"timeout_seconds": 1.0, "attempts": 3, "wait_initial_seconds": 0.001}
    settings = FetchSettings(**(limits | changes))
    return Client("p", state=FetchState(folder, "p"), settings=settings, per_second=1000.0)


def test_a_transient_failure_is_tried_again(provider: Any, tmp_path: Path) -> None:
    provider.on(
        "/a",
        lambda ask: provider.csv("no", status=500) if ask.count < 3 else provider.csv("A\n1\n"),
    )
    with _client(tmp_path) as client:
        assert client.text(provider.url + "/a") == "A\n1\n"
        assert client.requests == 3


def test_attempts_are_bounded(provider: Any, tmp_path: Path) -> None:
    provider.on("/a", provider.csv("no", status=503))
    with (
        _client(tmp_path) as client,
        pytest.raises(FetchError, match=r"failed \(503\).*3 attempts"),
    ):
        client.text(provider.url + "/a")
    assert len(provider.asked) == 3


def test_retry_after_is_kept(provider: Any, tmp_path: Path) -> None:
    busy = provider.csv("slow", status=429, headers={"Retry-After": "0.4"})
    provider.on("/a", lambda ask: busy if ask.count == 1 else provider.csv("A\n1\n"))
    before = time.monotonic()
    with _client(tmp_path) as client:
        client.text(provider.url + "/a")
    assert time.monotonic() - before >= 0.4


def test_a_retry_after_beyond_the_longest_wait_fails_at_once(provider: Any, tmp_path: Path) -> None:
    provider.on("/a", provider.csv("slow", status=429, headers={"Retry-After": "3600"}))
    with _client(tmp_path) as client, pytest.raises(FetchError, match=r"too many requests \(429\)"):
        client.text(provider.url + "/a")
    assert len(provider.asked) == 1


def test_a_truncated_body_is_no_answer(provider: Any, tmp_path: Path) -> None:
    whole = "A\n" + "1\n" * 500
    provider.on("/a", lambda ask: provider.csv(whole, cut=200 if ask.count == 1 else None))
    with _client(tmp_path) as client:
        assert client.text(provider.url + "/a") == whole
    provider.on("/b", provider.csv(whole, cut=200))
    with _client(tmp_path) as client, pytest.raises(FetchError, match="connection broke"):
        client.text(provider.url + "/b")


def test_a_truncated_json_is_tried_again_then_refused(provider: Any, tmp_path: Path) -> None:
    provider.on("/a", provider.reply(b'{"data": [1, 2', kind="application/json"))
    with _client(tmp_path) as client, pytest.raises(FetchError, match="no whole JSON"):
        client.json(provider.url + "/a")
    assert len(provider.asked) == 3


@pytest.mark.parametrize("kind", ["text/html", "text/csv"])
def test_a_page_of_html_with_status_200_is_refused_once(
    provider: Any, tmp_path: Path, kind: str
) -> None:
    provider.on("/a", provider.reply(b"\n <html>Down</html>", kind=kind))
    with _client(tmp_path) as client, pytest.raises(AnswerError, match="page of HTML"):
        client.text(provider.url + "/a")
    assert len(provider.asked) == 1


def test_a_slow_drip_is_cut_off(provider: Any, tmp_path: Path) -> None:
    provider.on("/a", provider.csv("A\n" + "1\n" * 200, drip=0.05))
    before = time.monotonic()
    with (
        _client(tmp_path, total_seconds=0.3, attempts=2) as client,
        pytest.raises(FetchError, match=r"longer than 0\.3 s"),
    ):
        client.text(provider.url + "/a")
    assert time.monotonic() - before < 3.0


def test_a_silent_server_is_left(provider: Any, tmp_path: Path) -> None:
    def silent(_: Any) -> Any:
        time.sleep(0.5)
        return provider.csv("late")

    provider.on("/a", silent)
    with (
        _client(tmp_path, timeout_seconds=0.1, attempts=2) as client,
        pytest.raises(FetchError, match=r"no answer within 0\.1 s"),
    ):
        client.text(provider.url + "/a")


def test_an_unreachable_server_says_so(tmp_path: Path) -> None:
    with _client(tmp_path) as client, pytest.raises(FetchError, match="ConnectError"):
        client.text("http://127.0.0.1:9/x")


def test_an_endless_answer_is_cut_off(provider: Any, tmp_path: Path) -> None:
    provider.on("/a", provider.csv("x" * 300_000))
    with (
        _client(tmp_path, max_megabytes=0.1) as client,
        pytest.raises(AnswerError, match=r"larger than 0\.1 MB"),
    ):
        client.text(provider.url + "/a")


def test_a_refusal_is_not_repeated_and_says_what_was_said(provider: Any, tmp_path: Path) -> None:
    provider.on("/a", provider.doc({"code": -1121, "msg": "Invalid symbol."}, status=400))
    with (
        _client(tmp_path) as client,
        pytest.raises(FetchError, match=r"with 400: .*Invalid symbol"),
    ):
        client.json(provider.url + "/a")
    assert len(provider.asked) == 1


def test_a_document_is_asked_for_again_only_if_it_changed(provider: Any, tmp_path: Path) -> None:
    def answer(ask: Any) -> Any:
        if ask.headers.get("if-none-match") == '"v1"':
            return provider.csv("", status=304)
        return provider.csv("A\n1\n", headers={"ETag": '"v1"', "Last-Modified": "Tue, 31 Dec 2024"})

    provider.on("/a", answer)
    with _client(tmp_path) as client:
        assert client.text(provider.url + "/a", conditional=True) == "A\n1\n"
        # until the rows are stored the document counts as never seen
        assert client.text(provider.url + "/a", conditional=True) == "A\n1\n"
        client.state.commit()
        assert client.text(provider.url + "/a", conditional=True) is None
        assert client.text(provider.url + "/a") == "A\n1\n"
    assert provider.asked[2].headers["if-modified-since"] == "Tue, 31 Dec 2024"


def test_a_broken_memory_only_costs_time(provider: Any, tmp_path: Path) -> None:
    provider.on("/a", provider.csv("A\n1\n"))
    tmp_path.joinpath("p.json").write_text("{ half")
    with _client(tmp_path) as client:
        assert client.text(provider.url + "/a", conditional=True) == "A\n1\n"


def test_the_rate_is_kept(provider: Any, tmp_path: Path) -> None:
    provider.on("/a", provider.csv("A\n1\n"))
    settings = FetchSettings()
    with Client("p", state=FetchState(tmp_path, "p"), settings=settings, per_second=20.0) as client:
        before = time.monotonic()
        for _ in range(5):
            client.text(provider.url + "/a")
    assert time.monotonic() - before >= 4 / 20.0


def test_a_secret_is_sent_and_nowhere_else(
    provider: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    provider.on("/a", lambda ask: provider.doc({}, status=500))
    with _client(tmp_path) as client, pytest.raises(FetchError) as raised:
        client.json(provider.url + "/a", params={"q": "1"}, headers={"api_key": "s3cr3t"})
    assert provider.asked[0].headers["api_key"] == "s3cr3t"
    said = str(raised.value) + repr(raised.value.__cause__)
    logged = "".join(str(vars(record)) for record in caplog.records)
    assert len(caplog.records) > 0
    assert "s3cr3t" not in said + logged
    assert not any("s3cr3t" in path.read_text() for path in tmp_path.rglob("*.json"))


def test_a_secret_never_follows_a_redirect(provider: Any, tmp_path: Path) -> None:
    provider.on("/a", provider.csv("", status=302, headers={"Location": provider.url + "/b"}))
    provider.on("/b", provider.doc({}))
    with _client(tmp_path) as client:
        with pytest.raises(FetchError, match="with 302"):
            client.json(provider.url + "/a", headers={"api_key": "s3cr3t"})
        assert not provider.asked_for("/b")
        assert client.json(provider.url + "/a") == {}


def test_configuration_is_checked(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert load_settings(home).cboe.base_url == "https://cdn.cboe.com"
    home.config_path.write_text('[fetch.cboe]\nbase_url = "http://127.0.0.1:1"\n')
    assert load_settings(home).cboe.base_url == "http://127.0.0.1:1"
    home.config_path.write_text("[fetch]\nattemps = 3\n")
    with pytest.raises(UsageError, match=r"fetch\.attemps in"):
        load_settings(home)
