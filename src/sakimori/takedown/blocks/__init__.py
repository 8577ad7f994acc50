"""What to cut off, in the formats of what can cut it; one file per format.

To add one: write `<format>.py` with NAME, TITLE, SUPPORTS, `refuses`, `full`, `settle`, `diff` and
`undo` (copy `hosts.py` for a file, `exabgp.py` for commands), list it in BUILTIN, and give the
contract test a parser of its output.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sakimori.errors import ConfigError
from sakimori.intel import Refusal
from sakimori.takedown.blocks import (
    _entries,
    dnsmasq,
    exabgp,
    hosts,
    nftables,
    pac,
    rpz,
    squid,
    suricata,
    suricata_dataset,
    windows,
    windows_firewall,
)
from sakimori.takedown.blocks._contract import (
    KINDS,
    POLICIES,
    BlockEntry,
    Format,
    LeftOut,
    Options,
    Reject,
)
from sakimori.takedown.blocks._entries import Listed, entry, is_list, read

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = [
    "BUILTIN",
    "KINDS",
    "POLICIES",
    "BlockEntry",
    "Format",
    "LeftOut",
    "Listed",
    "Options",
    "Reject",
    "Written",
    "changes",
    "entry",
    "format_named",
    "hosts_of_urls",
    "is_list",
    "load_all",
    "read",
    "state",
]

BUILTIN: tuple[Format, ...] = (
    rpz,
    dnsmasq,
    hosts,
    nftables,
    suricata,
    suricata_dataset,
    exabgp,
    squid,
    pac,
    windows,
    windows_firewall,
)
_EXEMPTS = ("rpz",)  # formats that can let something pass that others would block


@dataclass(frozen=True, slots=True)
class Written:
    """A file and the file that takes it back. `text` of no change is "".

    `count` is of entries in force in it, `expired` of those left out because they ended.
    """

    text: str
    undo: str
    count: int
    expired: int
    left_out: tuple[LeftOut, ...]


def load_all() -> dict[str, Format]:
    """Return every format by name: ours, then those of installed plugins.

    Raises:
        ValueError: two formats have one name.
    """
    plugins = [point.load() for point in entry_points(group="sakimori.takedown.blocks")]
    found: dict[str, Format] = {}
    for form in (*BUILTIN, *plugins):
        if form.NAME in found:
            raise ValueError(f"two block formats are named {form.NAME!r}")
        found[form.NAME] = form
    return found


def format_named(name: str) -> Format:
    """Return a format. Raises ConfigError for an unknown name."""
    forms = load_all()
    if name not in forms:
        near = difflib.get_close_matches(name, forms, 1)
        hint = f"did you mean {near[0]}?" if near else ", ".join(forms)
        raise ConfigError(f"no block format is named {name!r}", hint=hint)
    return forms[name]


def state(
    entries: Iterable[BlockEntry], form: Format, options: Options, before: str | None = None
) -> Written:
    """Return the whole state as a file. `before` is the file it replaces, None when there is none.

    The same entries and options give the same bytes, in any order.
    """
    text, count, expired, left_out = _full(entries, form, options)
    if before is not None:
        text = form.settle(before, text)
    return Written(text, form.undo(text, before, options), count, expired, left_out)


def changes(entries: Iterable[BlockEntry], form: Format, options: Options, before: str) -> Written:
    """Return what turns the earlier state into the one of these entries, and what turns it back.

    `before` is the file written earlier, or the list it was written from; entries of a list count
    as in force. Raises SourceError when it is neither.
    """
    if is_list(before):
        before = _full(read(before).entries, form, options, expire=False)[0]
    text, count, expired, left_out = _full(entries, form, options)
    text = form.settle(before, text)
    forth = form.diff(before, text, options)
    back = form.diff(text, form.settle(text, before), options)  # its serial grows once more
    return Written(forth, back, count, expired, left_out)


def hosts_of_urls(entries: Iterable[BlockEntry]) -> Iterator[BlockEntry]:
    """Yield entries with the host in place of each URL: that cuts off the whole host.

    A host that may not be blocked (a public suffix) stays a URL.
    """
    for item in entries:
        if item.kind != "url":
            yield item
            continue
        host = urlsplit(item.value).hostname or ""
        made = entry("address", host)
        if isinstance(made, Refusal):
            made = entry("name", host)
        if isinstance(made, Refusal):
            yield item
        else:
            yield BlockEntry(
                made.kind, made.value, item.expires, item.reason, item.policy, item.line
            )


def _full(
    entries: Iterable[BlockEntry], form: Format, options: Options, *, expire: bool = True
) -> tuple[str, int, int, tuple[LeftOut, ...]]:
    good: list[BlockEntry] = []
    left_out: list[LeftOut] = []
    expired = 0
    for item in _entries.unique(entries):
        if expire and item.expires is not None and item.expires <= options.now:
            expired += 1
        elif reason := _refusal(item, form, options):
            left_out.append(LeftOut(item, reason))
        else:
            good.append(item)
    good.sort(key=lambda e: (KINDS.index(e.kind), e.value))
    return form.full(good, options), len(good), expired, tuple(left_out)


def _refusal(item: BlockEntry, form: Format, options: Options) -> str:
    if item.kind not in form.SUPPORTS:
        return f"{form.TITLE}: a {item.kind} cannot be expressed"
    if (item.policy or options.policy) == "passthru" and form.NAME not in _EXEMPTS:
        return f"{form.TITLE}: passthru cannot be expressed, and blocking is its opposite"
    return form.refuses(item, options)
