"""Encrypted zip members, opened with a list of passwords: ZipCrypto and WinZip's AES."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sakimori.endpoint.unpack._model import MIB, BrokenError, Layer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sakimori.endpoint.unpack.zip import Item

_STEP = 16 * 1024  # ZipCrypto in Python: about a MB per second, so look at the clock often


@dataclass(slots=True)
class _Info:
    """What pyzipper's decrypters ask of a member."""

    filename: str
    CRC: int
    _raw_time: int
    use_datadescripter: bool
    wz_aes_strength: int = 0
    wz_aes_vendor_id: bytes = b"AE"
    wz_aes_version: int = 2


def decrypted(
    layer: Layer,
    item: Item,
    packed: int,
    decode: Callable[[int, Iterable[bytes], Item], Iterator[bytes]],
) -> tuple[int, bool, Iterator[bytes]]:
    """The real method, whether the checksum counts, and the decrypted bytes. Raises BrokenError."""
    if item.flags & 0x40:
        raise BrokenError("is encrypted in a way that is not known here; left packed")
    from sakimori.endpoint.unpack.zip import extra_field  # noqa: PLC0415 - it imports this

    field = extra_field(item.extra, 0x9901) if item.method == 99 else b""
    if item.method == 99 and len(field) < 7:
        raise BrokenError("says it is encrypted by AES but not how")
    method = int.from_bytes(field[5:7], "little") if field else item.method
    check = not field or field[:2] == b"\1\0"
    fitting = [word for word in layer.passwords if _start(layer, item, word, field) is not None]
    for word in fitting:
        raw = _plain(layer, item, packed, word, field)
        if len(fitting) == 1 or _right(item, decode, method, raw):
            return method, check, _plain(layer, item, packed, word, field)
    raise BrokenError("is encrypted and no password of the list opens it; left packed")


def _start(layer: Layer, item: Item, word: str, field: bytes) -> tuple[Any, int] | None:
    """A decrypter and the length of its header; None where the password is wrong."""
    from pyzipper.zipfile import CRCZipDecrypter  # noqa: PLC0415 - slow to import
    from pyzipper.zipfile_aes import AESZipDecrypter  # noqa: PLC0415

    info = _Info(item.name, item.crc, item.time, bool(item.flags & 8))
    length, maker = 12, CRCZipDecrypter
    if field:
        info.wz_aes_strength, maker = field[4], AESZipDecrypter
        length = {1: 10, 2: 14, 3: 18}.get(field[4], 0)
    head = layer.whole().at(item.data, length)
    if not length or len(head) < length:
        return None
    try:
        return maker(info, word.encode(), head), length
    except (RuntimeError, ValueError):
        return None


def _plain(layer: Layer, item: Item, packed: int, word: str, field: bytes) -> Iterator[bytes]:
    started = _start(layer, item, word, field)
    if started is None:
        return
    decrypter, length = started
    count = packed - length - (10 if field else 0)
    for piece in layer.whole().chunks(item.data + length, count, _STEP):
        layer.budget.tick()
        yield decrypter.decrypt(piece)


def _right(
    item: Item,
    decode: Callable[[int, Iterable[bytes], Item], Iterator[bytes]],
    method: int,
    raw: Iterator[bytes],
) -> bool:
    """Whether the content makes sense: ZipCrypto takes one wrong password in 256."""
    crc, size = 0, 0
    try:
        for out in decode(method, raw, item):
            crc, size = zlib.crc32(out, crc), size + len(out)
            if size > 16 * MIB:
                return True
    except (BrokenError, OSError, EOFError, ValueError, zlib.error):
        return False
    return not item.crc or crc == item.crc
