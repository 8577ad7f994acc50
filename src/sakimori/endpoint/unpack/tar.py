"""tar in every kind: old, ustar, GNU long names, pax, sparse. Read once from the beginning.

Sources: POSIX 1003.1-2017 pax; GNU tar manual, "Storing Sparse Files". Written here because a member may
claim any size and the standard library's reader believes more of it than it should.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sakimori.endpoint.unpack._model import (
    CHUNK,
    MIB,
    BrokenError,
    Entry,
    Layer,
    Problem,
    TruncatedError,
)
from sakimori.endpoint.unpack._source import Pull

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEADER = 1 * MIB  # the longest name or pax record that is believed, bytes
_ZEROS = bytes(CHUNK)
_LARGEST = 1 << 63


@dataclass(slots=True)
class _State:
    """What headers before a member say about it."""

    pax: dict[str, str]
    shared: dict[str, str]
    name: str = ""
    link: str = ""
    sparse: tuple[tuple[int, int], ...] = ()

    def get(self, key: str) -> str:
        return self.pax.get(key, self.shared.get(key, ""))


def read(layer: Layer) -> Iterator[Entry | Problem]:
    """Yield files; links with their target as data; devices without data. Raises BrokenError."""
    pull, shared = layer.pull, dict[str, str]()
    state, blank = _State({}, shared), 0
    while block := pull.exact(512):
        layer.budget.tick()
        if not block.strip(b"\0"):
            blank += 1  # two end the archive; what may follow is looked at all the same
            continue
        if len(block) < 512:
            raise TruncatedError("ends in the middle of a header")
        if not _is_header(block):
            if blank:
                return
            raise BrokenError("has a broken header; what follows was left out")
        blank = 0
        size = _size(state, block)
        if block[156:157] in b"xXgLK":
            _describe(state, block[156:157], _text_block(pull, size))
            continue
        end = pull.position + size + (-size) % 512
        yield from _entry(block, state, pull, size)
        _skip(layer, end)
        state = _State({}, shared)


def _entry(block: bytes, state: _State, pull: Pull, size: int) -> Iterator[Entry]:
    kind = block[156:157]
    name = state.get("GNU.sparse.name") or state.get("path") or state.name or _name(block)
    if kind in b"12":
        target = state.get("linkpath") or state.link or _text(block[157:257])
        yield Entry(name, (target.encode("utf-8", "surrogateescape"),))
    elif kind in b"346":
        yield Entry(name, ())
    elif kind == b"S":
        yield Entry(name, _old_sparse(block, pull, size))
    elif kind != b"5" and not (name.endswith("/") and size == 0):
        yield Entry(name, _content(state, pull, size))


def _content(state: _State, pull: Pull, size: int) -> Iterator[bytes]:
    if state.get("GNU.sparse.major") == "1":
        return _new_sparse(state, pull, size)
    if state.sparse or state.get("GNU.sparse.map"):
        pairs = state.sparse or _pairs(state.get("GNU.sparse.map").split(","))
        return _spread(pairs, _number_text(state.get("GNU.sparse.size")), _whole(pull, size))
    return _whole(pull, size)


def _whole(pull: Pull, size: int) -> Iterator[bytes]:
    got = 0
    for chunk in pull.take(size):
        got += len(chunk)
        yield chunk
    if got < size:
        raise TruncatedError(f"ends after {got:,} of {size:,} bytes")


def _spread(
    pairs: tuple[tuple[int, int], ...], total: int, data: Iterator[bytes]
) -> Iterator[bytes]:
    """A sparse file with its holes as zeros, so that they count as what came out."""
    stream, at = Pull(data), 0
    for offset, count in (*pairs, (total, 0)):
        if offset < at:
            if count:
                raise BrokenError("has a map of holes that runs backwards")
            continue
        yield from _hole(offset - at)
        yield from stream.take(count)
        at = offset + count


def _hole(count: int) -> Iterator[bytes]:
    while count > 0:
        yield _ZEROS[: min(count, CHUNK)]
        count -= CHUNK


def _old_sparse(block: bytes, pull: Pull, size: int) -> Iterator[bytes]:
    """GNU's first form: four pairs in the header, 21 in each block that extends it."""
    pairs, more, total = _map(block[386:482]), block[482], _number(block[483:495])
    while more:
        block = pull.exact(512)
        if len(block) < 512 or len(pairs) > 100_000:
            raise BrokenError("has a map of holes without an end")
        pairs += _map(block[:504])
        more = block[504]
    yield from _spread(tuple(pairs), total, _whole(pull, size))


def _map(data: bytes) -> list[tuple[int, int]]:
    fields = (data[at : at + 24] for at in range(0, len(data), 24))
    return [(_number(f[:12]), _number(f[12:])) for f in fields if f.strip(b"\0")]


def _new_sparse(state: _State, pull: Pull, size: int) -> Iterator[bytes]:
    """Form 1.0 of pax: the map stands before the data as decimal lines, padded to 512 bytes."""
    text = pull.exact(512)
    used, first = len(text), text.split(b"\n", 1)[0]
    wanted = 2 * _number_text(first.decode("ascii", "replace")) + 1
    if wanted > 200_001:
        raise BrokenError("has a map of holes without an end")
    while text.count(b"\n") < wanted and used < min(size, 8 * MIB):
        piece = pull.exact(512)
        if not piece:
            break
        text, used = text + piece, used + len(piece)
    pairs = _pairs(text.decode("ascii", "replace").split("\n")[1:wanted])
    total = _number_text(state.get("GNU.sparse.realsize"))
    yield from _spread(pairs, total, _whole(pull, max(0, size - used)))


def _pairs(words: list[str]) -> tuple[tuple[int, int], ...]:
    numbers = [_number_text(word) for word in words[:200_000]]
    return tuple(zip(numbers[::2], numbers[1::2], strict=False))


def _describe(state: _State, kind: bytes, data: bytes) -> None:
    if kind == b"L":
        state.name = _text(data)
    elif kind == b"K":
        state.link = _text(data)
    elif kind == b"g":
        state.shared.update(_records(data, state))
    else:
        state.pax.update(_records(data, state))


def _records(data: bytes, state: _State) -> Iterator[tuple[str, str]]:
    """What a pax header says: lines of "length key=value", the length in decimal."""
    offsets: list[int] = []
    at = 0
    while at < len(data):
        digits, _, _ = data[at : at + 20].partition(b" ")
        if not digits.isdigit() or int(digits) <= len(digits) + 1:
            break
        line = data[at + len(digits) + 1 : at + int(digits) - 1]
        key, _, value = line.partition(b"=")
        at += int(digits)
        if key in {b"GNU.sparse.offset", b"GNU.sparse.numbytes"}:  # form 0.0 repeats them
            offsets.append(_number_text(value.decode("ascii", "replace")))
        yield _text(key), value.decode("utf-8", "surrogateescape")
    if offsets:
        state.sparse = tuple(zip(offsets[::2], offsets[1::2], strict=False))


def _text_block(pull: Pull, size: int) -> bytes:
    if size > _HEADER:
        raise BrokenError(f"has a name or description that claims {size:,} bytes")
    data = pull.exact(size + (-size) % 512)
    return data[:size]


def _size(state: _State, block: bytes) -> int:
    if block[156:157] in b"xXgLK":
        return _number(block[124:136])
    if block[156:157] in b"123456":  # links and devices have no data, whatever they claim
        return 0
    said = state.get("size")
    return _number_text(said) if said else _number(block[124:136])


def _skip(layer: Layer, end: int) -> None:
    pull = layer.pull
    while pull.position < end and pull.some(min(CHUNK, end - pull.position)):
        layer.budget.tick()


def _is_header(block: bytes) -> bool:
    """Whether the checksum is right, or the magic number is there although it is not."""
    if block[257:262] == b"ustar":
        return True
    return _number(block[148:156]) == sum(block[:148]) + 256 + sum(block[156:])


def _name(block: bytes) -> str:
    prefix = _text(block[345:500]) if block[257:263] == b"ustar\0" else ""
    return f"{prefix}/{_text(block[:100])}" if prefix else _text(block[:100])


def _text(data: bytes) -> str:
    return data.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")


def _number(data: bytes) -> int:
    """Octal text, or base 256 where the first bit is set. Raises BrokenError beyond 63 bits."""
    if data[:1] >= b"\x80":
        value = int.from_bytes(bytes((data[0] & 0x7F,)) + data[1:], "big")
        if value >= _LARGEST:
            raise BrokenError("claims a size that cannot be")
        return value
    word = data.split(b"\0", 1)[0].strip()
    return int(word, 8) if word and not word.strip(b"01234567") else 0


def _number_text(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0
