"""The few fields of a certificate that hunting needs, read from its DER.

Sources: RFC 5280 (structure), X.690 (DER), RFC 4514 (names as text).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING

from sakimori.readers._pcap_bytes import Cursor, MalformedError, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

_SEQUENCE, _SET, _OID, _VERSION = 0x30, 0x31, 0x06, 0xA0
_UTC_TIME, _BMP_STRING = 0x17, 0x1E
_NAMES = {
    "2.5.4.3": "CN",
    "2.5.4.5": "serialNumber",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.9": "street",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "2.5.4.15": "businessCategory",
    "2.5.4.17": "postalCode",
    "0.9.2342.19200300.100.1.1": "UID",
    "0.9.2342.19200300.100.1.25": "DC",
    "1.2.840.113549.1.9.1": "emailAddress",
}
_SPECIAL = re.compile(r'([,+"\\<>;])')
_LONGEST_NAME = 64  # parts


@dataclass(frozen=True, slots=True)
class Certificate:
    """Names as RFC 4514 text, times in µs since 1970 (null where they cannot be read)."""

    subject: str
    issuer: str
    not_before: int | None
    not_after: int | None


def fingerprint(der: bytes) -> str:
    """Return the SHA-256 of a certificate, lower hex."""
    return sha256(der).hexdigest()


@lru_cache(maxsize=512)
def certificate(der: bytes) -> Certificate:
    """Read a certificate. Raises MalformedError."""
    body = Cursor(_content(_content(der, _SEQUENCE), _SEQUENCE))
    tag, _ = _next(body)
    if tag == _VERSION:
        _next(body)  # the serial number
    _next(body)  # the signature's algorithm
    issuer = _next(body)[1]
    times = Cursor(_next(body)[1])
    before, after = _time(*_next(times)), _time(*_next(times))
    return Certificate(_name(_next(body)[1]), _name(issuer), before, after)


def _next(cursor: Cursor) -> tuple[int, bytes]:
    """Return the next element's tag and content."""
    tag, size = cursor.number(1), cursor.number(1)
    if size >= 0x80:
        if not 0x80 < size <= 0x84:
            raise MalformedError("a DER length cannot be")
        size = cursor.number(size - 0x80)
    return tag, cursor.take(size)


def _content(data: bytes, wanted: int) -> bytes:
    tag, content = _next(Cursor(data))
    if tag != wanted:
        raise MalformedError(f"DER tag {tag:#x}, not {wanted:#x}")
    return content


def _name(data: bytes) -> str:
    """Return a distinguished name, the most specific part first."""
    parts = list(_parts(Cursor(data)))[:_LONGEST_NAME]
    return ",".join(reversed(parts))


def _parts(names: Cursor) -> Iterator[str]:
    while names:
        together = Cursor(_next(names)[1])
        pairs = []
        while together:
            pair = Cursor(_next(together)[1])
            oid = _oid(_next(pair)[1])
            tag, value = _next(pair)
            text = value.decode("utf-16-be", "replace") if tag == _BMP_STRING else text_of(value)
            pairs.append(_NAMES.get(oid, oid) + "=" + _SPECIAL.sub(r"\\\1", text))
        yield "+".join(pairs)


def _oid(data: bytes) -> str:
    numbers: list[int] = []
    value = 0
    for byte in data[:64]:
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            numbers.append(value)
            value = 0
    if not numbers:
        return "?"
    first = min(numbers[0] // 40, 2)
    return ".".join(map(str, [first, numbers[0] - 40 * first, *numbers[1:]]))


def _time(tag: int, data: bytes) -> int | None:
    """Return a UTCTime or GeneralizedTime in µs since 1970; None when it is not one."""
    text = data.decode("ascii", "replace")
    if tag == _UTC_TIME:
        text = ("19" if text[:2] >= "50" else "20") + text
    try:
        moment = datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None
    return int(moment.timestamp()) * 1_000_000
