"""IRC on any port: what clients log on with, join and say, and what channels tell them.

Source: RFC 2812 and modern.ircdocs.horse for the message format.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sakimori.readers._pcap_bytes import text_of

if TYPE_CHECKING:
    from sakimori.readers._pcap_rows import Reporter

# A conversation is IRC only when it says what no other protocol says.
CLIENT = re.compile(
    rb"(?:^|\n)(?:NICK :?[^\s:]{1,64}\r?\n|USER \S+ \S+ \S+ :?[^\r\n]*\r?\n|CAP LS\b[^\r\n]*\r?\n"
    rb"|(?::\S+ )?(?:PRIVMSG|NOTICE) \S+ :[^\r\n]*\r?\n|JOIN [#&][^\r\n]*\r?\n)"
)
SERVER = re.compile(
    rb"(?:^|\n)(?::\S+ (?:00[1-4]|332|353|366|372|375|376) \S+ [^\r\n]*\r?\n"
    rb"|:[^\s!]+![^\s@]+@\S+ (?:PRIVMSG|JOIN|TOPIC|NOTICE) [^\r\n]*\r?\n"
    rb"|(?::\S+ )?NOTICE (?:AUTH|\*) :[^\r\n]*\r?\n)"
)
_LINE = re.compile(
    r"(?:@[^ ]+ +)?(?::(?P<prefix>[^ ]+) +)?(?P<command>[A-Za-z]{1,16}|[0-9]{3})(?: +(?P<rest>.*))?"
)
# 332 is the topic of a channel that was joined: bots take it as an order.
_KEPT = frozenset(
    (
        "NICK",
        "USER",
        "PASS",
        "JOIN",
        "PART",
        "PRIVMSG",
        "NOTICE",
        "TOPIC",
        "MODE",
        "QUIT",
        "PONG",
        "332",
    )
)
_LONGEST_LINE = 8192


class Irc:
    """Reads one conversation; writes a row for each command that tells something."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._nick: str | None = None
        self._user: str | None = None

    def data(self, forward: bool, held: bytes, time: int) -> int:
        """Read whole lines."""
        end = held.rfind(b"\n") + 1
        for line in held[:end].split(b"\n")[:-1]:
            self._line(forward, text_of(line.rstrip(b"\r")), time)
        return end if len(held) - end <= _LONGEST_LINE else -1

    def gap(self, forward: bool, size: int) -> bool:
        """Go on: the next line is found by its end."""
        del forward, size
        return True

    def end(self) -> None:
        """Nothing is open: rows are written at once."""

    def successor(self) -> None:
        """Nobody follows."""

    def _line(self, forward: bool, line: str, time: int) -> None:
        found = _LINE.fullmatch(line)
        command = found["command"].upper() if found else ""
        if not found or command not in _KEPT:
            return
        words, _, text = (found["rest"] or "").partition(" :")
        first, _, more = words.partition(" ")
        if first.startswith(":"):
            first, more = words[1:], ""
        if forward:
            self._learn(command, first)
        nick = self._nick if forward else (found["prefix"] or "").partition("!")[0]
        self._reporter.row(
            "irc",
            time,
            {
                "nick": nick or None,
                "user": self._user if forward else None,
                "command": command,
                "value": first or None,
                "extra": " ".join(part for part in (more, text) if part) or None,
            },
        )

    def _learn(self, command: str, word: str) -> None:
        if command == "NICK":
            self._nick = word or None
        elif command == "USER":
            self._user = word or None
