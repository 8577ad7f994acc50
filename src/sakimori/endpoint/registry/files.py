"""Files of the registry written whole: aside first, then renamed."""

from __future__ import annotations

import os
import shutil
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING

from sakimori.errors import EngineError

if TYPE_CHECKING:
    from pathlib import Path


def put(data: bytes, target: Path, *, like: Path | None = None) -> None:
    """Write a file aside and rename it, with the mode and owner of `like`.

    Raises EngineError when the disk or the folder refuses; then `target` is as it was.
    """
    aside = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}")
    try:
        with aside.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if like is not None:
            shutil.copymode(like, aside)
            _own(aside, like)
        aside.replace(target)
    except OSError as error:
        with suppress(OSError):
            aside.unlink()
        raise EngineError(
            f"cannot be written: {error.strerror}",
            where=str(target),
            hint="check the folder, free space and permissions; nothing there was changed",
        ) from error


def _own(path: Path, like: Path) -> None:
    """Give a file the owner of another where we may; Windows keeps owners in another way."""
    if hasattr(os, "chown"):
        with suppress(OSError):
            os.chown(path, like.stat().st_uid, like.stat().st_gid)
