"""Rules for Suricata: addresses, and names in DNS, TLS and HTTP, URLs in HTTP, JA4 in TLS and QUIC.

A name is matched with all below it. A rule's sid comes from what it matches, so it stays when the
list changes. sids are from 3,000,000,000 on, where nobody publishes rules. The action is `drop`,
which only alerts where Suricata cannot drop. Source: Suricata 7 User Guide, Suricata Rules; JA4
needs 7.0.7 with JA4 on.
"""

from __future__ import annotations

import hashlib
import re
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sakimori.takedown.blocks import _text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sakimori.takedown.blocks._contract import BlockEntry, Options

NAME = "suricata"
TITLE = "Suricata rules"
SUPPORTS = ("address", "cidr", "name", "url", "ja4")

FIRST_SID = 3_000_000_000
SIDS = 1_200_000_000
_PLAIN = re.compile(r"[^A-Za-z0-9./_~-]")

settle = _text.unchanged
diff = partial(_text.patch_of, "#", NAME)


def refuses(entry: BlockEntry, _options: Options) -> str:
    """Refuse URLs that TLS hides."""
    if entry.value.startswith("https:"):
        return "Suricata sees no URL inside TLS"
    return ""


def full(entries: Sequence[BlockEntry], _options: Options) -> str:
    """Return a rules file, one rule a line."""
    lines = [_text.header("#", NAME)]
    taken: set[int] = set()
    for entry in entries:
        remark = _text.remark(entry, ascii_only=True)
        reason = f" - {remark}" if remark else ""
        for aspect, head, match in _matches(entry):
            sid = _sid(f"{aspect}:{entry.value}", taken)
            lines.append(
                f'drop {head} (msg:"Sakimori block {entry.kind}{reason}"; {match}'
                f"classtype:trojan-activity; sid:{sid}; rev:1;)\n"
            )
    return "".join(lines)


def undo(after: str, before: str | None, options: Options) -> str:
    """Return the earlier file, or one without rules."""
    return _text.restored(after, before, full((), options))


def _matches(entry: BlockEntry) -> Iterator[tuple[str, str, str]]:
    """Yield (aspect, header, match) of each rule."""
    value = entry.value
    if entry.kind in ("address", "cidr"):
        yield "ip", f"ip any any <> [{value}] any", ""
    elif entry.kind == "name":
        below = f'dotprefix; content:".{value}"; '
        yield "dns", "dns any any -> any any", f"dns.query; {below}nocase; endswith; "
        yield "tls", "tls any any -> any any", f"tls.sni; {below}nocase; endswith; "
        yield "http", "http any any -> any any", f"http.host; {below}endswith; "
    elif entry.kind == "url":
        yield _url(value)
    else:
        app = "quic" if value.startswith("q") else "tls"
        yield "ja4", f"{app} any any -> any any", f'ja4.hash; content:"{value}"; '


def _url(value: str) -> tuple[str, str, str]:
    parts = urlsplit(value)
    host = (parts.hostname or "").lower()
    path = value.split("/", 3)[3]
    match = (
        f'http.host; content:"{_content(host)}"; bsize:{len(host)}; '
        f'http.uri.raw; content:"{_content(f"/{path}")}"; bsize:{len(path) + 1}; '
    )
    return "url", f"http any any -> any {parts.port or 'any'}", match


def _content(text: str) -> str:
    """Return text for `content`; what could mean something there as hex."""
    return _PLAIN.sub(lambda m: f"|{ord(m[0]):02x}|", text)


def _sid(what: str, taken: set[int]) -> int:
    """Return the number of a rule. The few that fall on a taken one get the next."""
    digest = hashlib.blake2b(what.encode(), digest_size=8).digest()
    sid = FIRST_SID + int.from_bytes(digest) % SIDS
    while sid in taken:
        sid = FIRST_SID + (sid + 1 - FIRST_SID) % SIDS
    taken.add(sid)
    return sid
