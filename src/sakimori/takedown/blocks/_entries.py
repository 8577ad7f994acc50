"""A list of what to block: CSV with kind,value,expires,reason[,policy] -> entries and rejects.

Values become canonical or are refused with line and reason, so that formats can trust them.
Sources: RFC 4180 (CSV), RFC 3986 (URLs), RFC 6890 (special addresses).
"""

from __future__ import annotations

import csv
import ipaddress
import re
from datetime import UTC, datetime
from functools import lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from sakimori.errors import SourceError
from sakimori.intel import Refusal, normalise, refang
from sakimori.takedown.blocks._contract import KINDS, POLICIES, BlockEntry, Reject

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

COLUMNS = ("kind", "value", "expires", "reason", "policy")
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_PLAIN_V4 = re.compile(rf"({_OCTET})(?:\.{_OCTET}){{3}}")
_PLAIN_NET = re.compile(rf"(({_OCTET})(?:\.{_OCTET}){{3}})/([0-9]{{1,2}})")
_WIDEST = {4: 8, 6: 19}  # the largest blocks that one holder was given
# Private addresses may be blocked: a machine of one's own can be cut off. These never may.
_NEVER = tuple(
    (network.version, int(network[0]), int(network[-1]))
    for network in map(ipaddress.ip_network, (
        "0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4",
        "::/127", "fe80::/10", "ff00::/8",
    ))
)  # fmt: skip
_CAREFUL = {0, 127, 169, *range(224, 256)}  # first octets in _NEVER
_NO_TARGET = "a loopback, link-local, multicast, unspecified or reserved address is no target"
_NOT_IN_URLS = re.compile(r"[^A-Za-z0-9._~:/?\[\]@!$&'()*+,;=%-]")
_LONGEST_URL = 2048


_Value = tuple[str, str]  # kind and canonical value


class Listed(NamedTuple):
    """What a list holds. `merged` counts rows that named an entry again."""

    entries: tuple[BlockEntry, ...]
    rejects: tuple[Reject, ...]
    merged: int = 0
    unknown: tuple[str, ...] = ()  # columns that we do not know


def is_list(text: str) -> bool:
    """Whether a text begins with a list's header."""
    return {"kind", "value"} <= set(_header(text.partition("\n")[0]))


def read(text: str, path: str = "") -> Listed:
    """Read a list. Raises SourceError when it has no header with kind and value.

    A row named twice is one entry with the longer life and the first reason. Unquoted fields end
    with the line; a quoted field may hold line breaks, as RFC 4180 says, so that a value with a
    line break cannot pass as two rows.
    """
    if not is_list(text):
        raise SourceError(
            "has no header with kind and value",
            where=f"{path}:1" if path else "",
            hint="the first line must be: kind,value,expires,reason",
        )
    rows = _rows(text)
    names = _header(",".join(next(rows).cells))
    columns = _columns(names)
    made = [_entry_of(columns, row) for row in rows]
    rejects = tuple(item for item in made if isinstance(item, Reject))
    named = [item for item in made if isinstance(item, BlockEntry)]
    entries = unique(named)
    unknown = tuple(name for name in names if name and name not in COLUMNS)
    return Listed(entries, rejects, len(named) - len(entries), unknown)


def unique(entries: Iterable[BlockEntry]) -> tuple[BlockEntry, ...]:
    """Return each kind and value once, with the longest life and the first reason and policy."""
    found: dict[tuple[str, str], BlockEntry] = {}
    for item in entries:
        earlier = found.get((item.kind, item.value))
        found[item.kind, item.value] = _longer(earlier, item) if earlier else item
    return tuple(found.values())


def entry(kind: str, value: str) -> BlockEntry | Refusal:
    """Return an entry with the value in canonical form, or why it cannot be blocked.

    Addresses and networks as RFC 5952 and without host bits (a /32 is an address); names in lower
    case and as A-labels, without `*.` and the last dot; URLs with only what RFC 3986 allows, the
    rest percent-encoded; JA4 in lower case. Defanged forms are repaired.
    """
    made = _canonical(kind, value)
    return made if isinstance(made, Refusal) else BlockEntry(*made)


def _canonical(kind: str, value: str) -> _Value | Refusal:
    check = _CHECKS.get(kind)
    if check is None:
        return Refusal(f"kind {kind[:20]!r} is none of {', '.join(KINDS)}")
    text = value.strip()
    if not text:
        return Refusal("the value is empty")
    return check(text)


class _Columns(NamedTuple):
    """How many columns there are, and what takes those of COLUMNS from a row padded by one."""

    width: int
    pick: Callable[[Sequence[str]], tuple[str, ...]]


def _columns(names: Sequence[str]) -> _Columns:
    places = (names.index(name) if name in names else len(names) for name in COLUMNS)
    return _Columns(len(names), itemgetter(*places))


class _Row(NamedTuple):
    line: int
    cells: Sequence[str]
    broken: str = ""


def _rows(text: str) -> Iterator[_Row]:
    """Yield records with the line each begins at. Only a quote that never closes ends early."""
    reader = csv.reader(_lines(text), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            last = reader.line_num
            through = f"; lines {line} to {last} were not read" if last > line else ""
            yield _Row(line, (), f"broken CSV: {error}{through}")
        else:
            yield _Row(line, cells)


def _lines(text: str) -> Iterable[str]:
    """Cut at LF only: csv would take what splitlines() cuts at (U+2028, FF) as ends of rows."""
    return (f"{line}\n" for line in text.removesuffix("\n").split("\n"))


def _header(line: str) -> list[str]:
    try:
        cells = next(csv.reader([line.lstrip("\ufeff")]), [])
    except csv.Error:
        return []
    return [cell.strip().lower() for cell in cells]


def _entry_of(columns: _Columns, row: _Row) -> BlockEntry | Reject | None:
    cells = row.cells
    if row.broken:
        return Reject(row.line, row.broken)
    if not any(cells) or not any(cell.strip() for cell in cells):
        return None
    width = columns.width
    if len(cells) > width and any(cells[width:]):
        return Reject(row.line, f"{len(cells)} fields, not {width}", ",".join(cells))
    made = _made(columns.pick((*cells, *[""] * (width + 1 - len(cells)))), row.line)
    return Reject(row.line, made.reason, ",".join(cells)) if isinstance(made, Refusal) else made


def _made(cells: tuple[str, ...], line: int) -> BlockEntry | Refusal:
    kind, value, until, reason, policy = cells
    made = _canonical(kind.strip().lower(), value)
    if isinstance(made, Refusal):
        return made
    expires = _time(until.strip())
    if isinstance(expires, Refusal):
        return expires
    policy = policy.strip().lower()
    if policy and policy not in POLICIES:
        return Refusal(f"policy {policy[:20]!r} is none of {', '.join(POLICIES)}")
    return BlockEntry(*made, expires, reason.strip(), policy, line)


@lru_cache(4096)
def _time(text: str) -> datetime | Refusal | None:
    """Read an ISO 8601 time; without a zone it is UTC, a day is its first moment."""
    if not text:
        return None
    try:
        time = datetime.fromisoformat(text)
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return Refusal(f"expires {text[:30]!r} is no time such as 2026-12-01T00:00:00Z")


def _longer(first: BlockEntry, second: BlockEntry) -> BlockEntry:
    """Join two rows of one entry: the longer life, else what the first says."""
    if first.expires is None or (second.expires is not None and second.expires <= first.expires):
        return first
    return BlockEntry(
        first.kind, first.value, second.expires, first.reason or second.reason,
        first.policy or second.policy, first.line,
    )  # fmt: skip


def _address(text: str) -> _Value | Refusal:
    plain = _PLAIN_V4.fullmatch(text)
    if plain and int(plain[1]) not in _CAREFUL:
        return "address", text
    text = refang(text)
    if "/" in text:
        return _network(text)
    try:
        address = ipaddress.ip_address(text.removeprefix("[").removesuffix("]"))
    except ValueError:
        return Refusal("it is no address")
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            return Refusal(_NO_TARGET, known=True)
        address = address.ipv4_mapped or address
    if _never(address.version, int(address), int(address)):
        return Refusal(_NO_TARGET, known=True)
    return "address", str(address)


def _network(text: str) -> _Value | Refusal:
    text = refang(text)
    plain = _PLAIN_NET.fullmatch(text)
    if plain and int(plain[2]) not in _CAREFUL and 8 <= int(plain[3]) < 32:
        return "cidr", _masked(plain[1], int(plain[3]))
    network = _parsed_network(text)
    if isinstance(network, Refusal):
        return network
    if network.prefixlen == network.max_prefixlen:
        return _address(str(network.network_address))
    if network.prefixlen < (widest := _WIDEST[network.version]):
        return Refusal(f"a network wider than /{widest} would cut off too much", known=True)
    if _never(network.version, int(network[0]), int(network[-1])):
        return Refusal(_NO_TARGET, known=True)
    return "cidr", str(network)


def _parsed_network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | Refusal:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return Refusal("it is no network such as 192.0.2.0/24")
    if isinstance(network, ipaddress.IPv4Network):
        return network
    if network.network_address.scope_id is not None:
        return Refusal(_NO_TARGET, known=True)
    mapped = network.network_address.ipv4_mapped
    if mapped and network.prefixlen >= 96:
        return ipaddress.IPv4Network((mapped, network.prefixlen - 96))
    return network


def _masked(address: str, length: int) -> str:
    """Return an IPv4 network without host bits."""
    a, b, c, d = map(int, address.split("."))
    number = (a << 24 | b << 16 | c << 8 | d) >> (32 - length) << (32 - length)
    return f"{number >> 24}.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}/{length}"


def _never(version: int, first: int, last: int) -> bool:
    return any(version == v and first <= b and a <= last for v, a, b in _NEVER)


def _name(text: str) -> _Value | Refusal:
    found = normalise("name", text)
    if isinstance(found, Refusal):
        if found.known:
            return found
        return Refusal("it is no full name such as www.example.com")
    if found.kind != "name":
        return Refusal("it is an address, not a name")
    if found.port is not None:
        return Refusal("a name with a port cannot be blocked; leave the port out")
    return ("name", found.value)


def _url(text: str) -> _Value | Refusal:
    found = normalise("url", text)
    if isinstance(found, Refusal):
        return found
    value = _NOT_IN_URLS.sub(lambda m: _encoded(m[0]), found.value)
    if not value.startswith(("http://", "https://")):
        return Refusal("only http and https URLs can be blocked")
    if len(value) > _LONGEST_URL:
        return Refusal(f"it is longer than {_LONGEST_URL} characters")
    return ("url", value)


def _encoded(char: str) -> str:
    return "".join(f"%{byte:02X}" for byte in char.encode("utf-8", "replace"))


def _ja4(text: str) -> _Value | Refusal:
    found = normalise("ja4", text)
    return found if isinstance(found, Refusal) else ("ja4", found.value)


_CHECKS = {"address": _address, "cidr": _network, "name": _name, "url": _url, "ja4": _ja4}
