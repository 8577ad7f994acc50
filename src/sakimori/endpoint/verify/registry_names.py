r"""Registry paths as every source writes them, in one form: `HKLM\SOFTWARE\MICROSOFT\...`."""

from __future__ import annotations

import re

_LONG = {
    "HKEY_LOCAL_MACHINE": "HKLM",
    "HKEY_CURRENT_USER": "HKCU",
    "HKEY_USERS": "HKU",
    "HKEY_CLASSES_ROOT": "HKCR",
    "HKEY_CURRENT_CONFIG": "HKCC",
}
_MACHINE_HIVES = ("SOFTWARE", "SYSTEM", "SAM", "SECURITY", "HARDWARE", "COMPONENTS", "DRIVERS")


def registry_key(path: str) -> str:
    r"""Return a key's path in the form in which keys are compared: short root, upper case.

    `Computer\HKEY_LOCAL_MACHINE\`, `HKLM:\`, `\REGISTRY\MACHINE\` and hives mounted by their own names
    (`SOFTWARE\...`) are the same; so are `ControlSet001` and `CurrentControlSet`, and HKCR and
    `HKLM\SOFTWARE\Classes`. A user's hive (NTUSER, `HKU\S-1-5-21-...`) is HKCU.
    """
    parts = [part for part in re.split(r"\\+", path.strip().strip("\\")) if part]
    upper = [part.upper() for part in parts]
    if upper[:1] in (["COMPUTER"], ["MY COMPUTER"]) and len(upper) > 1:
        upper = upper[1:]
    if upper[:2] in (["REGISTRY", "MACHINE"], ["REGISTRY", "USER"]):
        upper = ["HKLM" if upper[1] == "MACHINE" else "HKU", *upper[2:]]
    if not upper:
        return ""
    root = upper[0].rstrip(":")
    return "\\".join(_control_set(_rooted(_LONG.get(root, root), upper[1:])))


def _rooted(root: str, rest: list[str]) -> list[str]:
    if root in _MACHINE_HIVES:
        return ["HKLM", root, *rest]
    if root == "HKCR":
        return ["HKLM", "SOFTWARE", "CLASSES", *rest]
    if root.startswith("NTUSER"):
        return ["HKCU", *rest]
    if root == "HKU" and rest and rest[0].startswith("S-1-5-21-"):
        return ["HKCU", *rest[1:]]
    return [root, *rest]


def _control_set(parts: list[str]) -> list[str]:
    if parts[:2] == ["HKLM", "SYSTEM"] and len(parts) > 2:
        parts[2] = re.sub(r"^CONTROLSET\d{3}$", "CURRENTCONTROLSET", parts[2])
    return parts
