"""The key that seals what is held: 32 random bytes in a file that only its owner can read."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING

from sakimori.errors import ConfigError, EngineError, SourceError

if TYPE_CHECKING:
    from pathlib import Path

NAME = "quarantine.key"
_HEAD = "sakimori quarantine key 1"
_SIZE = 32


def open_key(keys: Path) -> bytes:
    """Return the key in a folder, made with the folder when it is missing.

    Two processes that begin at once get the same key. Raises ConfigError when others can read it,
    SourceError when the file is no key, EngineError when it cannot be read or made.
    """
    path = keys / NAME
    try:
        if not path.exists():
            keys.mkdir(mode=0o700, parents=True, exist_ok=True)
            _make(path)
        return _read(path)
    except OSError as error:
        raise EngineError(
            f"the key cannot be read or made: {error.strerror}",
            where=str(path),
            hint="check the folder's permissions and free space",
        ) from error


def _make(path: Path) -> None:
    """Write the key whole beside, then give it its name unless another process did so before."""
    beside = path.with_name(f".{NAME}.{secrets.token_hex(8)}")
    handle = os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(f"{_HEAD}\n{secrets.token_hex(_SIZE)}\n")
            file.flush()
            os.fsync(file.fileno())
        _name(beside, path)
    finally:
        beside.unlink(missing_ok=True)
    with suppress(OSError):  # Windows has no such thing
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _name(beside: Path, path: Path) -> None:
    with suppress(FileExistsError):
        if os.name == "nt":
            beside.rename(path)  # refuses to replace there
        else:
            path.hardlink_to(beside)


def _read(path: Path) -> bytes:
    if os.name != "nt" and path.stat().st_mode & 0o077:
        raise ConfigError(
            "others can read this key, so what is held may be unsealed by them",
            where=str(path),
            hint="chmod 600 it",
        )
    lines = path.read_text("ascii", "replace").split("\n")
    try:
        key = bytes.fromhex(lines[1])
    except (IndexError, ValueError):
        key = b""
    if lines[0] != _HEAD or len(key) != _SIZE:
        raise SourceError(
            "this is no key of a quarantine", where=str(path), hint="put back your copy of it"
        )
    return key
