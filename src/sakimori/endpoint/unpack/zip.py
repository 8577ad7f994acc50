"""zip, and what is one under another name: jar, apk, office documents, self-extracting programs.

Both of its lists are read, the directory at the end and the headers before each member, so that a member
named in one of them only is found. Source: PKWARE APPNOTE 6.3.10; WinZip AE-1/AE-2.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sakimori.endpoint.unpack._decode import (
    Inflate,
    bunzip,
    drained,
    lzma_filter,
    raw_lzma,
)
from sakimori.endpoint.unpack._model import (
    CHUNK,
    BrokenError,
    Entry,
    Layer,
    Problem,
    TruncatedError,
)
from sakimori.endpoint.unpack._source import Pull
from sakimori.endpoint.unpack._zipcrypt import decrypted
from sakimori.endpoint.unpack.xz import one_stream
from sakimori.endpoint.unpack.zstd import frames

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sakimori.endpoint.unpack._source import Blob

_LOCAL, _CENTRAL, _END = b"PK\3\4", b"PK\1\2", b"PK\5\6"
_METHODS = {0, 8, 9, 12, 14, 93, 95, 99}
_FALSE = 50_000  # marks of a header without one that are passed by
_MOST = 200_000  # entries of a directory that are read


@dataclass(frozen=True, slots=True)
class Item:
    """One entry of a directory or one header: names, sizes and where its data begins."""

    name: str
    flags: int
    method: int
    time: int
    crc: int
    packed: int
    size: int
    header: int
    data: int
    extra: bytes


def read(layer: Layer) -> Iterator[Entry | Problem]:
    """Yield the members of the directory, then those that only their own header tells of."""
    blob = layer.whole()
    items = _directory(layer)
    if not items:
        yield Problem(None, "has no directory: cut off or broken; members are searched for")
    elif _overlap(items):
        yield Problem(None, "has members that lie over each other, as decompression bombs have")
    seen: set[tuple[int, int, int, int]] = set()
    for item in items:
        layer.budget.tick()
        for one in _both(blob, item):
            mark = (one.header, one.method, one.packed, one.flags & 1)
            if mark not in seen and not one.name.endswith("/"):
                seen.add(mark)
                yield Entry(one.name, _content(layer, one))
    yield from _searched(layer, items)


def _both(blob: Blob, item: Item) -> Iterator[Item]:
    """The member as the directory tells it, and as its header does where that differs."""
    local = _local(blob, item.header)
    if local is None:
        yield item
        return
    at = local.data
    yield Item(item.name, item.flags, item.method, item.time, item.crc, item.packed, item.size, item.header, at, item.extra)  # fmt: skip
    told = not local.flags & 8 and local.packed
    if local.method != item.method or (told and local.packed != item.packed):
        yield local


def _searched(layer: Layer, items: list[Item]) -> Iterator[Entry | Problem]:
    """Members between those of the directory."""
    blob, at, false = layer.whole(), 0, 0
    for start, end in [*_ranges(blob, items), (blob.size, blob.size)]:
        while 0 <= (found := blob.find(_LOCAL, at)) < start:
            layer.budget.tick()
            at = found + 4
            local = _local(blob, found)
            if local is None or local.method not in _METHODS or not local.name:
                false += 1
                if false > _FALSE:
                    yield Problem(None, f"has over {_FALSE:,} false headers; the rest was left out")
                    return
                continue
            if local.data + local.packed <= blob.size:
                at = max(at, local.data + local.packed)
            if not local.name.endswith("/"):
                yield Entry(local.name, _content(layer, local))
        at = max(at, end)


def _ranges(blob: Blob, items: list[Item]) -> list[tuple[int, int]]:
    """Where the directory's members lie, each as far as both of its descriptions agree."""
    ranges = []
    for item in sorted(items, key=lambda i: i.header):
        local = _local(blob, item.header)
        if local is not None:
            told = local.packed if local.packed and not local.flags & 8 else item.packed
            ranges.append((item.header, local.data + min(told, item.packed)))
    return ranges


def _overlap(items: list[Item]) -> bool:
    ends = 0
    for start, length in sorted({(i.header, i.packed) for i in items}):
        if start + 30 < ends:
            return True
        ends = max(ends, start + 30 + length)
    return False


def _directory(layer: Layer) -> list[Item]:
    """The entries at the end; [] where there are none."""
    blob = layer.whole()
    start = max(0, blob.size - 1024 * 1024)
    end = blob.at(start, blob.size).rfind(_END)
    if end < 0:
        return []
    end += start
    record = blob.at(end, 22)
    if len(record) < 22:
        return []
    length, offset = struct.unpack_from("<II", record, 12)
    if blob.at(end - 20, 4) == b"PK\6\7":
        wide = blob.at(struct.unpack("<Q", blob.at(end - 12, 8))[0], 56) or blob.at(end - 76, 56)
        if not wide.startswith(b"PK\6\6"):
            wide = blob.at(end - 76, 56)
        if wide.startswith(b"PK\6\6") and len(wide) == 56:
            length, offset = struct.unpack_from("<QQ", wide, 40)
            end -= 76
    first = end - length  # what stands before the zip moves all offsets
    if blob.at(first, 4) != _CENTRAL:
        first = offset
    return _entries(layer, first, max(0, first - offset))


def _entries(layer: Layer, at: int, shift: int) -> list[Item]:
    blob, items = layer.whole(), list[Item]()
    while len(items) < _MOST:
        head = blob.at(at, 46)
        if len(head) < 46 or head[:4] != _CENTRAL:
            break
        if not len(items) % 256:
            layer.budget.tick()
        flags, method, time = struct.unpack_from("<HHH", head, 8)
        crc, packed, size, names, extras, comments = struct.unpack_from("<IIIHHH", head, 16)
        (header,) = struct.unpack_from("<I", head, 42)
        name, extra = blob.at(at + 46, names), blob.at(at + 46 + names, extras)
        size, packed, header = _wide(extra, [size, packed, header])
        text = _text(name, flags)
        items.append(Item(text, flags, method, time, crc, packed, size, header + shift, header + shift + 30, extra))  # fmt: skip
        at += 46 + names + extras + comments
    return items


def _local(blob: Blob, at: int) -> Item | None:
    """The header at an offset; None where there is none."""
    head = blob.at(at, 30)
    if len(head) < 30 or head[:4] != _LOCAL:
        return None
    flags, method, time = struct.unpack_from("<HHH", head, 6)
    crc, packed, size, names, extras = struct.unpack_from("<IIIHH", head, 14)
    name, extra = blob.at(at + 30, names), blob.at(at + 30 + names, extras)
    size, packed, _ = _wide(extra, [size, packed, 0])
    text = _text(name, flags)
    return Item(text, flags, method, time, crc, packed, size, at, at + 30 + names + extras, extra)


def _wide(extra: bytes, numbers: list[int]) -> list[int]:
    """Sizes of 64 bits stand in an extra field, those that need it, in this order."""
    field = extra_field(extra, 1)
    at = 0
    for place, number in enumerate(numbers):
        if number == 0xFFFFFFFF and len(field) >= at + 8:
            (numbers[place],) = struct.unpack_from("<Q", field, at)
            at += 8
    return numbers


def extra_field(extra: bytes, identity: int) -> bytes:
    """The content of one extra field; b"" where it is missing."""
    at = 0
    while at + 4 <= len(extra):
        found, length = struct.unpack_from("<HH", extra, at)
        if found == identity:
            return extra[at + 4 : at + 4 + length]
        at += 4 + length
    return b""


def _text(name: bytes, flags: int) -> str:
    """UTF-8 where it is that, else code page 437, in which every byte is a letter."""
    try:
        return name.decode("utf-8")
    except UnicodeDecodeError:
        return name.decode("utf-8", "surrogateescape") if flags & 0x800 else name.decode("cp437")


def _content(layer: Layer, item: Item) -> Iterator[bytes]:
    """The member's bytes. Raises BrokenError: cut off, wrong checksum, password, unknown method."""
    blob = layer.whole()
    open_end = bool(item.flags & 8) and not item.packed
    packed = blob.size - item.data if open_end else item.packed
    method, check = item.method, True
    raw: Iterable[bytes] = blob.chunks(item.data, packed)
    if item.flags & 1:
        method, check, raw = decrypted(layer, item, packed, _decoded)
    crc, size = 0, 0
    for out in _decoded(method, raw, item, open_end=open_end):
        crc, size = zlib.crc32(out, crc), size + len(out)
        yield out
    if method == 0 and not item.flags & 1 and size < packed and not open_end:
        raise TruncatedError(f"ends after {size:,} of {packed:,} bytes")
    if check and item.crc and crc != item.crc and not open_end:
        raise BrokenError("has a wrong checksum: broken, or changed on purpose")


def _decoded(
    method: int, raw: Iterable[bytes], item: Item, *, open_end: bool = False
) -> Iterator[bytes]:
    if method == 0:
        return _until_next(raw) if open_end else iter(raw)
    if method == 8:
        return drained(Inflate(), raw)
    if method == 12:
        return drained(bunzip(), raw)
    if method == 14:
        return _lzma(raw, item)
    if method in _RARE:
        return _RARE[method](raw)
    raise BrokenError(f"is packed by method {method}, which is not known here; left packed")


def _until_next(raw: Iterable[bytes]) -> Iterator[bytes]:
    """Stored with its size behind it: up to the next header of any kind."""
    kept = b""
    for chunk in raw:
        data = kept + chunk
        ends = [at for mark in (b"PK\7\x08", _LOCAL, _CENTRAL) if (at := data.find(mark)) >= 0]
        if ends:
            yield data[: min(ends)]
            return
        kept = data[-3:]
        yield data[:-3]
    yield kept


def _lzma(raw: Iterable[bytes], item: Item) -> Iterator[bytes]:
    pull = Pull(raw)
    head = pull.exact(4)
    properties = pull.exact(int.from_bytes(head[2:4], "little"))
    ended = bool(item.flags & 2)
    size = None if ended or item.flags & 8 else item.size
    decoder = raw_lzma([lzma_filter(properties)])
    return drained(decoder, iter(pull.some, b""), size)


def deflate64(raw: Iterable[bytes]) -> Iterator[bytes]:
    """Fed 256 bytes at a time: one of them makes at most 30,000."""
    import inflate64  # noqa: PLC0415 - rarely needed

    decoder = inflate64.Inflater()
    for chunk in raw:
        for at in range(0, len(chunk), 256):
            out = decoder.inflate(chunk[at : at + 256])
            yield from (out[i : i + CHUNK] for i in range(0, len(out), CHUNK))
            if decoder.eof:
                return


_RARE = {9: deflate64, 93: frames, 95: one_stream}


def has_directory(layer: Layer) -> bool:
    """Whether a zip ends here."""
    return bool(_directory(layer))
