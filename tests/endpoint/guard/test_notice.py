"""Notices reach people, or it is said that they did not."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import pytest

from sakimori.endpoint.guard import notice
from sakimori.endpoint.run import Ran
from sakimori.errors import ConfigError, EngineError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

FOUND = {"path": "/home/x/\x1b[2J<b>\udcff", "rule": "r", "action": "told"}


class Server(ThreadingHTTPServer):
    """Takes notices; answers with the codes it was given, then 200."""

    def __init__(self) -> None:
        self.got: list[Any] = []
        self.codes: list[int] = []
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.got.append(json.loads(body))
        self.send_response(self.server.codes.pop(0) if self.server.codes else 200)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


def test_the_log_keeps_a_line_each_with_names_as_they_are(tmp_path: Path) -> None:
    log = notice.Log(tmp_path / "new" / "log.jsonl")
    assert [log.tell(FOUND), log.tell(FOUND)] == ["", ""]
    lines = (tmp_path / "new" / "log.jsonl").read_text("ascii").splitlines()
    assert [json.loads(line) for line in lines] == [FOUND, FOUND]


def test_a_log_that_cannot_be_written_is_said_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EngineError, match="cannot be written"):
        notice.Log(tmp_path / "file" / "log.jsonl")


def test_a_webhook_gets_the_notice(server: Server) -> None:
    hook = notice.Webhook(f"http://127.0.0.1:{server.server_port}/x")
    assert hook.tell(FOUND) == ""
    assert server.got == [FOUND]


def test_a_busy_webhook_is_tried_again(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notice.time, "sleep", lambda _: None)
    server.codes = [503, 429]
    hook = notice.Webhook(f"http://127.0.0.1:{server.server_port}/x")
    assert hook.tell(FOUND) == ""
    assert len(server.got) == 3


def test_a_webhook_that_refuses_is_not_pressed(server: Server) -> None:
    server.codes = [403, 200]
    hook = notice.Webhook(f"http://127.0.0.1:{server.server_port}/x")
    assert hook.tell(FOUND) == "the server says 403"
    assert len(server.got) == 1


@pytest.mark.parametrize("address", ["http://soc.example/", "ftp://soc.example/", "soc.example"])
def test_a_webhook_in_clear_is_refused(address: str) -> None:
    with pytest.raises(ConfigError, match="no https"):
        notice.Webhook(address)


def test_the_desktop_gets_text_not_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []

    def ran(argv: list[str], **_: Any) -> Ran:
        asked.append(argv)
        return Ran(None, b"", b"", "No such file or directory")

    monkeypatch.setattr(notice, "run", ran)
    assert notice.Desktop().tell(FOUND) == "No such file or directory"
    assert asked[0][-2:] == ["r", "/home/x/\\u{1b}[2J&lt;b>\\u{dcff}"]


class Slow:
    name = "slow"

    def __init__(self) -> None:
        self.go = Event()

    def tell(self, _: Mapping[str, Any]) -> str:
        self.go.wait(10)
        return "no"


def test_a_slow_channel_holds_nothing_up_and_its_failures_are_counted(tmp_path: Path) -> None:
    slow, log = Slow(), notice.Log(tmp_path / "log")
    teller = notice.Teller([slow, log])
    for _ in range(3):
        teller.tell(FOUND)
    slow.go.set()
    teller.close()
    assert teller.failed == {"slow": (3, "no")}
    assert len((tmp_path / "log").read_text("ascii").splitlines()) == 3


def test_what_was_not_told_in_time_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Slow()
    teller = notice.Teller([slow])
    teller.tell(FOUND)
    teller.close(seconds=0.05)
    assert "not told in time" in teller.failed["slow"][1]
    slow.go.set()


def test_more_notices_than_can_wait_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notice, "_WAITING", 1)
    slow = Slow()
    teller = notice.Teller([slow])
    for _ in range(10):
        teller.tell(FOUND)
    slow.go.set()
    teller.close()
    assert teller.failed["slow"][0] >= 8
