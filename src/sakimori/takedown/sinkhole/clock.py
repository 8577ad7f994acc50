"""How far this machine's clock can be trusted: times are evidence."""

from __future__ import annotations

import ctypes
import struct
from typing import Any

_UNSYNCHRONISED = 5  # TIME_ERROR
_MAXERROR_AT = 24  # bytes into struct timex on 64-bit Linux: modes, offset, freq come before it


def state() -> dict[str, Any]:
    """Return whether the kernel's clock is synchronised, and its greatest error in ms; {}: unknown.

    Source: adjtimex(2), which is only asked here.
    """
    try:
        library = ctypes.CDLL(None, use_errno=True)
        timex = ctypes.create_string_buffer(512)
        code = library.adjtimex(timex)
    except (OSError, AttributeError):  # not Linux
        return {}
    if code < 0:
        return {}
    (error,) = struct.unpack_from("@l", timex.raw, _MAXERROR_AT)
    return {"synchronised": code != _UNSYNCHRONISED, "max_error_ms": error // 1_000}
