"""One connection to an SMTP server (RFC 5321), which tells sure failures from unsure ones."""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sakimori.errors import ConfigError, SakimoriError
from sakimori.hostile import visible

if TYPE_CHECKING:
    from collections.abc import Callable

    from sakimori.config import Mail

_PORTS = {"starttls": 587, "tls": 465, "none": 25}
_BROKEN = (smtplib.SMTPServerDisconnected, OSError)


class ServerError(SakimoriError):
    """The server cannot be reached or does not let us in; no message is to blame."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the server made of a message: a state of `tracking` and its words."""

    state: str  # sent, deferred, refused, uncertain
    note: str


def connect(mail: Mail) -> smtplib.SMTP:
    """Return a connection that is encrypted and logged in as the settings ask.

    Raises ConfigError when the password cannot be read, ServerError when it cannot be used.
    """
    password = _password(mail)
    port = mail.port or _PORTS[mail.tls]
    try:
        return _opened(mail, port, password)
    except (smtplib.SMTPException, OSError) as error:
        raise _refused(f"{mail.host}:{port}", error) from error


def _refused(where: str, error: Exception) -> ServerError:
    """Say in one line why the server cannot be used, and what to look at."""
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return ServerError(f"{where} refuses the login: {_said(error.smtp_error)}",
                           hint="check user and password_file in section [mail]")  # fmt: skip
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return ServerError(f"{where} offers no encryption or no login: {error}",
                           hint="nothing was sent; see tls in section [mail]")  # fmt: skip
    if isinstance(error, ssl.SSLError):
        return ServerError(f"{where} cannot be trusted: {error.reason or error}",
                           hint="check tls, port and ca_file in section [mail]")  # fmt: skip
    return ServerError(f"{where} cannot be reached: {error}",
                       hint="nothing is lost: run the same command again")  # fmt: skip


def _opened(mail: Mail, port: int, password: str) -> smtplib.SMTP:
    name = mail.sender.rpartition("@")[2] or "localhost"  # never this machine's own name
    context = ssl.create_default_context(cafile=str(mail.ca_file) if mail.ca_file else None)
    if mail.tls == "tls":
        smtp: smtplib.SMTP = smtplib.SMTP_SSL(
            mail.host, port, local_hostname=name, timeout=mail.timeout, context=context
        )
    else:
        smtp = smtplib.SMTP(mail.host, port, local_hostname=name, timeout=mail.timeout)
    try:
        if smtp.sock is not None:  # or each message waits 40 ms for an acknowledgement
            smtp.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if mail.tls == "starttls":
            smtp.starttls(context=context)
        if mail.user:
            smtp.login(mail.user, password)
    except BaseException:
        smtp.close()
        raise
    return smtp


def _password(mail: Mail) -> str:
    if not mail.user or mail.password_file is None:
        return ""
    try:
        lines = mail.password_file.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("the password cannot be read", where=str(mail.password_file)) from error
    return lines[0] if lines else ""


def deliver(
    smtp: smtplib.SMTP, sender: str, to: str, data: bytes, begin: Callable[[], None]
) -> Outcome:
    """Hand one message to the server.

    `begin` is called right before the last bytes: until then a broken connection surely means "not
    taken"; after that nobody can know (RFC 1047). Never raises for what servers do.
    """
    try:
        refused = _envelope(smtp, sender, to)
        if refused is None:
            smtp.send(_stuffed(data))
    except _BROKEN as error:
        return Outcome("deferred", f"the connection broke before the message was taken: {error}")
    if refused:
        return refused
    begin()
    try:
        smtp.send(b".\r\n")
        code, text = smtp.getreply()
    except _BROKEN as error:
        return Outcome("uncertain", f"the connection broke before the server's answer: {error}")
    return Outcome(_state(code), f"{code} {_said(text)}")


def _envelope(smtp: smtplib.SMTP, sender: str, to: str) -> Outcome | None:
    """Name sender and receiver; returns why that failed, or None when data may follow."""
    smtp.ehlo_or_helo_if_needed()
    dsn = smtp.has_extn("dsn")  # RFC 3461: then the server also reports what arrived
    code, text = smtp.mail(sender, ("RET=HDRS",) if dsn else ())
    if code != 250:  # whatever the code: it is about us, not about this receiver
        return _reset(smtp, Outcome("deferred", f"sender not taken: {code} {_said(text)}"))
    code, text = smtp.rcpt(to, ("NOTIFY=SUCCESS,FAILURE,DELAY",) if dsn else ())
    if code not in (250, 251):
        return _reset(smtp, Outcome(_state(code), f"{code} {_said(text)}"))
    code, text = smtp.docmd("DATA")
    if code != 354:
        return _reset(smtp, Outcome(_state(code), f"{code} {_said(text)}"))
    return None


def _reset(smtp: smtplib.SMTP, outcome: Outcome) -> Outcome:
    try:
        smtp.rset()
    except _BROKEN:
        smtp.close()
    return outcome


def _state(code: int) -> str:
    if 200 <= code < 300:
        return "sent"
    return "refused" if 500 <= code < 600 else "deferred"


def _said(text: bytes | str) -> str:
    return visible(text.decode("utf-8", "replace") if isinstance(text, bytes) else text, 200)


def _stuffed(data: bytes) -> bytes:
    """Return the data with CRLF line ends, dots at line starts doubled, and a line end at the end."""
    lines = re.sub(rb"\r\n|\r|\n", b"\r\n", data)
    lines = re.sub(rb"(?m)^\.", b"..", lines)
    return lines if lines.endswith(b"\r\n") else lines + b"\r\n"
