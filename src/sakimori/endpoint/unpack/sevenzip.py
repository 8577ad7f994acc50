"""7z: py7zr reads the header; the data is decoded here in a chain of bounded steps.

Source: 7zFormat.txt and Methods.txt of the LZMA SDK. py7zr's own extraction pushes whole folders and does
not bound what deflate or zstd make of a block.
"""

from __future__ import annotations

import io
import lzma
import zlib
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CBC

from sakimori.endpoint.unpack._decode import (
    Inflate,
    bunzip,
    checked_window,
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
from sakimori.endpoint.unpack.zip import deflate64
from sakimori.endpoint.unpack.zstd import frames

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_AES = b"\x06\xf1\x07\x01"
_LZMA, _LZMA2, _DELTA, _PPMD, _ZSTD = b"\3\1\1", b"\x21", b"\3", b"\3\4\1", b"\x04\xf7\x11\x01"
_BRANCH = {
    b"\3\3\1\3": "BCJDecoder",
    b"\4": "BCJDecoder",
    b"\3\3\2\5": "PPCDecoder",
    b"\5": "PPCDecoder",
    b"\3\3\5\1": "ARMDecoder",
    b"\7": "ARMDecoder",
    b"\3\3\7\1": "ARMTDecoder",
    b"\x08": "ARMTDecoder",
    b"\3\3\x08\5": "SparcDecoder",
    b"\x09": "SparcDecoder",
}
_BEGINS = {
    b"\1\0",
    b"\1\2",
    b"\1\4",
    b"\1\5",
    b"\x17\6",
}  # how a header begins that has no checksum
_ROUNDS = 20  # 2^20 rounds of SHA-256 take a second; 7-Zip uses 2^19
_LOCKED = "is encrypted and no password of the list opens it; left packed"


def read(layer: Layer) -> Iterator[Entry | Problem]:
    """Yield the files, folder by folder (7z's word for a block packed together). Raises BrokenError."""
    header, words = _header(layer)
    files = _names(header)
    streams = header.main_streams
    empty = [name for name, has, is_folder in files if not has and not is_folder]
    yield from (Entry(name, ()) for name in empty)
    if streams is None or streams.unpackinfo is None:
        return
    names = [name for name, has, _ in files if has]
    start, used, pack = 32 + streams.packinfo.packpos, 0, 0
    for number, folder in enumerate(streams.unpackinfo.folders):
        sizes, sums = _parts(streams, number, folder, used)
        mine = [
            names[used + i] if used + i < len(names) else f"{used + i}" for i in range(len(sizes))
        ]
        used += len(sizes)
        packed = streams.packinfo.packsizes[pack : pack + len(folder.packed_indices)]
        yield from _folder(
            layer, folder, (start, packed), list(zip(mine, sizes, sums, strict=True)), words
        )
        start += sum(packed)
        pack += len(packed)


def _header(layer: Layer) -> tuple[Any, list[str]]:
    """The header, decoded, and the passwords that may fit. Raises BrokenError."""
    from py7zr.archiveinfo import Header, SignatureHeader  # noqa: PLC0415 - slow to import

    blob = layer.whole()
    signature = SignatureHeader.retrieve(io.BytesIO(blob.at(0, 32)))
    if signature.nextheadersize > 64 * 1024 * 1024 or 32 + signature.nextheaderofs > blob.size:
        raise TruncatedError("has no header at its end: cut off or broken; left packed")
    data = blob.at(32 + signature.nextheaderofs, signature.nextheadersize)
    if zlib.crc32(data) != signature.nextheadercrc:
        raise TruncatedError("has a broken header: cut off, or changed; left packed")
    for _ in range(4):
        layer.budget.tick()
        if data[:1] != b"\x17":
            break
        data, word = _encoded(layer, data)
        layer = layer if word is None else _only(layer, word)
    return Header.retrieve(io.BytesIO(), io.BytesIO(data), 32), list(layer.passwords)


def _only(layer: Layer, word: str) -> Layer:
    return replace(layer, passwords=(word,))


def _encoded(layer: Layer, data: bytes) -> tuple[bytes, str | None]:
    """The header inside a packed header, and the password that opened it."""
    from py7zr.archiveinfo import HeaderStreamsInfo  # noqa: PLC0415

    streams = HeaderStreamsInfo.retrieve(io.BytesIO(data[1:]))
    if not streams.unpackinfo.folders:
        raise BrokenError("has a header that holds nothing")
    folder = streams.unpackinfo.folders[0]
    size = folder.get_unpack_size()
    if size > 64 * 1024 * 1024:
        raise BrokenError(f"has a header that claims {size:,} bytes; left packed")
    place = (32 + streams.packinfo.packpos, streams.packinfo.packsizes[:1])
    words: list[str | None] = list(layer.passwords) if _locked(folder) else [None]
    for word in words:
        try:
            out = b"".join(_cut(_chain(layer, folder, place, word), size, layer))
        except (lzma.LZMAError, OSError, EOFError, TruncatedError):
            if word is None:
                raise
            continue
        if zlib.crc32(out) == folder.crc if folder.digestdefined else out[:2] in _BEGINS:
            return out, word
    raise BrokenError(
        "has an encrypted list of names, and no password opens it; left packed"
        if words != [None]
        else "has a broken header"
    )


def _cut(chunks: Iterable[bytes], size: int, layer: Layer) -> Iterator[bytes]:
    for chunk in Pull(chunks).take(size):
        layer.budget.tick()
        yield chunk


def _names(header: Any) -> list[tuple[str, bool, bool]]:
    """Name, whether it has data, whether it is a folder."""
    if header.files_info is None:
        return []
    out, empty = [], iter(header.files_info.emptyfiles or ())
    for number, file in enumerate(header.files_info.files):
        bare = bool(file.get("emptystream"))
        out.append((file.get("filename", f"{number}"), not bare, bare and not next(empty, False)))
    return out


def _parts(streams: Any, number: int, folder: Any, used: int) -> tuple[list[int], list[int | None]]:
    """Sizes and checksums of what a folder holds."""
    sub = streams.substreamsinfo
    if sub is None:
        return [folder.get_unpack_size()], [folder.crc if folder.digestdefined else None]
    count = sub.num_unpackstreams_folders[number]
    sizes = (sub.unpacksizes or [])[used : used + count]
    if not sizes and count == 1:
        sizes = [folder.get_unpack_size()]
    sums = [
        sub.digests[i] if i < len(sub.digests) and sub.digestsdefined[i] else None
        for i in range(used, used + len(sizes))
    ]
    return sizes, sums


def _locked(folder: Any) -> bool:
    return any(coder["method"] == _AES for coder in folder.coders)


def _folder(
    layer: Layer,
    folder: Any,
    place: tuple[int, list[int]],
    parts: list[tuple[str, int, int | None]],
    words: list[str],
) -> Iterator[Entry | Problem]:
    if not parts:
        return
    word: str | None = None
    try:
        if _locked(folder):
            word = _word(layer, folder, place, parts[0], words)
        pull = Pull(_chain(layer, folder, place, word))
    except BrokenError as error:
        yield from (Problem(name, str(error)) for name, _, _ in parts)
        return
    at = 0
    for name, size, crc in parts:
        for piece in pull.take(at - pull.position):  # what was left of the one before
            layer.budget.spend(len(piece))
        yield Entry(name, _checked(pull, max(0, size), crc))
        at += max(0, size)


def _checked(pull: Pull, size: int, crc: int | None) -> Iterator[bytes]:
    found, got = 0, 0
    for chunk in pull.take(size):
        found, got = zlib.crc32(chunk, found), got + len(chunk)
        yield chunk
    if got < size:
        raise TruncatedError(f"ends after {got:,} of {size:,} bytes")
    if crc is not None and crc != found:
        raise BrokenError("has a wrong checksum: broken, or changed on purpose")


def _word(
    layer: Layer,
    folder: Any,
    place: tuple[int, list[int]],
    part: tuple[str, int, int | None],
    words: list[str],
) -> str:
    """The password that opens a folder: the first member's checksum must be right."""
    for word in words:
        layer.budget.tick()
        try:
            for _ in _checked(Pull(_chain(layer, folder, place, word)), part[1], part[2]):
                layer.budget.tick()
        except (BrokenError, lzma.LZMAError, OSError, EOFError, ValueError, zlib.error):
            continue
        return word
    raise BrokenError(_LOCKED)


def _chain(
    layer: Layer, folder: Any, place: tuple[int, list[int]], word: str | None
) -> Iterator[bytes]:
    """The folder's bytes, through all its decoders. Raises BrokenError where one is not known."""
    start, packed = place
    if len(packed) != 1 or any(
        c["numinstreams"] != 1 or c["numoutstreams"] != 1 for c in folder.coders
    ):
        raise BrokenError(
            "is packed by several streams at once (BCJ2), not known here; left packed"
        )
    chunks: Iterator[bytes] = layer.whole().chunks(start, packed[0], 64 * 1024)
    for coder, size in zip(folder.coders, folder.unpacksizes, strict=True):
        chunks = _step(coder["method"], coder["properties"] or b"", size, word)(chunks)
    return chunks


def _step(
    method: bytes, properties: bytes, size: int, word: str | None
) -> Callable[[Iterator[bytes]], Iterator[bytes]]:
    if method in _BRANCH:
        return lambda chunks: _branch(_BRANCH[method], chunks, size)
    if method == _AES:
        return _aes(properties, word or "", size)
    if method == _LZMA:
        setting = lzma_filter(properties)
        return lambda chunks: drained(raw_lzma([setting]), chunks, size)
    if method == _LZMA2:
        setting = {"id": lzma.FILTER_LZMA2, "dict_size": _lzma2_window(properties)}
        return lambda chunks: drained(raw_lzma([setting]), chunks, size)
    if method == _PPMD:
        return _ppmd(properties, size)
    return _simple(method, size)


def _simple(method: bytes, size: int) -> Callable[[Iterator[bytes]], Iterator[bytes]]:
    if method == b"\0":
        return lambda chunks: chunks
    if method == b"\4\1\x08":
        return lambda chunks: drained(Inflate(), chunks, size)
    if method == b"\4\1\x09":
        return deflate64
    if method == b"\4\2\2":
        return lambda chunks: drained(bunzip(), chunks, size)
    if method == _ZSTD:
        return frames
    raise BrokenError(f"is packed by method {method.hex()}, which is not known here; left packed")


def _lzma2_window(properties: bytes) -> int:
    bits = properties[0] if properties else 41
    if bits > 40:
        raise BrokenError("has LZMA2 settings that cannot be")
    return checked_window((1 << 32) - 1 if bits == 40 else (2 | bits & 1) << (bits // 2 + 11))


def _branch(name: str, chunks: Iterator[bytes], size: int) -> Iterator[bytes]:
    import bcj  # noqa: PLC0415 - rarely needed

    decoder = getattr(bcj, name)(size)
    for chunk in chunks:
        yield decoder.decode(chunk)


def _aes(properties: bytes, word: str, size: int) -> Callable[[Iterator[bytes]], Iterator[bytes]]:
    if len(properties) < 2 or properties[0] & 0x3F > _ROUNDS:
        raise BrokenError("asks for more work to make its key than is done here; left packed")
    salted = (properties[0] >> 7 & 1) + (properties[1] >> 4)
    salt, start = properties[2 : 2 + salted], properties[2 + salted : 18 + salted]

    def step(chunks: Iterator[bytes]) -> Iterator[bytes]:
        key = _key(word, properties[0] & 0x3F, salt)
        decoder = Cipher(AES256(key), CBC(start.ljust(16, b"\0"))).decryptor()
        left = size
        for chunk in chunks:
            out = decoder.update(chunk)[:left]
            left -= len(out)
            yield out

    return step


@lru_cache(maxsize=64)
def _key(word: str, rounds: int, salt: bytes) -> bytes:
    """Half a second's work, done once for all folders of an archive."""
    from py7zr.helpers import calculate_key  # noqa: PLC0415 - slow to import

    return bytes(calculate_key(word.encode("utf-16-le"), rounds, salt, "sha256"))


def _ppmd(properties: bytes, size: int) -> Callable[[Iterator[bytes]], Iterator[bytes]]:
    if len(properties) < 5:
        raise BrokenError("has PPMd settings that cannot be")
    memory = checked_window(int.from_bytes(properties[1:5], "little"))
    if not (2 <= properties[0] <= 64 and memory >= 2048):
        raise BrokenError("has PPMd settings that cannot be")

    def step(chunks: Iterator[bytes]) -> Iterator[bytes]:
        import pyppmd  # noqa: PLC0415 - rarely needed

        decoder, left = pyppmd.Ppmd7Decoder(properties[0], memory), size
        for chunk in chunks:
            out = decoder.decode(chunk, min(CHUNK, left))
            while out:
                left -= len(out)
                yield out
                out = (
                    decoder.decode(b"", min(CHUNK, left))
                    if left and not decoder.needs_input
                    else b""
                )
            if not left:
                return
        if left:  # the last symbols need no more input than a byte of nothing
            yield decoder.decode(b"\0", min(CHUNK, left))

    return step
