from __future__ import annotations

import errno
import os
import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING, Any

import dns.flags
import dns.message
import dns.rcode
import pytest
from cryptography import x509

from sakimori.errors import ConfigError
from sakimori.takedown.sinkhole import log
from sakimori.takedown.sinkhole.replies import http_replies
from sakimori.takedown.sinkhole.server import Sockets

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from sakimori.takedown.sinkhole.config import Settings

    Starts = Callable[..., AbstractContextManager[Any]]

GET = b"GET /gate.php?id=7 HTTP/1.1\r\nHost: bad.example\r\nUser-Agent: bot\r\n\r\n"


def question(name: str, kind: str = "A") -> bytes:
    return bytes(dns.message.make_query(name, kind).to_wire())


def client(*, verify: bool = False) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def test_every_answered_hit_is_a_row_with_what_evidence_needs(live: Starts) -> None:
    with live(limits={"tcp_bytes": 4}) as sink:
        assert dns.message.from_wire(sink.ask(question("www.bad.example"))).answer
        wire = question("other.example")
        assert sink.talk("dns-tcp", len(wire).to_bytes(2, "big") + wire)
        assert b" 404 Not Found" in sink.talk("http", GET)
        raw = socket.create_connection(("127.0.0.1", sink.ports["https"]), 5)
        with client().wrap_socket(raw, server_hostname="www.bad.example") as tls:
            tls.sendall(GET)
            assert b" 404 Not Found" in tls.recv(65_536)
        assert sink.talk("tcp", b"hello bot") == b""
    rows = {(r["proto"], r["service"]): r for r in sink.rows()}
    assert len(rows) == len(sink.rows()) == 5
    assert {key: row["established"] for key, row in rows.items()} == {
        ("udp", "dns"): False, ("tcp", "dns"): True, ("tcp", "http"): True,
        ("tcp", "https"): True, ("tcp", "tcp"): True,
    }  # fmt: skip
    for row in rows.values():
        assert row["src_ip"] == row["dst_ip"] == "127.0.0.1"
        assert row["src_port"] > 0
        assert row["dst_port"] in sink.ports.values()
        assert row["ts"].endswith("Z")
    assert rows["udp", "dns"]["reply"] == "dns-answer"
    assert rows["tcp", "dns"]["reply"] == "dns-refused"
    assert rows["tcp", "https"]["server_name"] == "www.bad.example"
    assert rows["tcp", "https"]["ja4"].startswith("t13d")
    assert rows["tcp", "tcp"]["bytes"] == 4
    assert sink.problems() == []


def test_all_that_comes_out_is_of_the_closed_set(live: Starts) -> None:
    with live() as sink:
        sent = [
            sink.talk("http", GET),
            sink.talk("http", b"POST / HTTP/1.0\r\nContent-Length: 2\r\n\r\nhi"),
            sink.talk("http", b"\x00nonsense\r\n\r\n"),
            sink.talk("http", b""),
            sink.talk("tcp", b"NICK bot\r\n"),
            sink.talk("dns-tcp", b"\0\5hello"),
            sink.talk("dns-tcp", b"\0\x0c" + bytes(12)),
        ]
        known = http_replies(sink.settings.sinkhole)
    assert sent[0] in known["http-404"]
    assert sent[1] in known["http-204"]
    assert sent[2] in known["http-400"]
    assert sent[3:6] == [b"", b"", b""]
    assert sent[6] == b"\0\x0c" + bytes(2) + b"\x80\1" + bytes(8)


def test_a_handshake_that_fails_is_an_attempt_with_its_name_and_print(live: Starts) -> None:
    with live() as sink:
        raw = socket.create_connection(("127.0.0.1", sink.ports["https"]), 5)
        with raw, pytest.raises(ssl.SSLCertVerificationError):
            client(verify=True).wrap_socket(raw, server_hostname="bad.example")
        sink.talk("https", b"no TLS at all")
        sink.talk("https", b"\x16\x03\x01\x00\x05\x01\x00\xff\xff\xff")
    rows = sink.rows()
    assert [r["outcome"] for r in rows] == ["handshake-failed"] * 3
    assert [r["established"] for r in rows] == [False] * 3
    assert rows[0]["server_name"] == "bad.example"
    assert rows[0]["ja4"].startswith("t13d")


def test_the_certificate_is_its_own_and_names_what_it_holds(live: Starts) -> None:
    with live() as sink:
        found = ssl.get_server_certificate(("127.0.0.1", sink.ports["https"]), timeout=5)
    certificate = x509.load_pem_x509_certificate(found.encode())
    assert certificate.issuer == certificate.subject
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    held = ["bad.example", "*.bad.example", "worse.test", "*.worse.test"]
    assert names.get_values_for_type(x509.DNSName) == held
    assert (sink.folder / "sinkhole.pem").stat().st_mode & 0o777 == 0o600


def test_who_sends_slowly_is_cut_off_in_time(live: Starts) -> None:
    with live(limits={"seconds": 0.4}) as sink:
        begun = time.monotonic()
        with socket.create_connection(("127.0.0.1", sink.ports["http"]), 5) as sock:
            try:
                for byte in GET * 20:
                    sock.send(bytes([byte]))
                    time.sleep(0.02)
            except ConnectionError:
                pass
        assert time.monotonic() - begun < 3
        assert sink.talk("http", b"GET / HTTP/1.1\r\n", end=False) == b""
        assert sink.talk("https", b"\x16\x03\x01", end=False) == b""
        assert sink.talk("tcp", b"", end=False) == b""
    assert [r["outcome"] for r in sink.rows()] == ["timeout"] * 4


def test_one_source_cannot_hold_all_connections(live: Starts) -> None:
    with live(limits={"connections_per_source": 3}) as sink:
        held = [socket.create_connection(("127.0.0.1", sink.ports["tcp"]), 5) for _ in range(3)]
        time.sleep(0.1)
        assert sink.talk("http", GET) == b""
        for sock in held:
            sock.close()
        for _ in range(100):
            if not sink.do(lambda: sink.server.station.connections.open):
                break
            time.sleep(0.02)
        assert b"404" in sink.talk("http", GET)
    limited = [r for r in sink.rows() if r.get("outcome") == "limited"]
    assert [(r["service"], r["count"]) for r in limited] == [("http", 1)]


def test_a_flood_of_questions_is_limited_counted_and_told_to_use_tcp(live: Starts) -> None:
    flood = {"dns_per_second": 1, "dns_burst": 5, "slip": 2}
    with live(limits=flood) as sink, socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.connect(("127.0.0.1", sink.ports["dns-udp"]))
        sock.settimeout(0.5)
        for _ in range(25):
            sock.send(question("flood.bad.example"))
        answers = []
        try:
            while True:
                answers.append(dns.message.from_wire(sock.recv(512)))
        except TimeoutError:
            pass
    whole = [a for a in answers if a.answer]
    short = [a for a in answers if a.flags & dns.flags.TC]
    rows = sink.rows()
    single = [r for r in rows if "count" not in r]
    assert len(whole) == len(single) in (5, 6)
    assert len(short) == (25 - len(whole)) // 2
    assert sum(r["count"] for r in rows if "count" in r) == 25 - len(whole)


def test_a_caller_is_cut_to_its_network_when_asked(live: Starts) -> None:
    with live(privacy={"truncate": True}) as sink:
        sink.ask(question("bad.example"))
        sink.talk("http", GET)
    assert [(r["src_ip"], r["truncated"]) for r in sink.rows()] == [("127.0.0.0", True)] * 2


def test_a_label_of_the_name_can_be_the_bots_identifier(live: Starts) -> None:
    with live(privacy={"bot_id": ["label:1"]}) as sink:
        for name in ("b1.bad.example", "b2.bad.example", "b1.worse.test"):
            sink.ask(question(name))
    marks = [r["bot_id"] for r in sink.rows()]
    assert marks[0] == marks[2] != marks[1]


def test_bodies_are_kept_only_while_a_capture_is_set(live: Starts, tmp_path: Any) -> None:
    form = b"id=7&password=geheim"
    head = (
        b"POST / HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        b"Content-Length: 20\r\n\r\n"
    )
    capture = {"reason": "r", "until": "2999-01-01", "folder": str(tmp_path / "kept")}
    with live() as sink:
        sink.talk("http", head + form)
    everything = b"".join(p.read_bytes() for p in tmp_path.rglob("*.jsonl"))
    assert b"geheim" not in everything
    assert b"aWQ9Nw==" not in everything
    with live(capture=capture) as sink:
        sink.talk("http", head + form)
    kept = b"".join(p.read_bytes() for p in (tmp_path / "kept").glob("*.jsonl"))
    assert b'"body":"aWQ9Nw=="' in kept  # id=7


def test_when_the_log_cannot_be_written_nothing_is_answered(
    live: Starts, monkeypatch: pytest.MonkeyPatch
) -> None:
    with live() as sink:
        assert sink.ask(question("bad.example"))
        write = os.write

        def full(handle: int, data: bytes) -> int:
            if b'"sinkhole"' in data:
                raise OSError(errno.ENOSPC, "No space left on device")
            return write(handle, data)

        with monkeypatch.context() as patch:
            patch.setattr(log.os, "write", full)
            assert sink.ask(question("bad.example"), timeout=0.3) == b""
            assert sink.talk("http", GET) == b""
        sink.journal._tried -= 5
        assert sink.ask(question("bad.example"))
    assert len(sink.rows()) == 2
    assert "nothing is answered now" in sink.said[0]
    assert sink.problems() == []
    assert next(x for x in sink.lines() if x.get("event") == "gap")["missed"] == 2


def test_what_was_accepted_is_finished_when_it_stops(live: Starts) -> None:
    with live(log={"drain_seconds": 3}) as sink:
        sock = socket.create_connection(("127.0.0.1", sink.ports["http"]), 5)
        sock.sendall(GET[:20])
        time.sleep(0.1)

        def late() -> None:
            time.sleep(0.3)
            sock.sendall(GET[20:])

        thread = threading.Thread(target=late)
        thread.start()
    thread.join()
    assert b"404" in sock.recv(4096)
    sock.close()
    assert [r["reply"] for r in sink.rows()] == ["http-404"]


def test_questions_in_the_queue_are_answered_when_it_stops(live: Starts) -> None:
    with live() as sink:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.settimeout(5)

        def ask_and_end() -> None:  # in its own thread, so it cannot read them before it ends
            for _ in range(50):
                sock.sendto(question("bad.example"), ("127.0.0.1", sink.ports["dns-udp"]))

        sink.do(ask_and_end)
    answers = [sock.recv(512) for _ in range(50)]
    sock.close()
    assert len(answers) == len(sink.rows()) == 50


def test_it_ends_by_itself_when_its_time_is_over(live: Starts) -> None:
    with live(sinkhole={"expires": "2020-01-01T00:00:00Z"}) as sink:
        for _ in range(60):
            if sink.server.ended.is_set():
                break
            time.sleep(0.05)
        assert sink.server.why == "expired"


def test_two_processes_can_listen_on_one_port(settings: Callable[..., Settings]) -> None:
    first = Sockets(settings(ports={"dns": 0, "http": 0}))
    taken = {s: sock.getsockname()[1] for _, s, sock in first.found}
    assert taken["dns-udp"] == taken["dns-tcp"]
    second = Sockets(settings(ports={"dns": taken["dns-udp"], "http": taken["http"]}))
    first.close()
    second.close()


def test_sockets_are_handed_on(settings: Callable[..., Settings]) -> None:
    first = Sockets(settings(ports={"dns": 0, "http": 0}))
    ports = [sock.getsockname() for _, _, sock in first.found]
    handles = {key: os.dup(handle) for key, handle in first.inheritable().items()}
    first.close()
    second = Sockets(settings(ports={"dns": 0, "http": 0}), handles)
    assert [sock.getsockname() for _, _, sock in second.found] == ports
    second.close()


def test_an_address_that_is_not_ours_is_an_error_with_a_hint(
    settings: Callable[..., Settings],
) -> None:
    with pytest.raises(ConfigError, match=r"198\.51\.100\.9 port 5300") as caught:
        Sockets(settings(sinkhole={"addresses": ["198.51.100.9"]}, ports={"dns": 5300}))
    assert "CAP_NET_BIND_SERVICE" in caught.value.hint


def test_it_answers_over_ipv6_too(live: Starts) -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no ::1 here")
    six = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    with live(sinkhole={"addresses": ["::1"]}) as sink, six as sock:
        sock.settimeout(5)
        sock.sendto(question("bad.example"), ("::1", sink.ports["dns-udp"]))
        assert dns.message.from_wire(sock.recv(512)).rcode() == dns.rcode.NOERROR
    assert sink.rows()[0]["src_ip"] == "::1"


def test_a_part_that_fails_is_told_and_the_rest_goes_on(
    live: Starts, monkeypatch: pytest.MonkeyPatch
) -> None:
    with live() as sink:

        def fail(*_: Any) -> str:
            raise ZeroDivisionError

        with monkeypatch.context() as patch:
            patch.setattr(sink.server.station, "hash", fail)
            assert sink.talk("http", GET) == b""
        assert b"404" in sink.talk("http", GET)
    assert any("ZeroDivisionError" in words for words in sink.said)
    assert any(line.get("event") == "fault" for line in sink.lines())
    assert sink.problems() == []
