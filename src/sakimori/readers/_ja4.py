"""TLS hellos and their fingerprints: JA3, JA3S and the JA4 client print.

Sources: RFC 8446 and RFC 5246 for the messages, RFC 8701 for GREASE; JA3 as published by
Salesforce; JA4 (TLS client) by FoxIO, BSD 3-Clause, technical_details/JA4.md. The other prints of
the JA4+ family have another licence and are not here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from hashlib import md5, sha256
from typing import TYPE_CHECKING

from sakimori.readers._pcap_bytes import Cursor, pairs, text_of

if TYPE_CHECKING:
    from collections.abc import Iterable

_SERVER_NAME, _GROUPS, _POINTS, _SIGNATURES, _ALPN, _VERSIONS = 0, 10, 11, 13, 16, 43
_JA4_VERSIONS = {
    0x0304: "13",
    0x0303: "12",
    0x0302: "11",
    0x0301: "10",
    0x0300: "s3",
    0x0002: "s2",
    0xFEFF: "d1",
    0xFEFD: "d2",
    0xFEFC: "d3",
}
_NOTHING = "0" * 12


@dataclass(frozen=True, slots=True)
class ClientHello:
    """What a client offered, in the order it offered it, GREASE included."""

    version: int
    ciphers: tuple[int, ...]
    extensions: tuple[int, ...] = ()
    server_name: str | None = None
    groups: tuple[int, ...] = ()
    points: tuple[int, ...] = ()
    signatures: tuple[int, ...] = ()
    versions: tuple[int, ...] = ()
    alpn: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class ServerHello:
    """What the server chose. `version` is the one agreed, `legacy` the one in the header."""

    version: int
    legacy: int
    cipher: int
    extensions: tuple[int, ...] = ()
    alpn: str | None = None


def client_hello(body: bytes) -> ClientHello:
    """Parse the body of a ClientHello message. Raises MalformedError."""
    cursor = Cursor(body)
    version = cursor.number(2)
    cursor.take(32)
    cursor.vector(1)
    ciphers = pairs(cursor.vector(2))
    cursor.vector(1)
    parts = _extensions(cursor)
    found = dict(reversed(parts))
    return ClientHello(
        version,
        ciphers,
        tuple(kind for kind, _ in parts),
        _server_name(found.get(_SERVER_NAME, b"")),
        pairs(_listed(found, _GROUPS, 2)),
        tuple(_listed(found, _POINTS, 1)),
        pairs(_listed(found, _SIGNATURES, 2)),
        pairs(_listed(found, _VERSIONS, 1)),
        _protocols(found.get(_ALPN, b"")),
    )


def server_hello(body: bytes) -> ServerHello:
    """Parse the body of a ServerHello message. Raises MalformedError."""
    cursor = Cursor(body)
    legacy = cursor.number(2)
    cursor.take(32)
    cursor.vector(1)
    cipher = cursor.number(2)
    cursor.take(1)
    parts = _extensions(cursor)
    found = dict(reversed(parts))
    agreed = found.get(_VERSIONS, b"")
    protocols = _protocols(found.get(_ALPN, b""))
    return ServerHello(
        int.from_bytes(agreed, "big") if len(agreed) == 2 else legacy,
        legacy,
        cipher,
        tuple(kind for kind, _ in parts),
        text_of(protocols[0]) if protocols else None,
    )


def is_grease(value: int) -> bool:
    """Whether a number is one of those that clients send at random (RFC 8701)."""
    return value & 0x0F0F == 0x0A0A and value >> 8 == value & 0xFF


@lru_cache(maxsize=1024)  # one program says the same hello over and over
def ja3(hello: ClientHello) -> str:
    """Return JA3: the MD5 of what the client offered."""
    parts = (hello.ciphers, hello.extensions, hello.groups, hello.points)
    return _md5(f"{hello.version}," + ",".join(_dashed(part) for part in parts))


def ja3s(hello: ServerHello) -> str:
    """Return JA3S: the MD5 of what the server chose."""
    return _md5(f"{hello.legacy},{hello.cipher},{_dashed(hello.extensions)}")


@lru_cache(maxsize=1024)
def ja4(hello: ClientHello, transport: str = "t") -> str:
    """Return the JA4 client print; `transport` is "t" for TCP, "q" for QUIC, "d" for DTLS."""
    ciphers, extensions = _real(hello.ciphers), _real(hello.extensions)
    versions = _real(hello.versions)
    version = _JA4_VERSIONS.get(max(versions) if versions else hello.version, "00")
    name = "d" if _SERVER_NAME in extensions else "i"
    counts = f"{min(len(ciphers), 99):02}{min(len(extensions), 99):02}"
    start = f"{transport}{version}{name}{counts}{_ends(hello.alpn)}"
    shown = [e for e in extensions if e not in (_SERVER_NAME, _ALPN)]
    text = _hex(sorted(shown))
    signatures = _real(hello.signatures)
    if signatures:
        text = f"{text}_{_hex(signatures)}"
    return f"{start}_{_short(_hex(sorted(ciphers)))}_{_short(text if shown else '')}"


def _extensions(cursor: Cursor) -> list[tuple[int, bytes]]:
    if not cursor:
        return []
    inner = Cursor(cursor.vector(2))
    parts = []
    while inner:
        kind = inner.number(2)
        parts.append((kind, inner.vector(2)))
    return parts


def _listed(found: dict[int, bytes], kind: int, width: int) -> bytes:
    """Return the list in an extension, whose length stands before it in `width` bytes."""
    data = found.get(kind)
    return Cursor(data).vector(width) if data else b""


def _server_name(data: bytes) -> str | None:
    names = Cursor(Cursor(data).vector(2)) if data else Cursor(b"")
    while names:
        kind, name = names.number(1), names.vector(2)
        if kind == 0 and name:
            return text_of(name).lower().rstrip(".")
    return None


def _protocols(data: bytes) -> tuple[bytes, ...]:
    names = Cursor(Cursor(data).vector(2)) if data else Cursor(b"")
    found = []
    while names:
        found.append(names.vector(1))
    return tuple(found)


def _ends(alpn: tuple[bytes, ...]) -> str:
    """Return the first and last character of the first protocol, of its hex where not a letter."""
    if not alpn or not alpn[0]:
        return "00"
    first = alpn[0]
    text = first.decode("latin-1")
    if all(c.isascii() and c.isalnum() for c in (text[0], text[-1])):
        return text[0] + text[-1]
    return first.hex()[0] + first.hex()[-1]


def _real(values: Iterable[int]) -> list[int]:
    return [value for value in values if not is_grease(value)]


def _dashed(values: Iterable[int]) -> str:
    return "-".join(map(str, _real(values)))


def _hex(values: Iterable[int]) -> str:
    return ",".join(f"{value:04x}" for value in values)


def _short(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:12] if text else _NOTHING


def _md5(text: str) -> str:
    return md5(text.encode(), usedforsecurity=False).hexdigest()
