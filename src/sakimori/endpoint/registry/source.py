"""Where registry keys are read from: one function for each kind of source, all with one answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sakimori.endpoint.registry.found import HiveRead, Problem
from sakimori.endpoint.registry.hive import read_hive
from sakimori.endpoint.registry.live import ROOTS
from sakimori.endpoint.registry.live import read_live as _read_live
from sakimori.endpoint.registry.reg_read import read_reg
from sakimori.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["HiveRead", "Problem", "read_any", "read_hive", "read_live", "read_reg"]


def read_any(path: Path, mount: str) -> HiveRead:
    """Read a hive (as `mount`) or a `.reg` file (whose keys name their own place), by its first bytes.

    Raises SourceError, which names the file.
    """
    try:
        with path.open("rb") as file:
            head = file.read(4)
    except OSError as error:
        raise SourceError(
            error.strerror or "cannot be read", where=str(path), hint="check the path"
        ) from error
    text = head.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf", b"W\0i\0")) or (
        head.upper() in (b"REGE", b"WIND")
    )
    return read_reg(path) if text else read_hive(path, mount)


def read_live(roots: Sequence[str] = ROOTS) -> HiveRead:
    """Read the live registry. Raises RefusedError where this is no Windows."""
    from sakimori.endpoint.registry.windows import api  # noqa: PLC0415 - ctypes, and Windows only

    return _read_live(api(), roots)
