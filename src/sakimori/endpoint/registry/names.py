r"""Names of keys in one form, so that a manifest, a recipe and a hive speak of the same key.

Windows compares names without regard to case, unit by unit (its upper-case table has no expansions:
sharp s stays). Source: Microsoft, "Registry Hives" and "Predefined Keys"; regedit and native forms.
"""

from __future__ import annotations

import re

_LONG = {
    "HKLM": "HKEY_LOCAL_MACHINE",
    "HKCU": "HKEY_CURRENT_USER",
    "HKU": "HKEY_USERS",
    "HKCR": "HKEY_CLASSES_ROOT",
    "HKCC": "HKEY_CURRENT_CONFIG",
}
_SHORT = {long: short for short, long in _LONG.items()}
# How hives are called in files and mounts -> where Windows mounts them.
_MOUNTS = {
    "SOFTWARE": r"HKLM\SOFTWARE",
    "SYSTEM": r"HKLM\SYSTEM",
    "SAM": r"HKLM\SAM",
    "SECURITY": r"HKLM\SECURITY",
    "HARDWARE": r"HKLM\HARDWARE",
    "COMPONENTS": r"HKLM\COMPONENTS",
    "DRIVERS": r"HKLM\DRIVERS",
    "BCD": r"HKLM\BCD00000000",
    "BCD00000000": r"HKLM\BCD00000000",
    "NTUSER.DAT": "HKCU",
    "NTUSER": "HKCU",
    "USRCLASS.DAT": r"HKCU\Software\Classes",
    "USRCLASS": r"HKCU\Software\Classes",
    "DEFAULT": r"HKU\.DEFAULT",
    ".DEFAULT": r"HKU\.DEFAULT",
    "MACHINE": "HKLM",  # as security templates and group policy say it
    "USERS": "HKU",
    "CLASSES_ROOT": "HKCR",
    "CURRENT_USER": "HKCU",
}
_KEPT = "\u00b5\u0131\u017f"  # Unicode has capitals for these, Windows' table does not
# Roots that are views of other keys.
_VIEWS = {
    "HKCR": r"HKLM\SOFTWARE\Classes",
    "HKCC": r"HKLM\SYSTEM\CurrentControlSet\Hardware Profiles\Current",
}
_NATIVE = re.compile(r"\\*REGISTRY\\(MACHINE|USER)(?=\\|$)", re.IGNORECASE)
_PREFIX = re.compile(
    r"(?:Microsoft\.PowerShell\.Core\\)?Registry::|(?:My )?Computer\\(?=HK)", re.IGNORECASE
)
_CLASSES = re.compile(r"(HKU\\S-1-5-[0-9-]+)_CLASSES(?=\\|$)", re.IGNORECASE)
_SET = re.compile(r"(HKLM\\SYSTEM\\)(?:CONTROLSET[0-9]{3}|CURRENTCONTROLSET)(?=\\|$)")


def canonical(key: str) -> str:
    r"""Return a key's name for comparing: upper case, `HKLM\...`, any control set as CURRENTCONTROLSET.

    `SOFTWARE\...`, `HKEY_LOCAL_MACHINE\SOFTWARE\...` and `\REGISTRY\MACHINE\SOFTWARE\...` are one key;
    `NTUSER.DAT\...` is HKCU; HKCR is the machine's half, `HKLM\SOFTWARE\CLASSES`. Wow6432Node stays: it is a key of
    its own. ControlSet001 and ControlSet002 become the same name; use `exact` where both matter.
    """
    return _SET.sub(r"\1CURRENTCONTROLSET", exact(key))


def exact(key: str) -> str:
    r"""Return `canonical(key)` without joining control sets: two keys of one machine stay two."""
    return upper(full(key))


def full(key: str) -> str:
    r"""Return `exact(key)` in the case it was written in: short root, views followed."""
    root, _, rest = _rooted(key).partition("\\")
    root = _VIEWS.get(root, root)
    return f"{root}\\{rest}" if rest else root


def display(key: str) -> str:
    r"""Return a key's name as regedit writes it: `HKEY_LOCAL_MACHINE\Software\...`, case kept.

    The text is as hostile as it was: show it through `hostile.visible`.
    """
    root, _, rest = _rooted(key).partition("\\")
    long = _LONG.get(root, root)
    return f"{long}\\{rest}" if rest else long


def upper(name: str) -> str:
    """Return `name` in upper case as Windows compares it: no character becomes two."""
    if name.isascii():
        return name.upper()
    return "".join(u if len(u := c.upper()) == 1 and c not in _KEPT else c for c in name)


def parent(key: str) -> str:
    r"""Return the key above (`A\B\C` -> `A\B`), "" above the first."""
    return key.rpartition("\\")[0]


def _rooted(key: str) -> str:
    """Return the key with its root in short form, the rest as written."""
    name = _PREFIX.sub("", key.strip(" \t\r\n"), count=1)
    if native := _NATIVE.match(name):
        name = ("HKLM" if native[1].upper() == "MACHINE" else "HKU") + name[native.end() :]
    name = name.strip("\\")
    root, _, rest = name.partition("\\")
    root = upper(root.removesuffix(":"))
    root = _SHORT.get(root, _MOUNTS.get(root, root))
    if root not in _LONG and "\\" not in root:
        root = name.partition("\\")[0]  # a mount of the caller's own: case kept
    joined = "\\".join(part for part in (root, rest.strip("\\")) if part)
    return _CLASSES.sub(r"\1\\Software\\Classes", joined)
