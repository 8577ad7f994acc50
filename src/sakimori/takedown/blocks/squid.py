"""Configuration of Squid: access lists of names, addresses and URLs, and rules that deny them.

Include it before the rules that allow. A name that lies below a listed one, and an address in a
listed network, are left to that: Squid complains of doubles. An https URL is seen only where Squid
decrypts (`ssl_bump`). Sources: Squid configuration reference (acl, http_access, include).
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

from sakimori.takedown.blocks import _plain, _text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sakimori.takedown.blocks._contract import BlockEntry, Options

NAME = "squid"
TITLE = "Squid access lists"
SUPPORTS = ("address", "cidr", "name", "url")

_PLAIN = re.compile(r"[^A-Za-z0-9/_~:=&%@,-]")
_LITERAL = frozenset(".?+*()[]$!;")
_DEFAULT_PORTS = {"http": "80", "https": "443"}

settle = _text.unchanged
diff = partial(_text.patch_of, "#", NAME)


def refuses(_entry: BlockEntry, _options: Options) -> str:
    """Refuse nothing."""
    return ""


def full(entries: Sequence[BlockEntry], _options: Options) -> str:
    """Return a file for `include`."""
    names = _plain.uncovered_names(_plain.of_kind(entries, "name"))
    urls = _plain.of_kind(entries, "url")
    addresses = _outermost(entries)
    acls = (
        ("sakimori_names", "dstdomain -n", [(f".{e.value}", e) for e in names]),
        ("sakimori_addresses", "dst", [(e.value, e) for e in addresses]),
        ("sakimori_urls", "url_regex", [(_pattern(e.value), e) for e in urls]),
    )
    lines = [_text.header("#", NAME, "include it before the rules that allow")]
    for acl, kind, values in acls:
        for value, entry in values:
            remark = _text.remark(entry)
            if remark:  # with the value, so that each line is unique, and changes stay small
                lines.append(f"# {value} - {remark}\n")
            lines.append(f"acl {acl} {kind} {value}\n")
        if values:
            lines.append(f"http_access deny {acl}\n")
    return "".join(lines)


def undo(after: str, before: str | None, options: Options) -> str:
    """Return the earlier file, or one that denies nothing."""
    return _text.restored(after, before, full((), options))


def _outermost(entries: Sequence[BlockEntry]) -> list[BlockEntry]:
    """Return the addresses and networks that lie in no other."""
    ours = _plain.of_kind(entries, "address", "cidr")
    return [
        entry
        for version in (False, True)
        for depth, _, _, entry in _plain.depths([e for e in ours if _plain.is_v6(e) == version])
        if depth == 0
    ]


def _pattern(url: str) -> str:
    """Return a POSIX expression that matches this URL only; a quote matches any character."""
    scheme, _, rest = url.partition("://")
    host, _, path = rest.partition("/")
    port = "" if re.search(r":[0-9]+$", host) else f"(:{_DEFAULT_PORTS[scheme]})?"
    return f"^{scheme}://{_literal(host)}{port}/{_literal(path)}$"


def _literal(text: str) -> str:
    return _PLAIN.sub(lambda m: f"[{m[0]}]" if m[0] in _LITERAL else ".", text)
