r"""Content and records as they lie in the store: encrypted and authenticated, in bounded memory.

A sealed content is

    magic (8 bytes), salt (32), then pieces: length (4, big-endian), AES-256-GCM of kind and data

The content's own key is HKDF-Expand (RFC 5869) of the store's key with the salt, so no nonce is ever
used twice with one key. The nonce of a piece is its number (8 bytes) and whether it is the last (4
bytes): a piece that is changed, left out, moved, repeated or added is found, and so is a file cut
short. This is the STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizar, CRYPTO 2015). Each piece
holds up to 256 KiB, as it is or compressed with zstd where that makes it smaller.
"""

from __future__ import annotations

import hmac
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CHUNK = 256 * 1024  # bytes of content in a piece
_MAGIC = b"SKMRQ01\n"
_SALT = 32
_RAW, _ZSTD = b"\0", b"\1"
_MORE = 1 + 16  # the kind, and GCM's tag


class Damaged(Exception):  # noqa: N818 - never shown: the caller says where
    """What was read is not what was written, or was written with another key."""


def derived(key: bytes, purpose: bytes) -> bytes:
    """Return 32 bytes for one purpose: the first block of HKDF-Expand with SHA-256."""
    return hmac.digest(key, purpose + b"\x01", "sha256")


def seal(read: Callable[[int], bytes], write: Callable[[bytes], object], key: bytes) -> None:
    """Seal all that `read` gives until it gives nothing. `read` may give less than asked."""
    from cryptography.hazmat.primitives.ciphers.aead import (  # noqa: PLC0415 - slow to import
        AESGCM,
    )

    salt = os.urandom(_SALT)
    lock = AESGCM(_content_key(key, salt))
    write(_MAGIC + salt)
    number, chunk = 0, _filled(read)
    while True:
        coming = _filled(read) if len(chunk) == CHUNK else b""
        nonce = _nonce(number, last=not coming)
        sealed = lock.encrypt(nonce, _packed(chunk), _MAGIC)
        write(len(sealed).to_bytes(4, "big") + sealed)
        if not coming:
            return
        number, chunk = number + 1, coming


def unseal(read: Callable[[int], bytes], key: bytes) -> Iterator[bytes]:
    """Give the content piece by piece. Raises Damaged at the first piece that is not as written.

    What was given before that is right, but only a stream that ends without Damaged is whole.
    """
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - slow to import
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

    head = _exactly(read, len(_MAGIC) + _SALT)
    if not head.startswith(_MAGIC):
        raise Damaged("it does not begin as sealed content does")
    lock = AESGCM(_content_key(key, head[len(_MAGIC) :]))
    number, size = 0, _exactly(read, 4)
    while size:
        length = int.from_bytes(size, "big")
        if not _MORE <= length <= CHUNK + _MORE:
            raise Damaged(f"piece {number} has an impossible length")
        sealed, size = _exactly(read, length), read(4)
        try:
            plain = lock.decrypt(_nonce(number, last=not size), sealed, _MAGIC)
        except InvalidTag as error:
            raise Damaged(f"piece {number} is not as it was written") from error
        yield _unpacked(plain)
        number += 1


def seal_record(key: bytes, data: bytes, about: bytes) -> bytes:
    """Return a small record sealed; `about` is bound to it without being stored."""
    from cryptography.hazmat.primitives.ciphers.aead import (  # noqa: PLC0415 - slow to import
        AESGCM,
    )

    nonce = os.urandom(12)
    return nonce + AESGCM(derived(key, b"record")).encrypt(nonce, data, about)


def unseal_record(key: bytes, sealed: bytes, about: bytes) -> bytes:
    """Return a record's bytes. Raises Damaged."""
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - slow to import
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

    try:
        return AESGCM(derived(key, b"record")).decrypt(sealed[:12], sealed[12:], about)
    except (InvalidTag, ValueError) as error:
        raise Damaged("the record is not as it was written") from error


def _content_key(key: bytes, salt: bytes) -> bytes:
    return derived(key, b"content" + salt)


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(8, "big") + (b"\0\0\0\1" if last else b"\0\0\0\0")


def _packed(chunk: bytes) -> bytes:
    import zstandard  # noqa: PLC0415 - slow to import

    small = zstandard.ZstdCompressor(level=1).compress(chunk)
    return _ZSTD + small if len(small) < len(chunk) else _RAW + chunk


def _unpacked(plain: bytes) -> bytes:
    import zstandard  # noqa: PLC0415 - slow to import

    if plain[:1] == _RAW:
        return plain[1:]
    try:
        return zstandard.ZstdDecompressor().decompress(plain[1:], max_output_size=CHUNK)
    except zstandard.ZstdError as error:
        raise Damaged("a piece cannot be expanded") from error


def _filled(read: Callable[[int], bytes]) -> bytes:
    """Read a whole chunk, or what is left."""
    first = read(CHUNK)
    if not first or len(first) == CHUNK:
        return first
    parts, size = [first], len(first)
    while size < CHUNK and (more := read(CHUNK - size)):
        parts.append(more)
        size += len(more)
    return b"".join(parts)


def _exactly(read: Callable[[int], bytes], size: int) -> bytes:
    data = read(size)
    if len(data) != size:
        raise Damaged("it is cut short")
    return data
