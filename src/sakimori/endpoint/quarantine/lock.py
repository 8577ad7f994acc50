"""One process at a time changes a quarantine; and the next one sees when a process died in it."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sakimori.errors import RefusedError, SourceError, StateError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PATIENCE = 60.0  # seconds to wait for another process
_BUSY = "busy"


@contextmanager
def locked(folder: Path, patience: float = _PATIENCE) -> Iterator[bool]:
    """Wait for our turn; gives whether the process before us died at work.

    Raises StateError when another process does not end. A crash leaves the mark behind.
    """
    handle = os.open(folder / "lock", os.O_CREAT | os.O_RDWR | getattr(os, "O_CLOEXEC", 0), 0o600)
    try:
        until = time.monotonic() + patience
        while not _taken(handle):
            if time.monotonic() > until:
                raise StateError(
                    "another process is at work in this quarantine",
                    where=str(folder),
                    hint="wait for it to end",
                )
            time.sleep(0.01)
        mark = folder / _BUSY
        died = mark.exists()
        mark.touch(0o600)
        try:
            yield died
        except (RefusedError, SourceError):  # these leave nothing half-done
            mark.unlink(missing_ok=True)
            raise
        mark.unlink(missing_ok=True)
    finally:
        os.close(handle)


def _taken(handle: int) -> bool:
    try:
        import fcntl  # noqa: PLC0415 - Windows has none
    except ImportError:
        return _taken_on_windows(handle)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _taken_on_windows(handle: int) -> bool:
    import msvcrt  # noqa: PLC0415 - only there

    try:
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
    except OSError:
        return False
    return True
