"""Which folders of a machine are taken when none are named, and what in them is only noise."""

from __future__ import annotations

import fnmatch
import re
import sys
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sakimori.endpoint.snapshot.ground import Ground

SYSTEM = (
    "/bin", "/boot", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/opt", "/sbin", "/usr",
    "/var/spool/at", "/var/spool/cron",
)  # fmt: skip
HOMES = ("/root", "/home/*")
IN_HOME = (
    ".bash_login", ".bash_logout", ".bash_profile", ".bashrc", ".bashrc.d", ".config/autostart",
    ".config/environment.d", ".config/fish", ".config/plasma-workspace", ".config/systemd", ".cshrc",
    ".forward", ".gitconfig", ".inputrc", ".kshrc", ".local/bin", ".local/share/applications",
    ".local/share/dbus-1", ".local/share/systemd", ".login", ".logout", ".netrc", ".pam_environment",
    ".procmailrc", ".profile", ".rhosts", ".shosts", ".ssh", ".tcshrc", ".tmux.conf", ".vimrc",
    ".xinitrc", ".xprofile", ".xsession", ".xsessionrc", ".zlogin", ".zlogout", ".zprofile",
    ".zshenv", ".zshrc", "bin",
)  # fmt: skip
WINDOWS = (
    "C:/Program Files", "C:/Program Files (x86)", "C:/Windows/System32", "C:/Windows/SysWOW64",
    "C:/Windows/Tasks", "C:/ProgramData/Microsoft/Windows/Start Menu/Programs/Startup",
)  # fmt: skip
NOISE = ("/dev/*", "/proc/*", "/run/*", "/sys/*", "/var/cache/*", "/var/lib/apt/lists/*",
         *(f"{home}/.cache/*" for home in HOMES))  # fmt: skip


def usual() -> tuple[str, ...]:
    """Return the folders and files that are taken of a live machine, as patterns of whole parts."""
    if sys.platform == "win32":
        return WINDOWS
    homes = tuple(f"{home}/{part}" for home in HOMES for part in IN_HOME)
    return (*SYSTEM, *homes)


def expand(ground: Ground, patterns: Iterable[str]) -> list[str]:
    """Return the keys that patterns lead to, sorted as the walk goes, none below another.

    A "*" stands for one part. Keys without one are returned whether they exist or not.
    """
    found = {key for pattern in patterns for key in _expand(ground, pattern)}
    ordered = sorted(found, key=lambda key: key.replace("/", "\0"))
    kept: list[str] = []
    for key in ordered:
        if not (kept and (key == kept[-1] or key.startswith(f"{kept[-1].rstrip('/')}/"))):
            kept.append(key)
    return kept


def _expand(ground: Ground, pattern: str) -> list[str]:
    head, star, tail = pattern.partition("/*")
    if not star:
        return [pattern]
    return [f"{head}/{name}{tail}" for name in ground.names("file", head)]


@lru_cache(maxsize=256)
def matcher(patterns: tuple[str, ...]) -> re.Pattern[str]:
    """Return what finds a key that any of these exclusions covers; "*" also stands for slashes."""
    if not patterns:
        return re.compile(r"(?!)")
    return re.compile("|".join(fnmatch.translate(one) for one in patterns))


@lru_cache(maxsize=256)
def below(roots: tuple[str, ...], separator: str) -> re.Pattern[str]:
    """Return what finds a key that is one of these roots or below one; "*" stands for one part."""
    one = f"[^{re.escape(separator)}]*"
    parts = (re.escape(root.rstrip(separator)).replace(r"\*", one) for root in roots)
    return re.compile(rf"(?:{'|'.join(parts)})(?:{re.escape(separator)}.*)?\Z", re.DOTALL)
