"""Files of a repository and of a machine's definitions, written so that none is ever half there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sakimori.errors import EngineError

if TYPE_CHECKING:
    from pathlib import Path


def write(path: Path, data: bytes) -> None:
    """Write a file aside and rename it; the same content again costs nothing. Raises EngineError."""
    try:
        if path.exists() and path.read_bytes() == data:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{path.name}.new")
        with aside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except OSError as error:
        raise EngineError(
            f"cannot be written: {error.strerror}", where=str(path), hint="check the disk"
        ) from error
