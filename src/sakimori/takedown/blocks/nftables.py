"""An nftables table of its own with sets of addresses and networks, and rules that drop them.

The file replaces the table in one transaction, and touches no other table. Elements end by
themselves (`timeout`), counted from the hour in which the file was written: an element may stay up
to an hour too long, and the same list gives the same bytes within the hour. Networks are in one set
per prefix length: an interval set refuses networks that lie in each other, or would join them.
Source: nft(8).
"""

from __future__ import annotations

import re
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

from sakimori.errors import SourceError
from sakimori.takedown.blocks import _plain, _text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from sakimori.takedown.blocks._contract import BlockEntry, Options

NAME = "nftables"
TITLE = "nftables sets"
SUPPORTS = ("address", "cidr")

TABLE = "inet sakimori_block"
_CHAINS = {"input": ("saddr",), "output": ("daddr",), "forward": ("saddr", "daddr")}
_LONGEST = timedelta(days=365 * 100)  # the kernel refuses timeouts of several centuries
_FIXED = re.compile(r"(?:add|delete) (?:table|chain|set|rule) |# |\}$|$")
_OPENS = re.compile(rf"add element {TABLE} ((?:addr|net)[46](?:_[0-9]+)?) \{{")
_VALUE = re.compile(r"[0-9a-f]*[.:][0-9a-f.:/]+")
_REMARK = re.compile(r"[A-Za-z0-9_.,/():T -]*")
_UNTIL = re.compile(r"until (\S{20})")

_State = dict[str, dict[str, str]]  # set -> element -> remark

settle = _text.unchanged


def refuses(_entry: BlockEntry, _options: Options) -> str:
    """Refuse nothing."""
    return ""


def full(entries: Sequence[BlockEntry], options: Options) -> str:
    """Return a file for `nft -f`."""
    state = _state(entries)
    lines = [_text.header("#", NAME, "load it with: nft -f FILE")]
    lines += [f"add table {TABLE}\n", f"delete table {TABLE}\n", f"add table {TABLE}\n"]
    lines += _declared(state)
    lines += _rules(state)
    for name, elements in state.items():
        lines += _change("add", name, elements, options.now)
    return "".join(lines)


def diff(before: str, after: str, options: Options) -> str:
    """Return a file for `nft -f` that changes the live sets in one transaction.

    What goes is added before it is deleted, so that it need not be there: applying again is
    harmless. The same for what comes, since the kernel keeps the timeout of an element it has.
    """
    _text.check(before, "#", NAME)
    old, new = _parsed(before), _parsed(after)
    changed = {
        name: (
            _less(old.get(name, {}), new.get(name, {})),
            _less(new.get(name, {}), old.get(name, {})),
        )
        for name in sorted(old.keys() | new.keys())
    }
    if not any(gone or come for gone, come in changed.values()):
        return ""
    lines = [_text.header("#", f"{NAME} changes", "apply with: nft -f FILE"),
             f"add table {TABLE}\n", *_declared(old | new)]  # fmt: skip
    for name, (gone, come) in changed.items():
        _ours(gone)
        _ours(come)
        lines += _change("add", name, dict.fromkeys(gone | come, ""), options.now)
        lines += _change("delete", name, dict.fromkeys(gone | come, ""), options.now)
        lines += _change("add", name, come, options.now)
    if old.keys() != new.keys():
        lines += [f"flush chain {TABLE} {chain}\n" for chain in _CHAINS]
        lines += _rules(new)
        lines += [f"delete set {TABLE} {name}\n" for name in sorted(old.keys() - new.keys())]
    return "".join(lines)


def _less(these: dict[str, str], those: dict[str, str]) -> dict[str, str]:
    """Return the elements that are not, or with another remark, in the others."""
    return dict(sorted(these.items() - those.items()))


def undo(after: str, before: str | None, _options: Options) -> str:
    """Return the earlier file, or one that removes the table."""
    gone = _text.header("#", NAME, "load it with: nft -f FILE")
    return _text.restored(after, before, f"{gone}add table {TABLE}\ndelete table {TABLE}\n")


def _state(entries: Sequence[BlockEntry]) -> _State:
    state: _State = {}
    for entry in _plain.of_kind(entries, "address"):
        name = "addr6" if _plain.is_v6(entry) else "addr4"
        state.setdefault(name, {})[entry.value] = _remark(entry)
    for entry in _plain.of_kind(entries, "cidr"):
        name = f"net{6 if _plain.is_v6(entry) else 4}_{entry.value.partition('/')[2]}"
        state.setdefault(name, {})[entry.value] = _remark(entry)
    return dict(sorted(state.items()))


def _remark(entry: BlockEntry) -> str:
    return _text.remark(entry, limit=60, ascii_only=True)  # nft keeps 128 bytes


def _declared(state: Iterable[str]) -> list[str]:
    """Return the sets and chains; adding what is there changes nothing."""
    sets = [
        f"add set {TABLE} {name} {{ type ipv{name.strip('adrnet')[0]}_addr; flags "
        f"{'interval, ' if name.startswith('net') else ''}timeout; }}\n"
        for name in sorted(state)
    ]
    chains = [
        f"add chain {TABLE} {chain} {{ type filter hook {chain} priority -10; policy accept; }}\n"
        for chain in _CHAINS
    ]
    return sets + chains


def _rules(state: Iterable[str]) -> list[str]:
    return [
        f"add rule {TABLE} {chain} {'ip6' if name.strip('adrnet')[0] == '6' else 'ip'} {side} "
        f"@{name} counter drop\n"
        for chain, sides in _CHAINS.items()
        for name in sorted(state)
        for side in sides
    ]


def _change(verb: str, name: str, elements: dict[str, str], now: datetime) -> list[str]:
    if not elements:
        return []
    hour = now.replace(minute=0, second=0, microsecond=0)
    lines = [f"\t{value}{_attributes(remark, hour)},\n" for value, remark in elements.items()]
    return [f"{verb} element {TABLE} {name} {{\n", *lines, "}\n"]


def _attributes(remark: str, hour: datetime) -> str:
    if not remark:
        return ""
    comment = f' comment "{remark}"'
    until = _UNTIL.match(remark)
    if not until:
        return comment
    left = _text.parse_stamp(until[1]) - hour
    if left > _LONGEST:
        return comment
    return f" timeout {_duration(max(1, int(left.total_seconds())))}{comment}"


def _duration(seconds: int) -> str:
    """Return `28d11h30m`: nft takes no more than eight digits of a unit."""
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = ((days, "d"), (hours, "h"), (minutes, "m"), (seconds, "s"))
    return "".join(f"{number}{unit}" for number, unit in parts if number)


@lru_cache(2)  # changes and their undo read the same two files; nobody writes into the result
def _parsed(text: str) -> _State:
    """Return the elements of a file that `full` wrote. Raises SourceError for any other line."""
    state: _State = {}
    elements: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        if line[:1] == "\t":
            value, _, rest = line[1:].removesuffix(",").partition(" ")
            elements[value] = rest.partition('comment "')[2].removesuffix('"')
        elif opens := _OPENS.fullmatch(line):
            elements = state.setdefault(opens[1], {})
        elif not _FIXED.match(line):
            raise SourceError(f"line {number} of the previous file is not ours")
    return state


def _ours(elements: dict[str, str]) -> dict[str, str]:
    """Return elements that go into commands. Raises SourceError when `full` did not write them."""
    for value, remark in elements.items():
        if not _VALUE.fullmatch(value) or not _REMARK.fullmatch(remark):
            raise SourceError(f"{value[:60]!r} in the previous file is no element of ours")
    return elements
