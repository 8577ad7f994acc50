"""DNS response policy zone, for BIND, Unbound, PowerDNS Recursor and Knot Resolver.

A name is blocked with all below it (two records); an address or network where an answer holds it
(rpz-ip). All names are relative, so that the file loads under any zone name. The diff is input of
`nsupdate`. Sources: draft-vixie-dnsop-dns-rpz-00 (triggers and actions), RFC 1035 (zone files),
RFC 1982 (serials), RFC 2136 (updates).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sakimori.errors import SourceError
from sakimori.takedown.blocks import _text
from sakimori.takedown.blocks._contract import is_address

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sakimori.takedown.blocks._contract import BlockEntry, Options

NAME = "rpz"
TITLE = "DNS response policy zone"
SUPPORTS = ("address", "cidr", "name")

_ACTIONS = {
    "nxdomain": "CNAME .",
    "nodata": "CNAME *.",
    "passthru": "CNAME rpz-passthru.",
    "drop": "CNAME rpz-drop.",
    "tcp-only": "CNAME rpz-tcp-only.",
}
_SOA = "@ SOA localhost. hostmaster.localhost. {serial} 3600 600 604800 {ttl}"
_SERIAL = re.compile(r"^(@ SOA localhost\. hostmaster\.localhost\. )([0-9]+)( .*)$", re.MULTILINE)
_TTL = re.compile(r"^\$TTL ([0-9]+)$", re.MULTILINE)
_RECORD = re.compile(r"([a-z0-9_*][a-z0-9_.-]*) ((?:CNAME|A|AAAA) [A-Za-z0-9_.:*-]+)")
_LONGEST = 254  # of a full name with its dots; RFC 1035 allows 255 octets
_PER_MESSAGE = 100  # the longest names of so many updates fit into 64 KiB


def refuses(entry: BlockEntry, options: Options) -> str:
    """Refuse names that would mean something else, or make a server refuse the whole zone.

    `8.0.0.0.10.rpz-client-ip` in a zone is a rule for all clients in 10.0.0.0/8.
    """
    if entry.kind != "name":
        return ""
    if entry.value.rpartition(".")[2].startswith("rpz-"):
        return "below a zone's own name this would be a trigger of another kind"
    if len(f"*.{entry.value}.{options.zone}.") > _LONGEST:
        return f"the name is too long to stand in zone {options.zone}"
    if "_" in entry.value and any(data[0] == "A" for data in _actions(entry, options)):
        return "BIND refuses addresses at a name with an underscore; give the sinkhole as a name"
    return ""


def full(entries: Sequence[BlockEntry], options: Options) -> str:
    """Return the zone. Its serial is Options.serial, or the day as YYYYMMDD00; see `settle`."""
    serial = options.serial or int(options.now.strftime("%Y%m%d00"))
    head = _text.header(";", NAME, "load it as response-policy zone; names are relative")
    soa = _SOA.format(serial=serial, ttl=options.ttl)
    lines = [f"{head}$TTL {options.ttl}\n{soa}\n@ NS localhost.\n"]
    for entry in entries:
        lines += _records(entry, options)
    return "".join(lines)


def settle(before: str, after: str) -> str:
    """Give the same content the same serial, and other content a larger one (RFC 1982)."""
    old, new = _SERIAL.search(before), _SERIAL.search(after)
    if old is None or new is None:
        return after
    same = _SERIAL.sub("", before) == _SERIAL.sub("", after)
    return _with_serial(after, int(old[2]) if same else _larger(int(old[2]), int(new[2])))


def diff(before: str, after: str, options: Options) -> str:
    """Return commands for `nsupdate`, in messages of up to 100 changes. Applying again is harmless.

    The changes of a name are in one message, so that it is never without a policy in between.
    """
    _text.check(before, ";", NAME)
    old, new = _records_of(before), _records_of(after)
    ttl = found[1] if (found := _TTL.search(after)) else str(options.ttl)
    gone, come = old - new, new - old
    if not gone and not come:
        return ""
    changes = sorted(
        (owner, comes, data)
        for comes, records in enumerate((gone, come))
        for owner, data in map(_parsed, records)
    )
    return "".join(_commands(changes, after, options.zone, ttl))


def undo(after: str, before: str | None, options: Options) -> str:
    """Return the earlier zone, or an empty one, with a serial that follows."""
    return settle(after, full((), options) if before is None else before)


def trigger(value: str) -> str:
    """Return the rpz-ip owner of a canonical address or network: `24.0.2.0.192.rpz-ip`.

    In IPv6 the longest run of zeros is `zz`, as `::` in its text.
    """
    text, _, length = value.partition("/")
    if ":" not in text:
        return f"{length or 32}.{'.'.join(reversed(text.split('.')))}.rpz-ip"
    text = f"zz{text[1:]}" if text.startswith("::") else text.replace("::", ":zz:")
    parts = text.removesuffix(":").split(":")
    return f"{length or 128}.{'.'.join(reversed(parts))}.rpz-ip"


def _records(entry: BlockEntry, options: Options) -> Iterator[str]:
    remark = _text.remark(entry)
    end = f" ; {remark}\n" if remark else "\n"
    for data in _actions(entry, options):
        if entry.kind == "name":
            yield f"{entry.value} {data}{end}"
            yield f"*.{entry.value} {data}\n"
        else:
            yield f"{trigger(entry.value)} {data}{end}"


def _actions(entry: BlockEntry, options: Options) -> tuple[str, ...]:
    """Return the records' types and data: an entry's own policy, else local data, else the policy."""
    if entry.policy or not options.sinkhole:
        return (_ACTIONS[entry.policy or options.policy],)
    if not is_address(options.sinkhole[0]):
        return (f"CNAME {options.sinkhole[0]}.",)
    return tuple(f"{'AAAA' if ':' in a else 'A'} {a}" for a in options.sinkhole)


def _records_of(text: str) -> set[str]:
    """Return the records of a zone as they stand in it, without remarks."""
    return {line.partition(" ; ")[0] for line in text.split("\n") if line and line[0] not in ";$@"}


def _parsed(record: str) -> tuple[str, str]:
    """Return a record's owner and data. Raises SourceError when `full` did not write it."""
    found = _RECORD.fullmatch(record)
    if found is None:
        raise SourceError(f"{record[:60]!r} in the previous zone is no record of ours")
    return found[1], found[2]


def _commands(
    changes: Sequence[tuple[str, int, str]], after: str, zone: str, ttl: str
) -> Iterator[str]:
    yield _text.header(";", f"{NAME} changes", "apply with: nsupdate -l FILE")
    yield f"zone {zone}.\n"
    waiting, last = 0, ""
    for owner, comes, data in changes:
        if waiting >= _PER_MESSAGE and owner != last:
            yield f"send\nzone {zone}.\n"
            waiting = 0
        what = f"add {owner}.{zone}. {ttl}" if comes else f"delete {owner}.{zone}."
        yield f"update {what} {data}\n"
        waiting, last = waiting + 1, owner
    soa = _SERIAL.search(after)
    if soa:
        yield f"update add {zone}. {ttl} {soa[0].removeprefix('@ ')}\n"
    yield "send\n"


def _with_serial(text: str, serial: int) -> str:
    return _SERIAL.sub(lambda m: f"{m[1]}{serial}{m[3]}", text, count=1)


def _larger(old: int, new: int) -> int:
    """Return a serial that is larger than `old`: `new` if it is, else the next, never 0."""
    if 0 < (new - old) % 2**32 < 2**31:
        return new
    return (old + 1) % 2**32 or 1
