"""Address -> AS number, its holder and country, from a file that the user brings.

Known by content: tab-separated ranges (start, end, AS number, country, holder; as addresses or, for
IPv4, as numbers), CAIDA's prefix-to-AS (network, length, AS numbers), and MaxMind's database format
(.mmdb) with `autonomous_system_number` or `asn`. Gzip is unpacked. Ranges may lie in each other:
the narrowest counts. AS 0 means: announced by nobody.

Source: the layout of iptoasn.com's tables; CAIDA's RouteViews prefix2as readme (several origins as
`1_2`, AS sets as `1,2`: the first is taken); MaxMind DB file format 2.0.
"""

from __future__ import annotations

import gzip
from bisect import bisect_right
from dataclasses import dataclass, field
from ipaddress import IPv4Address, ip_address, ip_network
from typing import TYPE_CHECKING, Any

from sakimori.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

_GZIP = b"\x1f\x8b"
_MMDB = b"\xab\xcd\xefMaxMind.com"
_HINT = "start, end, AS number, country and holder, tab-separated; prefix-to-AS; or .mmdb"
_TOP = {4: 1 << 32, 6: 1 << 128}


@dataclass(frozen=True, slots=True)
class AsRow:
    """Who announces an address. `asn` without AS; `country` two capitals; empty where not told."""

    asn: str
    name: str = ""
    country: str = ""
    source: str = ""


_Range = tuple[int, int, AsRow]  # first, last, row


@dataclass(slots=True)
class _Side:
    """Ranges of one address family that do not overlap: where each begins, ends, and its row."""

    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    rows: list[AsRow] = field(default_factory=list)


class AsTable:
    """A table of address ranges in memory: about 200 bytes a range."""

    def __init__(self, v4: Iterable[_Range] = (), v6: Iterable[_Range] = ()) -> None:
        """Sort the ranges and cut those that lie in each other."""
        self._sides = {4: _flat(v4), 6: _flat(v6)}

    def __len__(self) -> int:
        """How many ranges there are after cutting."""
        return sum(len(side.starts) for side in self._sides.values())

    def find(self, address: str) -> AsRow | None:
        """Return who announces an address; None for one that is in no range, or no address."""
        try:
            parsed = ip_address(address.partition("%")[0])
        except ValueError:
            return None
        mapped = getattr(parsed, "ipv4_mapped", None)
        return _find(self._sides[4 if mapped else parsed.version], int(mapped or parsed))

    def find_all(self, addresses: Sequence[str]) -> list[AsRow | None]:
        """Return who announces each address, in their order; IPv4 looked up all at once."""
        import numpy as np  # noqa: PLC0415 - slow to import

        found: list[AsRow | None] = [None] * len(addresses)
        plain: list[tuple[int, int]] = []
        for at, address in enumerate(addresses):
            number = _dotted(address)
            if number is None:
                found[at] = self.find(address)
            else:
                plain.append((at, number))
        side = self._sides[4]
        if not plain or not side.starts:
            return found
        numbers = np.array([number for _, number in plain], np.int64)
        places = np.searchsorted(np.array(side.starts, np.int64), numbers, side="right") - 1
        inside = (places >= 0) & (numbers <= np.array(side.ends, np.int64)[places])
        for (at, _), place, hit in zip(plain, places.tolist(), inside.tolist(), strict=True):
            found[at] = side.rows[place] if hit else None
        return found


class MmdbTable:
    """A MaxMind database, read as it is asked."""

    def __init__(self, path: Path) -> None:
        """Open it. Raises SourceError when it is damaged."""
        import maxminddb  # noqa: PLC0415 - only for such files

        try:
            self._reader = maxminddb.open_database(str(path))
        except (maxminddb.InvalidDatabaseError, ValueError, OSError) as error:
            raise SourceError(f"is no sound database: {error}", where=str(path)) from error
        self._source = f"asn:{path.name}"
        self._path = path

    def find(self, address: str) -> AsRow | None:
        """Return who announces an address. Raises SourceError when the database is damaged."""
        import maxminddb  # noqa: PLC0415

        try:
            parsed = ip_address(address.partition("%")[0])
        except ValueError:
            return None
        try:
            record: Any = self._reader.get(parsed)
        except maxminddb.InvalidDatabaseError as error:
            raise SourceError(f"is damaged: {error}", where=str(self._path)) from error
        except ValueError:  # an IPv6 address in a database of IPv4
            return None
        return _mmdb_row(record, self._source) if isinstance(record, dict) else None

    def find_all(self, addresses: Sequence[str]) -> list[AsRow | None]:
        """Return who announces each address, in their order."""
        return [self.find(address) for address in addresses]


def _mmdb_row(record: dict[str, Any], source: str) -> AsRow | None:
    number = record.get("autonomous_system_number") or record.get("asn") or ""
    name = record.get("autonomous_system_organization") or record.get("as_name") or ""
    country = record.get("country") or record.get("country_code") or ""
    if isinstance(country, dict):
        country = country.get("iso_code") or ""
    row = AsRow(str(number).upper().removeprefix("AS"), str(name), str(country).upper(), source)
    return row if row.asn or row.country else None


def load(path: Path) -> AsTable | MmdbTable:
    """Read a table of address ranges. Raises SourceError with `path:line` for a bad line."""
    data = _bytes(path)
    if _MMDB in data[-(128 << 10) :]:
        return MmdbTable(path)
    if b"\0" in data[:4096] or not data.strip():
        raise SourceError("is no table of address ranges", where=str(path), hint=_HINT)
    v4: list[_Range] = []
    v6: list[_Range] = []
    cache: dict[tuple[str, str, str], AsRow] = {}
    for first, last, version, told in _lines(data.decode("utf-8", "replace"), str(path)):
        row = cache.get(told)
        if row is None:
            row = cache[told] = AsRow(*told, f"asn:{path.name}")
        (v4 if version == 4 else v6).append((first, last, row))
    return AsTable(v4, v6)


def _bytes(path: Path) -> bytes:
    try:
        data = path.read_bytes()
        return gzip.decompress(data) if data.startswith(_GZIP) else data
    except (OSError, EOFError, ValueError) as error:
        raise SourceError(
            getattr(error, "strerror", None) or f"cannot be read: {error}", where=str(path)
        ) from error


def _lines(text: str, where: str) -> Iterator[tuple[int, int, int, tuple[str, str, str]]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip() or line.startswith("#"):
            continue
        cells = line.rstrip("\r").split("\t")
        try:
            parsed = _prefix(cells) if len(cells) == 3 else _range(cells)
        except (ValueError, IndexError) as error:
            raise SourceError(
                f"is no range of addresses: {error}", where=f"{where}:{number}", hint=_HINT
            ) from error
        if parsed is not None:
            yield parsed


def _range(cells: Sequence[str]) -> tuple[int, int, int, tuple[str, str, str]] | None:
    if len(cells) < 3:
        raise ValueError(f"{len(cells)} columns, separated by tabs")
    first, last = (_end(cell.strip()) for cell in cells[:2])
    if first[0] != last[0] or first[1] > last[1]:
        raise ValueError(f"{cells[0]} to {cells[1]}")
    asn = cells[2].strip().upper().removeprefix("AS")
    if not (asn.isascii() and asn.isdecimal()):
        raise ValueError(f"AS number {cells[2]!r}")
    country = cells[3].strip().upper() if len(cells) > 3 else ""
    name = cells[4].strip() if len(cells) > 4 else ""
    if asn == "0":
        return None
    two = country if len(country) == 2 and country.isalpha() and country.isascii() else ""
    return first[1], last[1], first[0], (asn, name, two)


def _end(text: str) -> tuple[int, int]:
    if text.isascii() and text.isdecimal():
        number = int(text)
        if number >= _TOP[4]:
            raise ValueError(f"{text} is beyond IPv4")
        return 4, number
    address = ip_address(text)
    return address.version, int(address)


def _prefix(cells: Sequence[str]) -> tuple[int, int, int, tuple[str, str, str]] | None:
    """Read `network, length, AS`; a line of three columns may also be `start, end, AS`."""
    if "." in cells[1] or ":" in cells[1]:
        return _range(cells)
    network = ip_network(f"{cells[0].strip()}/{cells[1].strip()}", strict=False)
    asn = cells[2].strip().split("_")[0].split(",")[0].strip("{}")
    if not (asn.isascii() and asn.isdecimal()):
        raise ValueError(f"AS number {cells[2]!r}")
    first, last = int(network.network_address), int(network.broadcast_address)
    return first, last, network.version, (asn, "", "")


def _flat(ranges: Iterable[_Range]) -> _Side:
    """Return ranges that do not overlap: the narrowest of those that hold an address wins.

    One sweep with the open ranges on a stack. Of ranges that cross, the later start wins.
    """
    side = _Side()
    stack: list[tuple[int, AsRow]] = []  # last address, row; the innermost on top
    at = 0
    for first, last, row in sorted(ranges, key=lambda r: (r[0], -r[1])):
        at = _closed(side, stack, at, first)
        if stack and at < first:
            _add(side, at, first - 1, stack[-1][1])
        at = first
        stack.append((last, row))
    _closed(side, stack, at, None)
    return side


def _closed(side: _Side, stack: list[tuple[int, AsRow]], at: int, until: int | None) -> int:
    """Write out the open ranges that end before `until`; returns how far all is written."""
    while stack and (until is None or stack[-1][0] < until):
        last, row = stack.pop()
        if at <= last:
            _add(side, at, last, row)
            at = last + 1
    return at


def _add(side: _Side, first: int, last: int, row: AsRow) -> None:
    if side.rows and side.rows[-1] is row and side.ends[-1] == first - 1:
        side.ends[-1] = last
        return
    side.starts.append(first)
    side.ends.append(last)
    side.rows.append(row)


def _find(side: _Side, number: int) -> AsRow | None:
    place = bisect_right(side.starts, number) - 1
    return side.rows[place] if place >= 0 and number <= side.ends[place] else None


def _dotted(text: str) -> int | None:
    """Return an IPv4 address as a number; None for anything else."""
    try:
        return int(IPv4Address(text))
    except ValueError:
        return None
