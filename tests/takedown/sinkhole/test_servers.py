"""Configurations for BIND, Unbound and nginx; with the real servers where they are installed."""

from __future__ import annotations

import shutil
import socket
import subprocess  # noqa: TID251 - the servers themselves are what is tested
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dns.flags
import dns.message
import dns.query
import dns.rcode
import pytest

from sakimori.errors import ConfigError
from sakimori.readers import BUILTIN, Options, Rows, Source, recognise
from sakimori.takedown.sinkhole.servers import LIMITS, configuration
from sakimori.takedown.sinkhole.tls import context_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sakimori.takedown.sinkhole.config import Settings

PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


def tool(name: str) -> str:
    found = shutil.which(name, path=PATH)
    if not found:
        pytest.skip(f"{name} is not installed")
    return found


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


def written(server: str, settings: Settings, folder: Path) -> Path:
    folder.mkdir()
    files = configuration(server, settings, folder)
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder / next(name for name in files if name.endswith(".conf"))


@contextmanager
def running(*words: str, ready: Callable[[], Any]) -> Iterator[None]:
    """Run a server until the block ends; it is asked to stop, and only this one."""
    process = subprocess.Popen(  # noqa: S603 - a server of this test, on loopback
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        for _ in range(150):
            if process.poll() is not None:
                assert process.stdout
                pytest.fail(f"{words[0]} ended: {process.stdout.read()[-2000:]}")
            try:
                ready()
                break
            except (OSError, dns.exception.Timeout):
                time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.communicate(timeout=20)


def checked(*words: str) -> None:
    ended = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)  # noqa: S603
    assert ended.returncode == 0, ended.stdout + ended.stderr


def ask(port: int, name: str, kind: str = "A", *, tcp: bool = False, family: str = "IN") -> Any:
    query = dns.message.make_query(name, kind, rdclass=family)
    send = dns.query.tcp if tcp else dns.query.udp
    return send(query, "127.0.0.1", timeout=2, port=port)


def hits(path: Path) -> list[dict[str, Any]]:
    source = Source(path, name=path.name)
    reader = recognise(source, BUILTIN, Options())
    assert reader
    items = list(reader.read(source, Options()))
    assert all(isinstance(item, Rows) and item.table == "sinkhole" for item in items)
    return [row for item in items for row in item.batch.to_pylist()]  # type: ignore[union-attr]


def questions(port: int) -> None:
    """Ask, and check what is closed about the answers."""
    assert [str(i) for i in ask(port, "b1.bad.example").answer[0]] == ["192.0.2.1"]
    assert [str(i) for i in ask(port, "worse.test", "AAAA", tcp=True).answer[0]] == ["2001:db8::1"]
    nothing = ask(port, "b1.bad.example", "TXT")
    assert (nothing.rcode(), nothing.answer) == (dns.rcode.NOERROR, [])
    elsewhere = ask(port, "www.other.example")
    assert (elsewhere.rcode(), elsewhere.answer) == (dns.rcode.REFUSED, [])


ASKED = [
    ("b1.bad.example", "A", False), ("worse.test", "AAAA", True), ("b1.bad.example", "TXT", False),
    ("www.other.example", "A", False),
]  # fmt: skip


def seen(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return sorted(
        (r["name"], r["qtype"], r["established"]) for r in rows if r["name"] != "ready.test"
    )


def test_bind_answers_as_closed_and_its_query_log_and_dnstap_are_the_same_hits(
    settings: Callable[..., Settings], tmp_path: Path
) -> None:
    named, check = tool("named"), tool("named-checkconf")
    port = free_port()
    conf = written("bind", settings(ports={"dns": port}), tmp_path / "bind")
    checked(check, "-z", str(conf))
    with running(named, "-f", "-n", "1", "-c", str(conf), ready=lambda: ask(port, "ready.test")):
        questions(port)
        hidden = ask(port, "version.bind", "TXT", family="CH")
        assert hidden.answer == []
        assert not hidden.flags & dns.flags.RA
        assert ask(port, "bad.example", "AXFR", tcp=True).rcode() == dns.rcode.REFUSED
    names = {name for name, _, _ in ASKED}
    logged = [r for r in hits(conf.parent / "hits.log") if r["qtype"] != "AXFR"]
    tapped = [r for r in hits(conf.parent / "sinkhole.dnstap") if r["qtype"] != "AXFR"]
    assert seen([r for r in logged if r["name"] in names]) == sorted(ASKED)
    assert seen([r for r in tapped if r["name"] in names]) == sorted(ASKED)
    assert len(logged) == len(tapped)
    assert {r["name"]: r["reply"] for r in tapped}["www.other.example"] == "dns-refused"
    where = [
        {(r["src_ip"], r["src_port"], r["name"], r["qtype"]) for r in rows}
        for rows in (logged, tapped)
    ]
    assert where[0] == where[1]


def test_unbound_answers_as_closed_and_its_replies_are_the_same_hits(
    settings: Callable[..., Settings], tmp_path: Path
) -> None:
    unbound, check = tool("unbound"), tool("unbound-checkconf")
    port = free_port()
    conf = written("unbound", settings(ports={"dns": port}), tmp_path / "unbound")
    text = conf.read_text().replace("server:\n", 'server:\n    username: ""\n', 1)
    conf.write_text(text.replace("dnstap-enable: yes", "dnstap-enable: no"))
    checked(check, str(conf))
    with running(unbound, "-d", "-c", str(conf), ready=lambda: ask(port, "ready.test")):
        questions(port)
    rows = seen(hits(conf.parent / "hits.log"))
    assert rows == sorted((name, kind, False) for name, kind, _ in ASKED)


def test_nginx_answers_as_closed_and_its_log_is_the_same_hits(
    settings: Callable[..., Settings], tmp_path: Path
) -> None:
    nginx = tool("nginx")
    plain, tls = free_port(), free_port()
    ours = settings(ports={"http": plain, "https": tls}, limits={"body_bytes": 1_000})
    conf = written("nginx", ours, tmp_path / "nginx")
    context_of(conf.parent, ours.sinkhole)
    for folder in (conf.parent, *conf.parent.parents[:3]):  # its workers are another user
        if folder.owner() == Path.home().owner() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o011)
    checked(nginx, "-t", "-c", str(conf))

    def get(path: str, data: bytes | None = None) -> tuple[int, str]:
        request = urllib.request.Request(f"http://127.0.0.1:{plain}{path}", data)
        try:
            with urllib.request.urlopen(request, timeout=3) as told:  # noqa: S310
                return told.status, told.read().decode()
        except urllib.error.HTTPError as told:
            with told:
                return told.code, told.read().decode()

    with running(
        nginx,
        "-c",
        str(conf),
        ready=lambda: socket.create_connection(("127.0.0.1", plain), 1).close(),
    ):
        assert get("/") == (200, "This is a sinkhole. Contact: abuse@example.net\n")
        assert get("/gate.php?id=7")[0] == 404
        assert get("/gate.php", b"x" * 100)[0] == 204
    rows = hits(conf.parent / "hits.log")
    assert [r["reply"] for r in rows] == ["http-page", "http-404", "http-204"]
    assert {r["established"] for r in rows} == {True}
    assert b"gate" not in (conf.parent / "hits.log").read_bytes()


@pytest.mark.parametrize("server", LIMITS)
def test_a_configuration_holds_nothing_that_calls_out(
    settings: Callable[..., Settings], server: str
) -> None:
    files = configuration(
        server, settings(ports={"dns": 53, "http": 80, "https": 443}), Path("/srv/s")
    )
    text = "\n".join(files.values())
    for word in ("forward", "proxy_pass", "allow-transfer { any", "recursion yes", "stub-zone", "include",
                 "auth-zone", "fastcgi_pass", "root ", "alias ", "lua", "rewrite"):  # fmt: skip
        assert word not in text


@pytest.mark.parametrize(
    ("server", "change", "words"),
    [
        ("powerdns", {}, "no server is named"),
        ("bind", {"sinkhole": {"contact": ""}}, "whom to write to"),
        ("bind", {"sinkhole": {"zones": []}}, "no zone"),
        ("nginx", {}, "no port"),
    ],
)
def test_what_lacks_for_a_configuration_is_said(
    settings: Callable[..., Settings], server: str, change: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        configuration(server, settings(**change), Path("/srv/s"))


@pytest.mark.parametrize("folder", ["/srv/a b", '/srv/"; include "x', "/srv/$x", "/srv/a;b"])
def test_a_folder_cannot_break_a_configuration(
    settings: Callable[..., Settings], folder: str
) -> None:
    with pytest.raises(ConfigError, match="plain name"):
        configuration("bind", settings(), Path(folder))
