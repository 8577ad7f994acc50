"""The whole loop of docs/guides/takedown.md on loopback: hunt, case, cut, sinkhole, tell, prove."""

from __future__ import annotations

import csv
import json
import os
import random
import shutil
import signal
import socket
import subprocess  # noqa: TID251 - real servers and our own program, on loopback
import sys
import time
import zipfile
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dns.exception
import dns.message
import dns.query
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message

from sakimori.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from email.message import Message as Mail

LOOPBACK = "127.0.0.1"
CUT = date(2026, 3, 16)


@dataclass(frozen=True)
class Story:
    """What each step left: its exit code, and what it printed."""

    folder: Path
    run: Callable[..., str]
    json: Callable[..., Any]


def free_port(kind: int = socket.SOCK_STREAM) -> int:
    with socket.socket(socket.AF_INET, kind) as asked:
        asked.bind((LOOPBACK, 0))
        return int(asked.getsockname()[1])


def ask(name: str, port: int, kind: str = "A") -> dns.message.Message:
    return dns.query.udp(dns.message.make_query(name, kind), LOOPBACK, port=port, timeout=5)


def waited(ready: Callable[[], bool], seconds: float = 20) -> None:
    ends = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < ends, "the server did not come up"
        time.sleep(0.05)


def answers(name: str, port: int) -> bool:
    try:
        ask(name, port)
    except (dns.exception.DNSException, OSError):
        return False
    return True


@pytest.fixture
def story(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Story:
    """Run commands in an empty folder with a workspace; a failing one fails the test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SAKIMORI_WORKSPACE", str(tmp_path / "ws"))

    def run(*words: object, code: int = 0) -> str:
        monkeypatch.setattr("sys.argv", ["sakimori", *map(str, words)])
        capsys.readouterr()
        ended = 0
        try:
            main()
        except SystemExit as end:
            ended = int(end.code or 0)
        told = capsys.readouterr()
        assert ended == code, told.err
        return told.out if code == 0 else told.err

    return Story(tmp_path, run, lambda *words: json.loads(run(*words, "--format", "json")))


@pytest.fixture
def post() -> Iterator[tuple[int, list[Mail]]]:
    """A real SMTP server on loopback, and the mails it took."""

    class Box(Message):
        def handle_message(self, message: Mail) -> None:
            mails.append(message)

    mails: list[Mail] = []
    server = Controller(Box(), hostname=LOOPBACK, port=free_port())
    server.start()
    yield server.port, mails
    server.stop()


def write_series(path: Path) -> None:
    """Spam before and after the cut, with a memory from day to day, and a series not touched."""
    chance = random.Random(5)
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["series", "date", "value"])
        noise = 0.0
        for day in range(-56, 56):
            noise = 0.5 * noise + chance.gauss(0, 0.08)
            for name, left in (("spam", 0.3), ("elsewhere", 1.0)):
                level = (
                    50_000 * (left if day >= 0 else 1.0) * 2.718 ** (noise + chance.gauss(0, 0.03))
                )
                rows.writerow([name, CUT + timedelta(days=day), round(level)])


def write_victims(path: Path) -> None:
    path.write_text(
        "time,ip,port,seen,established,botnet,controller\n"
        "2026-03-16T12:00:00Z,192.0.2.10,40001,sinkhole,yes,op-1,c2.example\n"
        "2026-03-16T12:05:00Z,192.0.2.11,40002,sinkhole,yes,op-1,c2.example\n"
        "2026-03-16T12:06:00Z,198.51.100.9,40003,sinkhole,yes,op-1,=cmd|'x'!A1\n"
        "2026-03-16T12:07:00Z,203.0.113.5,53,dns,no,op-1,c2.example\n"
    )


def write_contacts(path: Path) -> None:
    path.write_text(
        "match,mail,name,lang\n"
        "192.0.2.0/24,abuse@one.example,Provider One,en\n"
        "198.51.100.0/24,abuse@two.example,Provider Two,ja\n"
    )


def resolver(folder: Path, zone: Path, port: int) -> subprocess.Popen[bytes]:
    """A real BIND that loads the block file as its response-policy zone."""
    named = shutil.which("named") or "/usr/sbin/named"
    home = folder / "named"
    home.mkdir()
    shutil.copy(zone, home / "rpz.zone")
    config = home / "named.conf"
    config.write_text(
        f'options {{ directory "{home}"; pid-file "{home}/pid"; session-keyfile "{home}/key";'
        f" listen-on port {port} {{ {LOOPBACK}; }}; listen-on-v6 {{ none; }}; recursion yes;"
        " allow-query { localhost; }; dnssec-validation no;"
        ' response-policy { zone "rpz.sakimori"; } qname-wait-recurse no; };\n'
        'zone "rpz.sakimori" { type primary; file "rpz.zone"; };\n'
        "controls { };\n"
    )
    return subprocess.Popen(  # noqa: S603 - an absolute path, our own configuration
        [named, "-g", "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def ended(process: subprocess.Popen[bytes]) -> int:
    process.send_signal(signal.SIGTERM)
    try:
        return process.wait(timeout=20)
    finally:
        process.kill()


def loaded(tool: str, words: list[str]) -> None:
    """Load the sinkhole with a real tool, where it is installed."""
    path = shutil.which(tool)
    if path is None:
        print(f"{tool} is not installed: this load was left out")
        return
    subprocess.run(  # noqa: S603 - an absolute path, loopback only, bounded by the tool's options
        [path, *words], check=True, timeout=60, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def sunk(story: Story, port_dns: int, port_http: int, names: list[str]) -> None:
    """Run the sinkhole as a process of its own, ask and call it, and stop it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "sakimori", "sinkhole", "run", "--config", "sinkhole.toml"],
        cwd=story.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1] / "src")},
    )  # fmt: skip
    try:
        waited(lambda: answers(names[0], port_dns))
        assert [r.to_text() for r in ask(f"www.{names[0]}", port_dns).answer[0]] == [LOOPBACK]
        assert ask("other.example", port_dns).rcode() == dns.rcode.REFUSED
        with socket.create_connection((LOOPBACK, port_http), timeout=5) as call:
            call.sendall(f"POST /gate.php HTTP/1.1\r\nHost: {names[0]}\r\n\r\n".encode())
            assert b"sinkhole" in call.recv(4096).lower()
        questions = story.folder / "questions"
        questions.write_text("".join(f"{n} A\n" for n in names))
        loaded("dnsperf", ["-s", LOOPBACK, "-p", str(port_dns), "-d", str(questions), "-l", "1",
                           "-c", "4", "-Q", "2000"])  # fmt: skip
        loaded("wrk", ["-t", "1", "-c", "4", "-d", "1", f"http://{LOOPBACK}:{port_http}/"])
    finally:
        assert ended(process) == 0


@pytest.mark.slow
def test_a_botnet_is_taken_down_and_it_is_proven(  # noqa: PLR0915 - one story, told in order
    story: Story, post: tuple[int, list[Mail]]
) -> None:
    port, mails = post
    (story.folder / "sakimori.toml").write_text(
        '[mail]\nsender = "csirt@csirt.example"\norganisation = "Example CSIRT"\n'
        f'about = "https://csirt.example/"\nhost = "{LOOPBACK}"\nport = {port}\ntls = "none"\n'
    )
    (story.folder / "order.pdf").write_bytes(b"%PDF the order")
    write_series(story.folder / "spam.csv")
    write_victims(story.folder / "victims.csv")
    write_contacts(story.folder / "contacts.csv")

    # Hunt and open
    story.run("simulate", "logs", "--hosts", 30, "--botnet", "spam=3", "--botnet", "beacon=3")
    story.run("hunt", "logs", "--internal", "10.0.0.0/8")
    story.run("case", "open", "op-1", "--approvals", 2, "--by", "analyst")
    story.run("case", "effect", "op-1", "--register", "--date", CUT, "--series", "spam.csv",
              "--control", "elsewhere")  # fmt: skip

    # Plan, authority, approval
    story.run("case", "plan", "op-1")
    assert "no authority" in story.run("case", "approve", "op-1", 1, "--by", "A", code=5)
    story.run("case", "authority", "op-1", "--kind", "court-order", "--covers", "*", "--reference",
              "12/2026", "--file", "order.pdf")  # fmt: skip
    for person in ("A. Tanaka", "B. Suzuki"):
        story.run("case", "approve", "op-1", "--all", "--by", person)

    # Cut, checked by a real resolver
    text = story.run("case", "block", "op-1", "--to", "rpz", "--out", "rpz.zone")
    assert text == ""
    zone = (story.folder / "rpz.zone").read_text("utf-8")
    cut = [line.split()[0] for line in zone.splitlines()
           if " CNAME . " in line and "rpz-ip" not in line]  # fmt: skip
    assert cut, "the simulation has a controller with a name"
    if shutil.which("named") or Path("/usr/sbin/named").exists():
        port_named = free_port(socket.SOCK_DGRAM)
        server = resolver(story.folder, story.folder / "rpz.zone", port_named)
        try:
            waited(lambda: answers(cut[0], port_named))
            assert ask(cut[0], port_named).rcode() == dns.rcode.NXDOMAIN
            assert ask(f"www.{cut[0]}", port_named).rcode() == dns.rcode.NXDOMAIN
        finally:
            server.terminate()
            server.wait(timeout=20)
    else:
        print("named is not installed: the zone was not loaded")

    # Sinkhole
    story.run("case", "sinkhole", "op-1", "--zone", cut[0])
    number = max(p["id"] for p in story.json("case", "proposals", "op-1"))
    for person in ("A. Tanaka", "B. Suzuki"):
        story.run("case", "approve", "op-1", number, "--by", person)
    port_dns, port_http = free_port(socket.SOCK_DGRAM), free_port()
    story.run("case", "sinkhole", "op-1", "--out", "sinkhole.toml", "--operator", "Example CSIRT",
              "--contact", "abuse@csirt.example", "--dns", port_dns, "--http", port_http)  # fmt: skip
    sunk(story, port_dns, port_http, [cut[0]])
    story.run("import", "sinkhole-log")
    hits = story.json("sql", "SELECT service, established, count(*) n FROM sinkhole GROUP BY ALL")
    assert {h["service"] for h in hits} == {"dns", "http"}
    assert all(h["established"] == (h["service"] == "http") for h in hits)
    size = story.json("case", "size", "op-1")
    assert size["footprint"]["low"] <= 1 <= size["footprint"]["high"], "one caller, over and over"

    # Tell
    told = story.json("case", "notify", "op-1", "--contacts", "contacts.csv", "--events",
                      "victims.csv")  # fmt: skip
    assert {n["mail"] for n in told["notices"]} == {"abuse@one.example", "abuse@two.example"}
    assert any("resolver" in r["reason"] for r in told["refused"]), "a DNS hit is no victim"
    send = ("case", "notify", "op-1", "--contacts", "contacts.csv", "--events", "victims.csv",
            "--send")  # fmt: skip
    assert "not approved" in story.run(*send, code=5)
    assert mails == []
    for person in ("A. Tanaka", "B. Suzuki"):
        story.run("case", "approve", "op-1", told["proposal_id"], "--by", person)
    story.run(*send)
    story.run(*send)
    assert sorted(str(m["To"]) for m in mails) != []
    assert len(mails) == 2, "each notice leaves once"

    # Measure
    effect = story.json("case", "effect", "op-1", "--date", CUT, "--series", "spam.csv",
                        "--control", "elsewhere")  # fmt: skip
    spam = next(e for e in effect if e["series"] == "spam")
    assert spam["low"] <= 0.3 <= spam["high"]

    # Prove
    story.run("evidence", "export", "op-1", "--out", "op-1.zip")
    assert story.json("evidence", "verify", "op-1.zip")["ok"]
    tampered(story.folder / "op-1.zip", story.folder / "bad.zip")
    story.run("evidence", "verify", "bad.zip", code=4)
    whole = zipfile.ZipFile(story.folder / "op-1.zip").namelist()
    assert any(name.endswith("index.html") for name in whole)
    assert datetime.now(UTC) - datetime.fromtimestamp(
        (story.folder / "op-1.zip").stat().st_mtime, UTC
    ) < timedelta(minutes=10)


def tampered(source: Path, target: Path) -> None:
    """Copy a bundle with one byte of its largest object changed."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        objects = [i for i in old.infolist() if "objects/" in i.filename and i.file_size]
        victim = max(objects, key=lambda i: i.file_size).filename
        for item in old.infolist():
            data = bytearray(old.read(item))
            if item.filename == victim:
                data[len(data) // 2] ^= 1
            new.writestr(item, bytes(data))
