r"""The live registry of Windows as the keys that an inventory reads, through winreg.

Only the subtrees that matter are walked, in the 64-bit view, so that Wow6432Node is a key like any.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from sakimori.endpoint.registry.model import Key, Value

if TYPE_CHECKING:
    from collections.abc import Iterator

_TREES = (
    (r"SOFTWARE\Microsoft\Windows NT\CurrentVersion", 0),
    (r"SOFTWARE\Microsoft\Windows NT\CurrentVersion\HotFix", 1),
    (r"SOFTWARE\Microsoft\Updates", 3),
    (r"SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall", 1),
    (r"SOFTWARE\Wow6432Node\Microsoft\Windows\CurrentVersion\Uninstall", 1),
    (r"SOFTWARE\Microsoft\Windows\CurrentVersion\Component Based Servicing\Packages", 1),
    (r"SYSTEM\CurrentControlSet\Control\Session Manager\Environment", 0),
    (r"SYSTEM\CurrentControlSet\Control\ComputerName\ComputerName", 0),
    (r"SYSTEM\CurrentControlSet\Control\ProductOptions", 0),
)
_TEXT = (1, 2)


def keys(winreg: Any = None) -> Iterator[Key]:
    """Yield the keys below HKEY_LOCAL_MACHINE; those that are not there or may not be read are left out.

    `winreg` is the module of that name; another object with its functions stands for it in tests.
    """
    api = winreg or importlib.import_module("winreg")
    for path, depth in _TREES:
        yield from _walk(api, path, depth)


def _walk(api: Any, path: str, depth: int) -> Iterator[Key]:
    access = api.KEY_READ | api.KEY_WOW64_64KEY
    try:  # what is removed meanwhile is left out like what is not there
        with api.OpenKey(api.HKEY_LOCAL_MACHINE, path, 0, access) as handle:
            count, values, _ = api.QueryInfoKey(handle)
            names = [api.EnumKey(handle, i) for i in range(count)] if depth else []
            found = tuple(_value(*api.EnumValue(handle, i)) for i in range(values))
    except OSError:
        return
    yield Key(path, None, None, None, None, None, found)
    for name in names:
        yield from _walk(api, rf"{path}\{name}", depth - 1)


def _value(name: str, data: Any, kind: int) -> Value:
    """Winreg gives Python values; here they are bytes again, as a hive has them."""
    if kind in _TEXT and isinstance(data, str):
        return Value(name, kind, (data + "\0").encode("utf-16-le", "surrogatepass"))
    if kind == 7 and isinstance(data, list):
        text = "".join(f"{part}\0" for part in data) + "\0"
        return Value(name, kind, text.encode("utf-16-le", "surrogatepass"))
    if kind in (4, 11) and isinstance(data, int):
        return Value(name, kind, data.to_bytes(4 if kind == 4 else 8, "little"))
    return Value(name, kind, data if isinstance(data, bytes) else b"")
