"""Bytes that undoing needs, each in a file named by its hash, readable by the owner only."""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING

from sakimori.endpoint.recipes.model import digest
from sakimori.errors import StateError

if TYPE_CHECKING:
    from pathlib import Path


BINARY = getattr(os, "O_BINARY", 0)  # Windows would change ends of lines


class Blobs:
    """A folder of bytes."""

    def __init__(self, folder: Path) -> None:
        """Keep bytes in this folder, which is made when needed."""
        self.folder = folder

    def keep(self, data: bytes) -> str:
        """Write bytes to the disk for good; returns their SHA-256. Raises OSError."""
        name = digest(data)
        if not (self.folder / name).exists():
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_whole(self.folder / name, data)
        return name

    def get(self, name: str) -> bytes:
        """Return bytes. Raises StateError where they are not as they were kept."""
        try:
            data = (self.folder / name).read_bytes()
        except OSError as error:
            raise StateError(
                error.strerror or "cannot be read", where=str(self.folder / name)
            ) from error
        if digest(data) != name:
            raise StateError("these bytes are not as they were kept", where=str(self.folder / name))
        return data


def write_whole(path: Path, data: bytes) -> None:
    """Write a private file aside, then rename it; the folder is synced too. Raises OSError."""
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    handle = os.open(aside, os.O_CREAT | os.O_EXCL | os.O_WRONLY | BINARY, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
    sync(path.parent)


def sync(folder: Path) -> None:
    """Make a folder's names last; Windows has no such call."""
    if os.name != "nt":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
