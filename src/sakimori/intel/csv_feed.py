"""CSV with a header: abuse.ch's exports, MISP's CSV, spreadsheets with plainly named columns.

The header is the first line of data, or the last remark before it (abuse.ch). Columns are known
by name, see COLUMNS. A row's hashes each stand for the file. Of its other cells only the most
exact counts: the indicator, else the URL, else the name, else the address; a name's address may
serve a thousand others. A record is one line: quoted line breaks are refused.
Sources: feodotracker.abuse.ch, urlhaus.abuse.ch, threatfox.abuse.ch, sslbl.abuse.ch (exports).
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sakimori.errors import SourceError
from sakimori.intel import _fields, _open, _values
from sakimori.intel._contract import Indicator, Options, Reject
from sakimori.intel._values import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

NAME = "csv"
TITLE = "CSV with a header"

COLUMNS: dict[str, str] = {
    name: role
    for role, names in {
        "value": "indicator value ioc ioc_value indicator_value observable",
        "type": "type ioc_type indicator_type value_type kind observable_type",
        "url": "url",
        "name": "domain domain_name hostname host fqdn",
        "address": "ip dst_ip dstip ip_address ipaddress address destination_ip c2_ip ipv4 ipv6",
        "md5": "md5 md5_hash hash_md5 file_md5",
        "sha1": "sha1 sha1_hash hash_sha1 file_sha1 sha1_fingerprint",
        "sha256": "sha256 sha256_hash hash_sha256 file_sha256",
        "hash": "hash file_hash",
        "ja3": "ja3 ja3_md5 ja3_hash ja3_fingerprint",
        "ja4": "ja4 ja4_fingerprint",
        "mail": "email mail email_address sender",
        "port": "port dst_port dstport destination_port c2_port",
        "family": "family malware malware_family malware_printable signature",
        "reason": "listingreason listing_reason",
        "label": "label threat threat_type tag tags description comment comments c2_status status"
        " url_status notes reason",
        "first_seen": "first_seen first_seen_utc firstseen dateadded date_added listingdate"
        " listing_date date",
        "last_seen": "last_seen last_seen_utc lastseen last_online updated",
        "confidence": "confidence confidence_level",
        "expires": "expires expires_at expiration expiry valid_until",
        "sinkhole": "sinkhole is_sinkhole",
        "tlp": "tlp",
        "to_ids": "to_ids",
    }.items()
    for name in names.split()
}
_FILES = ("md5", "sha1", "sha256", "hash", "ja3", "ja4", "mail")
_HOSTS = ("value", "url", "name", "address")  # the most exact first
_TYPES = {
    name: kind
    for kind, names in {
        "host": "ip ipv4 ipv6 ip_port ip_dst ip_src ip_dst_port ip_src_port ipv4_addr ipv6_addr"
        " ip_address address host",
        "cidr": "cidr netblock subnet network",
        "name": "domain hostname domain_name fqdn hostname_port name",
        "url": "url uri link",
        "md5": "md5 md5_hash filehash_md5 hash_md5",
        "sha1": "sha1 sha1_hash filehash_sha1 hash_sha1",
        "sha256": "sha256 sha256_hash filehash_sha256 hash_sha256",
        "hash": "hash file_hash",
        "ja3": "ja3 ja3_fingerprint_md5 ja3_hash",
        "ja4": "ja4 ja4_fingerprint",
        "mail": "mail email email_src email_address email_addr",
    }.items()
    for name in names.split()
}
_REASON_TAIL = re.compile(r" (C&C|malware distribution|MITM)$")
_YES = ("1", "true", "yes", "t", "y")


@dataclass(frozen=True, slots=True)
class _Header:
    """The header's cells as roles ("" for unknown columns), and how cells are parted."""

    roles: tuple[str, ...]
    delimiter: str
    at: int  # its line, from 1


def recognises(head: bytes) -> bool:
    """Whether there is a header with a column we know to hold indicators."""
    if b"\0" in head and not head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return False
    return _header(enumerate(_open.text_of(head).split("\n"), start=1)) is not None


def read(path: Path, options: Options) -> Iterator[Indicator | Reject]:
    """Read one CSV file. Raises SourceError when it cannot be read or has no header."""
    header = _header(enumerate(_open.text_of(_open.head(path)).split("\n"), start=1))
    if header is None:
        raise SourceError("has no header with columns we know", where=str(path))
    skipped: Counter[str] = Counter()
    number = 0
    try:
        for number, line in _open.lines(path):
            text = line.strip()
            if text and number > header.at and text[0] != "#":
                yield from _row(number, text, header, options, skipped)
    except _open.DamagedError as error:
        yield Reject(number + 1, str(error))
    for reason, count in skipped.items():
        yield Reject(0, f"{count} rows: {reason}")


def _header(lines: Iterable[tuple[int, str]]) -> _Header | None:
    """Find the header: the first line without #, else the last remark before it."""
    remark: _Header | None = None
    for number, line in lines:
        text = line.strip()
        if text.startswith("#"):
            remark = _as_header(number, text.strip("# \t"), least=2) or remark
        elif text:
            return _as_header(number, text, least=1) or remark
    return remark


def _as_header(number: int, text: str, *, least: int) -> _Header | None:
    for delimiter in (",", ";", "\t", "|"):
        roles = tuple(
            COLUMNS.get(re.sub(r"[^a-z0-9]+", "_", cell.lower()).strip("_"), "")
            for cell in _cells(text, delimiter)
        )
        known = [role for role in roles if role in _HOSTS or role in _FILES]
        if known and len(roles) >= least:
            return _Header(roles, delimiter, number)
    return None


def _cells(text: str, delimiter: str) -> list[str]:
    """Cut one line; a quote that is not closed ends with the line."""
    if '"' not in text:
        return [cell.strip() for cell in text.split(delimiter)]
    row = next(csv.reader((text,), delimiter=delimiter, skipinitialspace=True), [])
    return [cell.strip() for cell in row]


def _row(
    number: int, text: str, header: _Header, options: Options, skipped: Counter[str]
) -> Iterator[Indicator | Reject]:
    cells = _cells(text, header.delimiter)
    width = len(header.roles)
    if len(cells) > width and not any(cells[width:]):
        del cells[width:]  # a delimiter at the line's end
    if len(cells) != width:
        yield Reject(number, f"{len(cells)} fields, not {width}", text)
        return
    row = _by_role(header.roles, cells)
    if row.get("to_ids", "1").lower() not in _YES and not options.context:
        skipped["not marked for detection (to_ids)"] += 1
        return
    values = list(_values_of(row))
    if not values:
        yield Reject(number, "the row has no indicator", text)
    for value in values:
        if isinstance(value, Refusal):
            yield Reject(number, value.reason, text)
        else:
            yield _indicator(value, row)


def _by_role(roles: tuple[str, ...], cells: list[str]) -> dict[str, str]:
    """Return what is said for each role; labels are joined, else the first column wins."""
    row: dict[str, str] = {}
    for role, cell in zip(roles, cells, strict=True):
        if not role or _fields.said(cell) is None:
            continue
        if role in ("label", "reason") and "label" in row:
            row["label"] = f"{row['label']}; {cell}"
        elif role == "reason":
            row["label"] = cell
        else:
            row.setdefault(role, cell)
        if role == "reason":
            row.setdefault("family", _REASON_TAIL.sub("", cell))
    return row


def _values_of(row: dict[str, str]) -> Iterator[_values.Value | Refusal]:
    for role in _FILES:
        if role in row:
            yield _values.normalise(role, row[role])
    role = next((role for role in _HOSTS if role in row), "")
    if not role:
        return
    kind: str | None = None if role == "value" else role
    if role == "value" and "type" in row:
        told = re.sub(r"[^a-z0-9]+", "_", row["type"].lower()).strip("_")
        kind = _TYPES.get(told)
        if kind is None:
            yield Refusal(f"no table holds type {row['type'][:40]!r}")
            return
    yield _values.normalise(kind, row[role])


def _indicator(value: _values.Value, row: dict[str, str]) -> Indicator:
    return Indicator(
        value.kind,
        value.value,
        value.port or _port(value, row.get("port", "")),
        family=_fields.family(row.get("family")),
        label=_fields.said(row.get("label")),
        confidence=_fields.confidence(row.get("confidence")),
        sinkhole=row.get("sinkhole", "").lower() in _YES,
        first_seen=_fields.time(row.get("first_seen")),
        expires=_fields.time(row.get("expires")),
        tlp=_fields.tlp(row.get("tlp")),
        last_seen=_fields.time(row.get("last_seen")),
    )


def _port(value: _values.Value, text: str) -> int | None:
    if value.kind not in ("address", "cidr", "name", "url"):
        return None
    good = text.isascii() and text.isdigit() and len(text) < 6 and 0 < int(text) < 65536
    return int(text) if good else None
