"""SMTP transactions: envelope, a few headers, and the server's last word. Source: RFC 5321."""

from __future__ import annotations

import re
from base64 import b64decode
from typing import TYPE_CHECKING

from sakimori.readers._pcap_bytes import text_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from sakimori.readers._pcap_rows import Reporter, Row
    from sakimori.readers._pcap_stream import Analyser

_ADDRESS = re.compile(rb"(?i)(?:FROM|TO): *<?([^>\r\n ]*)")
_REPLY = re.compile(rb"([2-5][0-9]{2})(?:[ -]([^\r\n]*))?\r?$")
_HEADER = re.compile(rb"(?i)^(subject|message-id|x-mailer|user-agent): *([^\r\n]*)")
_COLUMN = {
    b"subject": "subject",
    b"message-id": "message_id",
    b"x-mailer": "mailer",
    b"user-agent": "mailer",
}
_MOST_RECIPIENTS, _LONGEST_LINE = 100, 8192
_OUTCOME = {b"2": "sent", b"4": "deferred", b"5": "rejected"}


class Smtp:
    """Reads one conversation; writes a row for each message handed over or refused."""

    def __init__(self, reporter: Reporter, follow: Callable[[], Analyser]) -> None:
        """`follow` makes the analyser for what comes after STARTTLS."""
        self._reporter = reporter
        self._follow = follow
        self._helo: str | None = None
        self._login: str | None = None
        self._row: Row = {}
        self._time = 0
        self._asked = b""  # the command that the next reply answers
        self._in_message = False
        self._in_headers = False
        self._size = 0
        self._next: Analyser | None = None

    def data(self, forward: bool, held: bytes, time: int) -> int:
        """Read whole lines of commands, of the message, or of replies."""
        at = 0
        while (end := held.find(b"\n", at) + 1) and not self._next:
            line = held[at:end]
            at = end
            if not forward:
                self._reply(line)
            elif self._in_message:
                self._content(line)
            else:
                self._command(line, time)
        if len(held) - at <= _LONGEST_LINE or self._next:
            return at
        if forward and self._in_message:
            self._size += len(held) - at
            return len(held)
        return -1

    def gap(self, forward: bool, size: int) -> bool:
        """Go on inside a message; elsewhere its end or a command may be lost."""
        if forward and self._in_message:
            self._size += size
            return True
        return False

    def end(self) -> None:
        """Write a transaction that got no last word."""
        self._finish(None, None)

    def successor(self) -> Analyser | None:
        """Return who reads on after STARTTLS."""
        return self._next

    def _command(self, line: bytes, time: int) -> None:
        word, _, rest = line.strip().partition(b" ")
        word = word.upper()
        self._asked = word
        if word in (b"EHLO", b"HELO"):
            self._helo = text_of(rest) or None
        elif word == b"AUTH":
            self._log_in(rest)
        elif word == b"MAIL":
            self._finish(None, None)
            self._time = time
            self._row = {"sender": _address(rest), "recipients": []}
        elif word == b"RCPT" and self._row and len(self._row["recipients"]) < _MOST_RECIPIENTS:
            self._row["recipients"].append(_address(rest) or "")
        elif word == b"QUIT":
            self._finish(None, None)

    def _reply(self, line: bytes) -> None:
        found = _REPLY.match(line.rstrip(b"\n"))
        if not found or line[3:4] == b"-":
            return  # more lines follow
        code, words = found[1], text_of(found[0].strip())
        asked, self._asked = self._asked, b""
        if asked == b"STARTTLS" and code == b"220":
            self._next = self._follow()
        elif asked == b"DATA" and code == b"354":
            self._in_message = self._in_headers = True
            self._size = 0
        elif asked == b".":
            self._finish(_OUTCOME.get(code[:1]), words)
        elif asked in (b"MAIL", b"RCPT", b"DATA") and code[:1] in b"45":
            self._refused(asked, _OUTCOME.get(code[:1]), words)

    def _refused(self, asked: bytes, status: str | None, words: str) -> None:
        """Write a refusal: of one recipient, or of the whole transaction."""
        if asked != b"RCPT" or not self._row or len(self._row["recipients"]) < 1:
            self._finish(status, words)
            return
        refused = self._row["recipients"].pop()
        self._write({**self._row, "recipients": [refused]}, status, words)
        self._row["refused"] = True

    def _content(self, line: bytes) -> None:
        if line.rstrip(b"\r\n") == b".":
            self._in_message, self._asked = False, b"."
            if self._row:
                self._row["size"] = self._size
            return
        self._size += len(line)
        if not self._in_headers:
            return
        if not line.strip():
            self._in_headers = False
        found = _HEADER.match(line)
        if found and self._row:
            self._row.setdefault(_COLUMN[found[1].lower()], text_of(found[2]))

    def _log_in(self, rest: bytes) -> None:
        """Take the user's name from `AUTH PLAIN` or `AUTH LOGIN` with an initial answer."""
        method, _, answer = rest.partition(b" ")
        try:
            plain = b64decode(answer, validate=True)
        except ValueError:
            return
        parts = plain.split(b"\0")
        if method.upper() == b"PLAIN" and len(parts) == 3:
            self._login = text_of(parts[1]) or None
        elif method.upper() == b"LOGIN" and plain:
            self._login = text_of(plain)

    def _finish(self, status: str | None, words: str | None) -> None:
        row, self._row = self._row, {}
        if row and not (row.get("refused") and not row["recipients"]):
            self._write(row, status, words)

    def _write(self, row: Row, status: str | None, words: str | None) -> None:
        columns = {key: value for key, value in row.items() if key != "refused"}
        columns |= {"helo": self._helo, "login": self._login, "status": status, "reason": words}
        self._reporter.row("mail", self._time, columns)


def _address(rest: bytes) -> str | None:
    found = _ADDRESS.match(rest)
    return text_of(found[1]).lower() or None if found else None
