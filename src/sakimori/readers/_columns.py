"""Text columns to typed ones, a column at a time: times, addresses, numbers; bad cells aside."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sakimori.errors import SourceError
from sakimori.readers._contract import Reject

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sakimori.readers._source import Block

UTC_TIME = pa.timestamp("us", "UTC")
_TIME = (
    r"^(?P<day>[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01]))[ T]"
    r"(?P<clock>(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9])"
    r"(?P<fraction>\.[0-9]{1,9})?(?P<zone>Z|[+-][0-9]{2}:?[0-9]{2})?$"
)
_ZONE = r"^(Z|[+-]([01][0-9]|2[0-3]):?[0-5][0-9])$"
_EPOCH = r"^-?[0-9]{1,19}(\.[0-9]{1,9})?$"
_IPV4 = r"^(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])(\.(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])){3}$"
_SCALES = ((1e11, 1e6), (1e14, 1e3), (1e17, 1.0))  # below this: seconds, ms, µs; else ns
_LATEST = 2.534e17  # the year 10000, in µs


def by_value(column: Any, convert: Callable[[str], Any], kind: pa.DataType) -> pa.Array:
    """Apply `convert` to each distinct text of a column; null stays null.

    For what the engine cannot say: the cost is that of the distinct values.
    """
    array = flat(column)
    if not len(array):
        return pa.nulls(0, kind)
    coded = array.dictionary_encode()
    values = pa.array([convert(value) for value in coded.dictionary.to_pylist()], kind)
    return values.take(coded.indices) if len(values) else pa.nulls(len(array), kind)


def flat(column: Any) -> pa.Array:
    """Return a column as one array."""
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def times(column: Any, zone: str) -> pa.Array:
    """Return UTC times of a column of texts or numbers; null where there is none.

    Reads `2024-05-01 10:00:00.123`, with `T`, `/`, `Z` or `+09:00` too, and epoch numbers, whose
    size says whether they are seconds, ms, µs or ns. Times without an offset are in `zone`; in
    the hour that is there twice, the first is meant.
    """
    text = flat(column)
    if not pa.types.is_string(text.type):
        return text.cast(UTC_TIME) if pa.types.is_timestamp(text.type) else _epoch(text)
    text = pc.replace_substring(pc.utf8_trim_whitespace(text), "/", "-")
    number = pc.if_else(pc.match_substring_regex(text, _EPOCH), text, None)
    counted = _epoch(number.cast(pa.float64()))
    return pc.coalesce(counted, _written(text, zone)) if counted.null_count else counted


def _epoch(number: Any) -> pa.Array:
    number = number.cast(pa.float64())
    scale: Any = pa.scalar(1e-3)
    for limit, factor in reversed(_SCALES):
        scale = pc.if_else(pc.less(pc.abs(number), limit), factor, scale)
    micros = pc.round(pc.multiply(number, scale))
    return (
        pc.if_else(pc.less(pc.abs(micros), _LATEST), micros, None).cast(pa.int64()).cast(UTC_TIME)
    )


def _written(text: pa.Array, zone: str) -> pa.Array:
    parts = pc.extract_regex(text, _TIME)
    if parts.null_count == len(parts):
        return pa.nulls(len(text), UTC_TIME)
    day, clock, fraction, offset = (
        pc.struct_field(parts, name) for name in ("day", "clock", "fraction", "zone")
    )
    good = by_value(day, _is_day, pa.bool_())
    fraction = pc.utf8_slice_codeunits(fraction, 0, 7)  # to µs
    moment = pc.binary_join_element_wise(day, pc.binary_join_element_wise(clock, fraction, ""), " ")
    naive = pc.if_else(good, moment, None).cast(pa.timestamp("us"))
    local = pc.assume_timezone(naive, zone, ambiguous="earliest", nonexistent="earliest")
    shift = by_value(offset, _offset, pa.duration("us"))
    exact = pc.subtract(naive, shift).cast(UTC_TIME)
    told = pc.match_substring_regex(offset, _ZONE)
    plain = pc.equal(offset, "")
    return pc.if_else(plain, local.cast(UTC_TIME), pc.if_else(told, exact, None))


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _offset(text: str) -> int | None:
    """Return `+09:00` in µs."""
    if not re.match(_ZONE, text):
        return None
    if text == "Z":
        return 0
    minutes = int(text[1:3]) * 60 + int(text[-2:])
    return (-1 if text[0] == "-" else 1) * minutes * 60_000_000


def check_zone(zone: str, where: str) -> None:
    """Raise SourceError when the time zone of the settings is not known."""
    try:
        ZoneInfo(zone)
    except (ValueError, OSError, LookupError) as error:
        raise SourceError(
            f"the time zone {zone!r} is not known",
            where=where,
            hint='set [import] timezone to a name such as "Asia/Tokyo"',
        ) from error


def addresses(column: Any) -> pa.Array:
    """Return addresses as canonical text; null where the text is none."""
    text = pc.utf8_trim_whitespace(flat(column))
    plain = pc.match_substring_regex(text, _IPV4)
    if pc.all(plain, min_count=0).as_py():
        return text
    rest = by_value(pc.if_else(plain, None, text), _address, pa.string())
    return pc.if_else(pc.fill_null(plain, False), text, rest)


def _address(text: str) -> str | None:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None


def whole(column: Any, most: int = 10**18 - 1) -> pa.Array:
    """Return whole numbers from 0 to `most`; null where the text is none."""
    text = pc.utf8_trim_whitespace(flat(column))
    digits = pc.match_substring_regex(text, r"^[0-9]{1,18}$")
    number = pc.if_else(digits, text, None).cast(pa.int64())
    return pc.if_else(pc.less_equal(number, most), number, None)


def real(column: Any) -> pa.Array:
    """Return finite numbers; null where the text is none."""
    text = pc.utf8_trim_whitespace(flat(column))
    number = r"^[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]{1,2})?$"
    return pc.if_else(pc.match_substring_regex(text, number), text, None).cast(pa.float64())


def clean(block: Block) -> Block:
    """Return the block as valid UTF-8 in which only newlines end lines.

    The CSV parser takes a lone carriage return as the end of a line; line numbers would be off.
    """
    data = block.data
    if b"\r" in data:
        data = re.sub(rb"\r(?!\n)", b" ", data)
    try:
        data.decode()
    except UnicodeDecodeError:
        data = data.decode("utf-8", errors="replace").encode()
    return block if data is block.data else replace(block, data=data)


def after_header(block: Block) -> Block | None:
    """Return the block without the file's first line, which is the header; None: nothing left."""
    if block.start:
        return block
    end = block.data.find(b"\n") + 1
    if not end or end == len(block.data):
        return None
    return replace(block, data=block.data[end:], start=end, line=block.line + 1)


@dataclass(frozen=True, slots=True)
class Check:
    """A column of texts, what they became, and what they should be ("a time")."""

    name: str
    text: Any
    value: Any
    noun: str
    needed: bool = False


def sift(block: Block, lines: pa.Array, checks: Sequence[Check]) -> tuple[pa.Array, list[Reject]]:
    """Return which rows are good, and a reject for each that is not.

    A row is bad when a text became nothing, or a needed one is missing. Empty lines, where all
    checked texts are null, are no rows and no rejects.
    """
    filled = [pc.is_valid(flat(check.text)) for check in checks]
    present = np.logical_or.reduce([_flags(mask) for mask in filled])
    good = present.copy()
    rejects: list[Reject] = []
    texts = _Lines(block)
    for check, mask in zip(checks, filled, strict=True):
        lost = _flags(pc.is_null(flat(check.value)))
        bad = lost & present if check.needed else lost & _flags(mask)
        for at in np.flatnonzero(bad & good):
            cell = flat(check.text)[int(at)].as_py()
            reason = (
                f"{check.name} is missing"
                if cell is None
                else f"{check.name} is {cell[:40]!r}, not {check.noun}"
            )
            line = lines[int(at)].as_py()
            rejects.append(Reject(line, reason, texts[line], block.tail))
        good &= ~bad
    return pa.array(good), rejects


def _flags(mask: pa.Array) -> Any:
    return mask.to_numpy(zero_copy_only=False)


class _Lines:
    """A block's lines by number, cut only when one is asked for."""

    def __init__(self, block: Block) -> None:
        self._block = block
        self._cut: list[bytes] = []

    def __getitem__(self, line: int) -> str:
        if not self._cut:
            self._cut = self._block.data.split(b"\n")
        at = line - self._block.line
        raw = self._cut[at] if 0 <= at < len(self._cut) else b""
        return raw.decode("utf-8", errors="replace").rstrip("\r")
