"""Windows' security descriptors as SDDL: owner, group and access list of a file in one text.

Through advapi32 (GetNamedSecurityInfoW and the SDDL conversions of sddl.h). Elsewhere nothing here is
called. The audit list (SACL) needs a privilege that few have, so it is not asked for.
"""

from __future__ import annotations

import ctypes
from typing import Any

_FILE = 1  # SE_FILE_OBJECT
_DACL = 0x4
_PARTS = 0x1 | 0x2 | _DACL  # owner, group, access list
_REVISION = 1  # SDDL_REVISION_1


def sddl_of(path: str) -> tuple[str, str]:
    """Return a file's SDDL and "", or "" and why it cannot be read."""
    api, kernel = _dll("advapi32"), _dll("kernel32")
    if api is None or kernel is None:
        return "", "not on this system"
    descriptor, text = ctypes.c_void_p(), ctypes.c_wchar_p()
    code = api.GetNamedSecurityInfoW(
        ctypes.c_wchar_p(path), _FILE, _PARTS, None, None, None, None, ctypes.byref(descriptor)
    )
    if code:
        return "", f"error {code}"
    try:
        done = api.ConvertSecurityDescriptorToStringSecurityDescriptorW(
            descriptor, _REVISION, _PARTS, ctypes.byref(text), None
        )
        if not done:
            return "", "it cannot be written as SDDL"
        sddl = text.value or ""
        kernel.LocalFree(ctypes.cast(text, ctypes.c_void_p))
        return sddl, ""
    finally:
        kernel.LocalFree(descriptor)


def set_sddl(path: str, sddl: str) -> str:
    """Give a file the descriptor. Returns "" or why it could not be done."""
    api, kernel = _dll("advapi32"), _dll("kernel32")
    if api is None or kernel is None:
        return "not on this system"
    descriptor = ctypes.c_void_p()
    if not api.ConvertStringSecurityDescriptorToSecurityDescriptorW(
        ctypes.c_wchar_p(sddl), _REVISION, ctypes.byref(descriptor), None
    ):
        return "the text is no SDDL"
    try:
        if api.SetFileSecurityW(ctypes.c_wchar_p(path), _PARTS, descriptor):
            return ""
        listed = api.SetFileSecurityW(ctypes.c_wchar_p(path), _DACL, descriptor)
        return "owner could not be set" if listed else "nothing of it could be set"
    finally:
        kernel.LocalFree(descriptor)


def _dll(name: str) -> Any:
    try:
        return ctypes.WinDLL(name, use_last_error=True)  # type: ignore[attr-defined,unused-ignore]
    except (AttributeError, OSError):
        return None
