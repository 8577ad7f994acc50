from __future__ import annotations

import json
import signal
import socket
import subprocess  # noqa: TID251 - the program itself is what is tested
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import dns.message
import pytest

import sakimori
from sakimori.app import sinkholing
from sakimori.cli import main
from sakimori.takedown.sinkhole.log import Journal, problems

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WHO = ("--operator", "Example CERT", "--contact", "abuse@example.net", "--zone", "bad.example")


def run(capsys: Any, monkeypatch: Any, *words: object) -> tuple[int, str, str]:
    monkeypatch.setattr("sys.argv", ["sakimori", *map(str, words)])
    code = 0
    try:
        main()
    except SystemExit as end:
        code = int(end.code or 0)
    told = capsys.readouterr()
    return code, told.out, told.err


def test_without_approval_it_is_only_shown(capsys: Any, monkeypatch: Any, tmp_path: Path) -> None:
    log = tmp_path / "log"
    words = ("sinkhole", "run", *WHO, "--dns", 0, "--log", log, "--format", "json")
    code, out, err = run(capsys, monkeypatch, *words)
    assert code == 0
    assert json.loads(out)["needs"] == ["a person who approves it (approved_by)"]
    assert "nothing was run" in err
    assert not log.exists()


def test_what_others_can_reach_needs_more_than_a_name(capsys: Any, monkeypatch: Any) -> None:
    words = ("sinkhole", "run", *WHO, "--dns", 0, "--address", "192.0.2.1", "--approved-by", "A")
    code, _, err = run(capsys, monkeypatch, *words)
    assert code == 5
    assert "--public" in err
    assert "authority" in err


@pytest.mark.parametrize("server", ["bind", "unbound", "nginx"])
def test_a_configuration_is_written_or_shown(
    capsys: Any, monkeypatch: Any, tmp_path: Path, server: str
) -> None:
    words = (
        "sinkhole", "config", "--server", server, "--zone", "bad.example", "--http", 80,
        "--contact", "abuse@example.net", "--address", "192.0.2.1", "--out", tmp_path / "out",
    )  # fmt: skip
    code, out, err = run(capsys, monkeypatch, *words, "--show")
    assert (code, (tmp_path / "out").exists()) == (0, False)
    assert "192.0.2.1" in out
    assert "note: " in err
    assert run(capsys, monkeypatch, *words)[0] == 0
    assert list((tmp_path / "out").glob("*.conf"))


def test_a_log_is_checked(capsys: Any, monkeypatch: Any, tmp_path: Path) -> None:
    journal = Journal(tmp_path, "s1")
    journal.close()
    assert run(capsys, monkeypatch, "sinkhole", "check", tmp_path)[0] == 0
    [path] = tmp_path.glob("*.jsonl")
    path.write_text(path.read_text().splitlines()[0] + "\n")
    code, out, err = run(capsys, monkeypatch, "sinkhole", "check", tmp_path)
    assert (code, "did not end" in out, "problems: 1" in err) == (1, True, True)
    assert run(capsys, monkeypatch, "sinkhole", "check", tmp_path / "none")[0] == 3


def test_hits_that_were_missed_are_a_failure(capsys: Any, monkeypatch: Any, tmp_path: Path) -> None:
    monkeypatch.setattr(sinkholing, "sink", lambda *_, **__: sinkholing.Ended("stop", 5, 5, 7))
    words = ("sinkhole", "run", *WHO, "--dns", 0, "--log", tmp_path, "--approved-by", "A")
    code, out, err = run(capsys, monkeypatch, *words)
    assert code == 6
    assert "missed" in out
    assert "7 hits came while the log could not be written" in err


class Asker(threading.Thread):
    """Asks on and on, each question until it is answered; counts what was answered."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self.port, self.answered, self.sent, self.ends = port, 0, 0, False

    def run(self) -> None:
        with socket.socket(type=socket.SOCK_DGRAM) as sock:
            sock.settimeout(10)
            while not self.ends:
                query = dns.message.make_query(f"n{self.sent}.bad.example", "A").to_wire()
                self.sent += 1
                sock.sendto(query, ("127.0.0.1", self.port))
                if sock.recv(512)[:2] == query[:2]:
                    self.answered += 1
                time.sleep(0.001)


@contextmanager
def sinkhole(folder: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    """Run the program with settings in `folder`; what it says goes to the file `said` there."""
    (folder / "s.toml").write_text(
        '[sinkhole]\noperator = "A"\ncontact = "abuse@example.net"\nzones = ["bad.example"]\n'
        f'approved_by = "A. Person"\n[ports]\ndns = {port}\n[log]\nfolder = "{folder / "log"}"\n'
        "[limits]\ndns_per_second = 100000\ndns_burst = 100000\n"
    )
    words = [sys.executable, "-m", "sakimori", "sinkhole", "run", "--config"]
    with (folder / "said").open("w") as said:
        process = subprocess.Popen(  # noqa: S603 - our own program
            [*words, str(folder / "s.toml")], stderr=said, stdout=subprocess.PIPE, text=True
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


@pytest.mark.slow
def test_a_restart_and_a_stop_under_questions_lose_no_question_and_no_line(tmp_path: Path) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings, said, asker = tmp_path / "s.toml", tmp_path / "said", Asker(port)
    with sinkhole(tmp_path, port) as process:
        waits(lambda: said.read_text().count("listening: dns-udp") == 1)
        asker.start()
        time.sleep(0.3)
        good = settings.read_text()
        settings.write_text("[sinkhole]\nzons = []\n")
        process.send_signal(signal.SIGHUP)  # with settings that cannot be used it goes on
        waits(lambda: "not restarted" in said.read_text())
        settings.write_text(good)
        process.send_signal(signal.SIGHUP)
        waits(lambda: said.read_text().count("listening: dns-udp") == 2)
        time.sleep(0.3)
        asker.ends = True
        asker.join(15)
        process.terminate()
        out, _ = process.communicate(timeout=20)
    assert (process.returncode, "stop" in out) == (0, True)
    assert asker.answered == asker.sent > 50
    assert problems(tmp_path / "log") == []
    with sakimori.open(tmp_path / "ws") as workspace:
        workspace.import_([str(tmp_path / "log")])
        found = workspace.sql("SELECT name FROM sinkhole")["name"].to_pylist()
    assert sorted(found) == sorted(f"n{n}.bad.example" for n in range(asker.sent))


def waits(what: Any) -> None:
    for _ in range(200):
        if what():
            return
        time.sleep(0.1)
    pytest.fail("it did not happen in 20 seconds")
