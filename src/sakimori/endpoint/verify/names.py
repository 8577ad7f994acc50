r"""Names of files and registry keys brought to one form, so that two sources can be compared.

A manifest says `%SystemRoot%\system32\quartz.dll` or `[SystemFolder]quartz.dll`, a snapshot
`C:\WINDOWS\system32\quartz.dll` or `/mnt/c/WINDOWS/system32/quartz.dll` below its root.
"""

from __future__ import annotations

import re

_FOLDERS = {
    "%systemroot%": "windows",
    "%windir%": "windows",
    "[windowsfolder]": "windows",
    "[systemfolder]": "windows/system32",
    "[system64folder]": "windows/system32",
    "%programfiles%": "program files",
    "[programfilesfolder]": "program files",
    "[programfiles64folder]": "program files",
    "%systemdrive%": "",
    "[windowsvolume]": "",
    "%commonprogramfiles%": "program files/common files",
    "[commonfilesfolder]": "program files/common files",
}
_FOLDER = re.compile(r"(?i)^(%[^%/]+%|\[[a-z0-9]+\])/?")
_DRIVE = re.compile(r"^(//[?.]/)?[A-Za-z]:/?")
# Since the merge of /usr, dpkg's lists still say /lib and /bin.
_MERGED = re.compile(r"^(bin|sbin|lib|lib32|lib64|libx32)/")


def is_windows(path: str) -> bool:
    """Whether a path is written the Windows way: a backslash, a drive or a variable."""
    return "\\" in path or bool(_DRIVE.match(path)) or bool(_FOLDER.match(path))


def is_bare(path: str) -> bool:
    """Whether it is a file name without any folder."""
    return not re.search(r"[\\/]", path) and not _FOLDER.match(path) and not _DRIVE.match(path)


def file_key(path: str, *, windows: bool | None = None) -> str:
    """Return a path without root, drive and doubled separators.

    The Windows way is lower case with known variables resolved; other paths keep their case, with
    /lib, /bin and /sbin as below /usr. None: told by the path itself.
    """
    if windows is None:
        windows = is_windows(path)
    plain = path.replace("\\", "/") if windows else path
    if windows:
        plain = _FOLDER.sub(lambda m: _FOLDERS.get(m[1].lower(), m[1].lower()) + "/", plain)
        plain = _DRIVE.sub("", plain).lower()
    parts = [part for part in plain.split("/") if part not in ("", ".")]
    bare = "/".join(parts)
    return bare if windows else _MERGED.sub(lambda m: f"usr/{m[0]}", bare)


def base_name(path: str) -> str:
    """Return the file name alone, lower case."""
    return re.split(r"[\\/]", path.rstrip("\\/"))[-1].lower()


def parent(key: str, separator: str) -> str:
    """Return what comes before the last separator, "" where there is none."""
    return key.rpartition(separator)[0]


def package_name(name: str) -> str:
    """Return a package's name without its architecture (`libc6:amd64`)."""
    return name.partition(":")[0]
