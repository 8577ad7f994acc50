"""The key of all hashes: made once per workspace, readable only by its owner."""

from __future__ import annotations

import os
import secrets
import stat
from typing import TYPE_CHECKING

from sakimori.errors import StateError

if TYPE_CHECKING:
    from pathlib import Path

_BYTES = 32


def key_of(path: Path) -> bytes:
    """Return the key in a file, made if it is not there.

    Raises StateError when others may read the file, or it holds no key.
    """
    try:
        write_new(path, secrets.token_bytes(_BYTES))
    except FileExistsError:
        pass
    except OSError as error:
        raise StateError(f"the key cannot be written: {error.strerror}", where=str(path)) from error
    try:
        mode, key = path.stat().st_mode, path.read_bytes()
    except OSError as error:
        raise StateError(f"the key cannot be read: {error.strerror}", where=str(path)) from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise StateError("others may read the key", where=str(path), hint=f"chmod 600 {path}")
    if len(key) != _BYTES:
        raise StateError(f"a key has {_BYTES} bytes, this has {len(key)}", where=str(path))
    return key


def write_new(path: Path, data: bytes) -> None:
    """Write a file that is not there yet, whole or not at all, with mode 0600.

    Raises FileExistsError when it is there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.link(aside, path)  # fails where the file is there, unlike a rename
    finally:
        aside.unlink()
