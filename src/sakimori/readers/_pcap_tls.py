"""TLS handshakes: hellos, fingerprints, the server's certificate where it is sent in clear.

Sources: RFC 8446, RFC 5246. Cipher names come from dpkt's table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dpkt.ssl_ciphersuites import BY_CODE  # type: ignore[import-untyped]

from sakimori.readers._ja4 import client_hello, ja3, ja3s, ja4, server_hello
from sakimori.readers._pcap_bytes import Cursor, MalformedError
from sakimori.readers._pcap_cert import certificate, fingerprint

if TYPE_CHECKING:
    from sakimori.readers._pcap_rows import Reporter, Row

_CHANGE_CIPHER, _ALERT, _HANDSHAKE, _DATA = 20, 21, 22, 23
_CLIENT_HELLO, _SERVER_HELLO, _CERTIFICATE = 1, 2, 11
_LONGEST_RECORD = 18_432 + 256
_LONGEST_ALERT = 24  # an encrypted alert in a data record of TLS 1.3
_MOST_CERTIFICATES = 16
_VERSIONS = {
    0x0002: "SSLv2",
    0x0300: "SSLv3",
    0x0301: "TLSv10",
    0x0302: "TLSv11",
    0x0303: "TLSv12",
    0x0304: "TLSv13",
}
_TLS13 = 0x0304


def starts_tls(data: bytes) -> bool:
    """Whether the first bytes of a stream are a hello of either side."""
    return (
        len(data) >= 6
        and data[0] == _HANDSHAKE
        and data[1] == 3
        and data[2] <= 4
        and data[5] in (_CLIENT_HELLO, _SERVER_HELLO)
    )


class Tls:
    """Reads one handshake; writes its row when both sides went on to encrypted data."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._time: int | None = None
        self._row: Row = {"established": False}
        self._agreed = 0  # version
        self._ready = [False, False]  # called side, caller: past its part of the handshake
        self._written = False

    def data(self, forward: bool, held: bytes, time: int) -> int:
        """Read the whole records in `held`; a message cut between records waits for its rest."""
        if self._time is None:
            self._time = time
        at, done, joined = 0, 0, b""
        try:
            while at + 5 <= len(held):
                kind, size = held[at], held[at + 3] << 8 | held[at + 4]
                if held[at + 1] != 3 or not _CHANGE_CIPHER <= kind <= 24 or size > _LONGEST_RECORD:
                    return -1
                if at + 5 + size > len(held):
                    break
                record = held[at + 5 : at + 5 + size]
                at += 5 + size
                joined = self._record(forward, kind, joined, record)
                if self._row["established"]:
                    self.end()
                    return -1
                done = done if joined else at
        except MalformedError:
            return -1
        return done

    def gap(self, forward: bool, size: int) -> bool:
        """Give up: records cannot be found again with certainty."""
        del forward, size
        return False

    def end(self) -> None:
        """Write the row, if a hello was seen and it is not written yet."""
        if not self._written and self._time is not None and len(self._row) > 1:
            self._written = True
            self._reporter.row("tls", self._time, self._row)

    def successor(self) -> None:
        """Nobody follows: the rest is encrypted."""

    def _record(self, forward: bool, kind: int, joined: bytes, record: bytes) -> bytes:
        """Read a record; return the beginning of a message that is not whole yet."""
        if kind == _HANDSHAKE and not self._ready[forward]:
            return self._messages(forward, joined + record)
        if kind == _CHANGE_CIPHER and self._agreed not in (0, _TLS13):
            self._ready[forward] = True
        if kind == _DATA and (not forward or len(record) > _LONGEST_ALERT):
            self._ready[forward] = True
        if self._agreed and all(self._ready):
            self._row["established"] = True
        return b""

    def _messages(self, forward: bool, data: bytes) -> bytes:
        at = 0
        while at + 4 <= len(data):
            end = at + 4 + int.from_bytes(data[at + 1 : at + 4], "big")
            if end > len(data):
                break
            self._message(forward, data[at], data[at + 4 : end])
            at = end
        return data[at:]

    def _message(self, forward: bool, kind: int, body: bytes) -> None:
        if kind == _CLIENT_HELLO and forward:
            self._client(body)
        elif kind == _SERVER_HELLO and not forward:
            self._server(body)
        elif kind == _CERTIFICATE and not forward and self._agreed != _TLS13:
            self._certificates(body)

    def _client(self, body: bytes) -> None:
        if "ja4" in self._row:
            return  # the second hello, after a retry request: prints are of the first
        hello = client_hello(body)
        self._row |= {"server_name": hello.server_name, "ja3": ja3(hello), "ja4": ja4(hello)}

    def _server(self, body: bytes) -> None:
        hello = server_hello(body)
        suite = BY_CODE.get(hello.cipher)
        self._agreed = hello.version
        self._row |= {
            "version": _VERSIONS.get(hello.version, f"{hello.version:#06x}"),
            "cipher": suite.name if suite else f"{hello.cipher:#06x}",
            "alpn": hello.alpn,
            "ja3s": ja3s(hello),
        }

    def _certificates(self, body: bytes) -> None:
        """Read the server's chain, leaf first."""
        chain: list[bytes] = []
        inner = Cursor(Cursor(body).vector(3))
        while inner and len(chain) < _MOST_CERTIFICATES:
            chain.append(inner.vector(3))
        if not chain:
            return
        self._row["cert_hashes"] = [fingerprint(der) for der in chain]
        try:
            leaf = certificate(chain[0])
        except MalformedError:
            return  # the fingerprint is kept
        self._row |= {
            "subject": leaf.subject,
            "issuer": leaf.issuer,
            "not_before": leaf.not_before,
            "not_after": leaf.not_after,
        }
