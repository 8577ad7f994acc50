"""Text of unknown encoding, and the tables and times in it."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from zoneinfo import ZoneInfo

_JAPANESE = re.compile(rb"[\x81-\x9f]")
_LONGEST = 1 << 20  # characters of one field
_KB = re.compile(r"(?i)kb[ _-]?(\d{6,7})")


def decoded(data: bytes) -> str:
    """Return text from UTF-8 or UTF-16 (with or without mark), CP932 or CP1252, in this order.

    UTF-16 without a mark is told by its zero bytes. Never fails: what fits nothing is CP1252 with
    undefined bytes as U+FFFD.
    """
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    head = data[:4000]
    if head and (half := len(head) // 2):
        if head[1::2].count(0) > 0.6 * half:
            return data.decode("utf-16-le", "replace")
        if head[0::2].count(0) > 0.6 * half:
            return data.decode("utf-16-be", "replace")
    # Accents of Western text lie at 0xC0 and above; Japanese begins most characters at 0x81 to 0x9F.
    for encoding in ("utf-8-sig", "cp932") if _JAPANESE.search(data) else ("utf-8-sig",):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return data.decode("cp1252", "replace")


def table(text: str) -> Iterator[tuple[int, list[str]]]:
    """Give the rows of a delimited table with their line numbers; cells are stripped.

    The delimiter is the one of tab, comma, semicolon and bar that splits the first lines most evenly.
    A row that csv cannot read (a NUL, a field beyond 1 Mi characters) comes as one cell.
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text))
    line = 1
    while True:
        try:
            row = _row(reader)
        except StopIteration:
            return
        except csv.Error as error:
            row = [f"({error})"]
        yield line, [cell.strip().strip("\ufeff") for cell in row]
        line = reader.line_num + 1


def _row(reader: Iterator[list[str]]) -> list[str]:
    """Return the next row; the limit on a field is csv's own for all others in this process."""
    before = csv.field_size_limit(_LONGEST)
    try:
        return next(reader)
    finally:
        csv.field_size_limit(before)


def _delimiter(text: str) -> str:
    lines = [line for line in text[:20_000].splitlines() if line.strip()][:20]
    return max("\t,;|", key=lambda d: sum(min(line.count(d), 6) for line in lines))


def number_of(text: str) -> int | None:
    """Return a whole number, with or without thousands separators; None for anything else."""
    bare = re.sub(r"[\s,.'\u00a0\u202f]", "", text)
    return int(bare) if bare.isascii() and bare.isdigit() and len(bare) < 16 else None


def update_name(*texts: str) -> str:
    """Return `KB` and digits from the first text that has them, else ""."""
    for text in texts:
        if found := _KB.search(text):
            return f"KB{found[1]}"
    return ""


_FORMS = (
    "%Y-%m-%d %H:%M:%S", "%Y-%m-%d  %H:%M:%S", "%Y-%m-%d %H:%M", "%Y/%m/%d %H:%M:%S", "%m/%d/%Y %H:%M:%S",
    "%m/%d/%Y %I:%M:%S %p", "%a %d %b %Y %I:%M:%S %p", "%a %b %d %H:%M:%S %Y", "%a %d %b %Y %H:%M:%S",
    "%d %b %Y %H:%M:%S",
)  # fmt: skip
_ZONE = re.compile(r"\s+(UTC|GMT|Z)$")
_OTHER_ZONE = re.compile(r"\s+[A-Z]{3,4}$")


def time_of(text: str, zone: ZoneInfo) -> datetime | None:
    """Return a time in UTC from ISO 8601, epoch seconds or a common log form; None for others.

    A time without a zone is read in `zone`; a zone by letters other than UTC too, for letters are
    ambiguous.
    """
    bare = " ".join(text.replace("\u202f", " ").split())
    if re.fullmatch(r"\d{9,10}(\.\d+)?", bare):
        return datetime.fromtimestamp(float(bare), UTC)
    try:
        found = datetime.fromisoformat(bare)
    except ValueError:
        return _by_form(bare, zone)
    return _in_utc(found, zone)


def _by_form(text: str, zone: ZoneInfo) -> datetime | None:
    utc = _ZONE.search(text)
    bare = (
        (_ZONE if utc else _OTHER_ZONE).sub("", text) if not text.endswith((" AM", " PM")) else text
    )
    for form in _FORMS:
        try:
            found = datetime.strptime(bare, form)  # noqa: DTZ007 - the zone is put on below
        except ValueError:
            continue
        return found.replace(tzinfo=UTC) if utc else _in_utc(found, zone)
    return None


def _in_utc(time: datetime, zone: ZoneInfo) -> datetime | None:
    aware = time if time.tzinfo else time.replace(tzinfo=zone)
    try:
        return aware.astimezone(UTC)
    except OverflowError:
        return None
