"""TLS: the hello is read before OpenSSL sees it, so that a failed handshake is known too.

The certificate is the sinkhole's own: signed by itself, for the names it holds and no others. The
handshake runs in memory (`ssl.MemoryBIO`); what comes out of it is HTTP for `http`.
Sources: RFC 8446; JA4 as in `readers._ja4`.
"""

from __future__ import annotations

import ssl
import warnings
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sakimori.takedown.sinkhole.http import Talk
from sakimori.takedown.sinkhole.tcp import Call

if TYPE_CHECKING:
    from pathlib import Path

    from sakimori.takedown.sinkhole.config import Identity
    from sakimori.takedown.sinkhole.station import Station

_LONGEST_HELLO = 16_384
_HANDSHAKE, _CLIENT_HELLO = 22, 1
_READ = 65_536


class TlsCall(Call):
    """HTTPS. It is itself the channel that `Talk` writes to."""

    service = "https"

    def __init__(self, station: Station, context: ssl.SSLContext) -> None:
        """Begin a handshake that has seen nothing."""
        super().__init__(station)
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_side=True)
        self._hello = bytearray()
        self._talk: Talk | None = None
        self._told: dict[str, Any] = {"established": False}

    def data_received(self, data: bytes) -> None:
        """Look at the hello, then let OpenSSL go on as far as it can."""
        if self.transport is None or self.is_over:
            return
        if self._hello is not None:
            self._look(data)
        self._in.write(data)
        if self._talk is None:
            self.received += len(data)
            if not self._shake():
                return
        self._read()

    def over(self, outcome: str) -> None:
        """Leave a row, where none was: what became of the handshake."""
        if self._talk is None and outcome == "closed" and self.received:
            outcome = "handshake-failed"
        super().over(outcome)

    def log(
        self,
        fields: dict[str, Any],
        channel: Any = None,
        reply: bytes = b"",
        close: bool = False,
    ) -> None:
        """Add what the hello said to each row."""
        super().log(self._told | fields, channel, reply, close)

    def write(self, data: bytes) -> None:
        """Send a reply within TLS."""
        try:
            self._tls.write(data)
        except ssl.SSLError:
            self.hang_up()
            return
        self._flush()

    def close(self) -> None:
        """Say goodbye, then close."""
        with suppress(ssl.SSLError, ValueError):  # the caller's goodbye is not waited for
            self._tls.unwrap()
        self._flush()
        if self.transport is not None:
            self.transport.close()

    def say_goodbye(self) -> None:
        """Say it within TLS too."""
        self.close()

    def abort(self) -> None:
        """Close at once."""
        self.hang_up()

    def _look(self, data: bytes) -> None:
        """Read the hello from its first bytes; what is none is left to fail."""
        self._hello += data[: _LONGEST_HELLO - len(self._hello)]
        try:
            body = hello_of(bytes(self._hello))
            if body is None and len(self._hello) < _LONGEST_HELLO:
                return
            if body is not None:
                self._told |= print_of(body)
        except ValueError:
            pass
        self._hello = None  # type: ignore[assignment]

    def _shake(self) -> bool:
        """Go on with the handshake; whether it is done."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
            return False
        except (ssl.SSLError, ValueError):
            self._flush()  # the alert
            self.log({"outcome": "handshake-failed"}, self.transport, close=True)
            return False
        self._flush()
        self._told["established"] = True
        self._talk = Talk(self, self)
        self.received = 0
        return True

    def _read(self) -> None:
        try:
            while self._talk is not None and (data := self._tls.read(_READ)):
                self._talk.feed(data)
        except ssl.SSLWantReadError:
            self._flush()
        except ssl.SSLError:  # a goodbye, or garbage
            self.hang_up()

    def _flush(self) -> None:
        if self.transport is not None and (data := self._out.read()):
            self.transport.write(data)


def print_of(body: bytes) -> dict[str, str | None]:
    """Return the name and the JA4 print of a ClientHello. Raises ValueError for what is none."""
    # Slow to import, and a sinkhole without https has no need of it.
    from sakimori.readers._ja4 import client_hello, ja4  # noqa: PLC0415

    hello = client_hello(body)
    return {"server_name": hello.server_name, "ja4": ja4(hello)}


def hello_of(data: bytes) -> bytes | None:
    """Return the body of the ClientHello that a connection begins with; None: it is not whole yet.

    A hello may be cut into several records. Raises ValueError for what is no hello.
    """
    message, at = b"", 0
    while len(data) - at >= 5:
        kind, length = data[at], data[at + 3] << 8 | data[at + 4]
        if kind != _HANDSHAKE or not 0 < length <= _LONGEST_HELLO:
            raise ValueError("no handshake record")
        message += data[at + 5 : at + 5 + length]
        at += 5 + length
    if not message:
        if data and data[0] != _HANDSHAKE:
            raise ValueError("no handshake record")
        return None
    if message[0] != _CLIENT_HELLO:
        raise ValueError("no client hello")
    length = int.from_bytes(message[1:4], "big")
    return message[4 : 4 + length] if len(message) >= max(4 + length, 5) else None


def context_of(folder: Path, identity: Identity) -> ssl.SSLContext:
    """Return a server context with the sinkhole's own certificate, made in `folder` if need be.

    Old versions and ciphers are accepted: an old bot's call must be seen, and nothing sent is
    secret.
    """
    with suppress(ValueError):  # so that the first caller need not wait for the import
        print_of(b"")
    path = folder / "sinkhole.pem"
    if not path.exists():
        _write_certificate(path, identity)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    context.set_alpn_protocols(["http/1.1"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    return context


def _write_certificate(path: Path, identity: Identity) -> None:
    """Write a key and a certificate signed by itself, readable only by the owner."""
    from cryptography import x509  # noqa: PLC0415 - slow to import
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

    from sakimori.takedown.sinkhole.secret import write_new  # noqa: PLC0415

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [
            x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, (identity.operator or "-")[:64]),
            x509.NameAttribute(x509.NameOID.COMMON_NAME, "sinkhole"),
        ]
    )
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=397))
    )
    names = [x509.DNSName(n) for zone in identity.zones for n in (zone, f"*.{zone}")]
    if names:
        made = made.add_extension(x509.SubjectAlternativeName(names), critical=False)
    signed = made.sign(key, hashes.SHA256())
    plain = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    write_new(path, plain + signed.public_bytes(serialization.Encoding.PEM))
