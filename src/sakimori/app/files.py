"""Files of the user, read and written: errors that name the place, and never half a file."""

from __future__ import annotations

import json
import os
import sys
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from sakimori.errors import EngineError, SourceError

if TYPE_CHECKING:
    from pathlib import Path

_LARGEST = 512 * 1024 * 1024  # bytes of a text that is read whole


def read_text(path: Path) -> str:
    """Return a UTF-8 file's text, without a byte order mark; "-" reads standard input.

    Raises SourceError when it is missing, no file, too large or not UTF-8.
    """
    try:
        if str(path) == "-":
            return sys.stdin.read()
        if path.stat().st_size > _LARGEST:
            raise SourceError("larger than 512 MiB", where=str(path), hint="split the file")
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise SourceError(
            error.strerror or "cannot be read", where=str(path), hint="check the path"
        ) from error
    except UnicodeDecodeError as error:
        raise SourceError(
            f"not UTF-8 at byte {error.start}", where=str(path), hint="save it as UTF-8"
        ) from error


def read_json(path: Path) -> Any:
    """Return a JSON file's value. Raises SourceError with `path:line`."""
    text = read_text(path)
    try:
        return json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise SourceError(f"not valid JSON: {error.msg}", where=f"{path}:{error.lineno}") from error
    except (ValueError, RecursionError) as error:
        raise SourceError(f"not valid JSON: {error}", where=str(path)) from error


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file aside and rename it, so that a failure leaves what was there before.

    The folder must exist. Raises SourceError where the path can be no file, EngineError when the disk
    refuses (full, read-only).
    """
    data = content.encode() if isinstance(content, str) else content
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        with aside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        _gone(aside)
        raise SourceError(
            f"cannot be written: {error.strerror}", where=str(path), hint="choose another file"
        ) from error
    except OSError as error:
        _gone(aside)
        raise EngineError(
            f"cannot be written: {error.strerror}",
            where=str(path),
            hint="check free space and permissions; nothing there was changed",
        ) from error


def _gone(aside: Path) -> None:
    with suppress(OSError):
        aside.unlink()
