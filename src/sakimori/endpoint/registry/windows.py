"""The registry functions of Windows (advapi32), called without loss: raw bytes in, raw bytes out.

Only on Windows; `api()` says so elsewhere. Source: Microsoft, "Registry Functions" (winreg.h).
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from sakimori.errors import RefusedError

if TYPE_CHECKING:
    from sakimori.endpoint.registry.live import Api


def api() -> Api:
    """Return the real thing. Raises RefusedError where this is no Windows."""
    if sys.platform == "win32":
        return _Advapi()
    raise RefusedError(
        "the live registry is there on Windows only",
        hint="give hive files or .reg exports instead",
    )


if sys.platform == "win32":
    import ctypes
    from ctypes import byref, c_ulong, c_ulonglong, c_void_p, c_wchar_p, create_string_buffer

    from sakimori.endpoint.registry.model import Value

    _ROOTS = {"HKCR": 0x80000000, "HKCU": 0x80000001, "HKLM": 0x80000002, "HKU": 0x80000003}
    _READ, _WRITE, _SIXTY_FOUR = 0x20019, 0x20006 | 0x10000, 0x100
    _LINK = 0x8  # open the link itself
    _MORE, _NO_MORE = 234, 259
    _OWNER_GROUP_DACL = 7
    _NAME = 32768  # characters; a value's name has at most 16,383

    class _Advapi:
        """`Api` over advapi32."""

        def __init__(self) -> None:
            self._dll = ctypes.WinDLL("advapi32")

        def open(self, root: str, path: str, *, write: bool = False, link: bool = False) -> int:
            key = c_void_p()
            wanted = _READ | _SIXTY_FOUR | (_WRITE if write else 0)
            options = _LINK if link else 0
            _check(
                self._dll.RegOpenKeyExW(_root(root), c_wchar_p(path), options, wanted, byref(key))
            )
            return key.value or 0

        def create(self, root: str, path: str) -> int:
            key = c_void_p()
            _check(
                self._dll.RegCreateKeyExW(
                    _root(root), c_wchar_p(path), 0, None, 0, _READ | _WRITE | _SIXTY_FOUR, None,
                    byref(key), None,
                )
            )  # fmt: skip
            return key.value or 0

        def close(self, key: int) -> None:
            self._dll.RegCloseKey(c_void_p(key))

        def written(self, key: int) -> int:
            stamp = c_ulonglong()
            _check(self._dll.RegQueryInfoKeyW(c_void_p(key), *[None] * 10, byref(stamp)))
            return stamp.value

        def subkeys(self, key: int) -> list[str]:
            names: list[str] = []
            while True:
                name, size = ctypes.create_unicode_buffer(512), c_ulong(512)
                code = self._dll.RegEnumKeyExW(
                    c_void_p(key), len(names), name, byref(size), None, None, None, None
                )
                if code == _NO_MORE:
                    return names
                _check(code)
                names.append(ctypes.wstring_at(name, size.value))

        def values(self, key: int) -> list[Value]:
            values: list[Value] = []
            room = 4096
            while True:
                name, size = ctypes.create_unicode_buffer(_NAME), c_ulong(_NAME)
                data, length, kind = create_string_buffer(room), c_ulong(room), c_ulong()
                code = self._dll.RegEnumValueW(
                    c_void_p(key),
                    len(values),
                    name,
                    byref(size),
                    None,
                    byref(kind),
                    data,
                    byref(length),
                )
                if code == _MORE:
                    room = max(room * 2, length.value)
                    continue
                if code == _NO_MORE:
                    return values
                _check(code)
                values.append(
                    Value(ctypes.wstring_at(name, size.value), kind.value, data.raw[: length.value])
                )

        def security(self, key: int) -> bytes:
            size = c_ulong(0)
            self._dll.RegGetKeySecurity(c_void_p(key), _OWNER_GROUP_DACL, None, byref(size))
            raw = create_string_buffer(size.value)
            _check(self._dll.RegGetKeySecurity(c_void_p(key), _OWNER_GROUP_DACL, raw, byref(size)))
            return raw.raw[: size.value]

        def set(self, key: int, value: Value) -> None:
            _check(
                self._dll.RegSetValueExW(
                    c_void_p(key), c_wchar_p(value.name), 0, value.type, value.data, len(value.data)
                )
            )

        def delete_value(self, key: int, name: str) -> None:
            _check(self._dll.RegDeleteValueW(c_void_p(key), c_wchar_p(name)))

        def delete_tree(self, root: str, path: str) -> None:
            above, _, name = path.rpartition("\\")
            key = self.open(root, above, write=True)
            try:
                _check(self._dll.RegDeleteTreeW(c_void_p(key), c_wchar_p(name)))
            finally:
                self.close(key)

    def _root(name: str) -> c_void_p:
        if name not in _ROOTS:
            raise FileNotFoundError(2, "no such root key", name)
        return c_void_p(ctypes.c_int32(_ROOTS[name]).value)

    def _check(code: int) -> None:
        """Raise OSError (FileNotFoundError, PermissionError, ...) for an error code of Windows."""
        if code:
            raise ctypes.WinError(code)
