r"""What starts by itself: known places of files, registry keys, enabled services and all jobs.

An autorun has no record of its own: the file, job, service or registry value that it is gets marked. Sources: systemd.unit(5), bash(1), zsh(1), pam.conf(5), udev(7), the XDG autostart specification,
and the registry places that Microsoft documents (Run keys, Winlogon, AppInit_DLLs, Image File
Execution Options, Active Setup, Drivers32).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sakimori.endpoint.snapshot.model import Record

_FILES = re.compile(
    r"/etc/(?:rc\.local|rc\.d/.+|inittab|ld\.so\.preload|ld\.so\.conf(?:\.d/.+)?|environment|profile"
    r"|profile\.d/.+|bash\.bashrc|bashrc|zsh/.+|zshenv|zprofile|zshrc|csh\.(?:cshrc|login)|crontab|anacrontab"
    r"|cron\.[a-z]+/.+|init\.d/.+|pam\.conf|pam\.d/.+|security/pam_env\.conf|udev/rules\.d/.+"
    r"|modules|modules-load\.d/.+|modprobe\.d/.+|xdg/autostart/.+|X11/(?:xinit/.+|Xsession\.d/.+)"
    r"|update-motd\.d/.+|apt/apt\.conf\.d/.+|NetworkManager/dispatcher\.d/.+|network/if-[a-z-]+\.d/.+"
    r"|systemd/.+|sudoers|sudoers\.d/.+)"
    r"|(?:/usr)?/lib/(?:udev/rules\.d/.+|modules-load\.d/.+|systemd/.+|(?:[^/]+/)?security/pam_[^/]+\.so)"
    r"|/usr/share/(?:dbus-1/(?:system-)?services/.+)"
    r"|/boot/(?:grub2?/grub\.cfg|initrd[^/]*|initramfs[^/]*|vmlinuz[^/]*|efi/.+)"
    r"|(?:/root|/home/[^/]+)/(?:\.bash(?:rc(?:\.d/.+)?|_profile|_login|_logout)|\.profile|\.zshrc|\.zshenv"
    r"|\.zprofile|\.zlogin|\.kshrc|\.cshrc|\.tcshrc|\.login|\.xinitrc|\.xprofile|\.xsession(?:rc)?"
    r"|\.pam_environment|\.forward|\.ssh/(?:rc|authorized_keys2?)|\.config/(?:autostart|systemd|environment\.d"
    r"|fish|plasma-workspace)/.+|\.local/share/(?:systemd|dbus-1)/.+)",
    re.DOTALL,
)
# Below any mount of SOFTWARE, a user's hive or SYSTEM; in capitals.
_REGISTRY = re.compile(
    r".*\\(?:"
    r"MICROSOFT\\WINDOWS\\CURRENTVERSION\\(?:RUN|RUNONCE|RUNONCEEX|RUNSERVICES|RUNSERVICESONCE"
    r"|POLICIES\\EXPLORER\\RUN|EXPLORER\\(?:BROWSER HELPER OBJECTS|SHELLEXECUTEHOOKS"
    r"|SHAREDTASKSCHEDULER)|SHELLSERVICEOBJECTDELAYLOAD)"
    r"|MICROSOFT\\WINDOWS NT\\CURRENTVERSION\\(?:WINLOGON|WINDOWS|DRIVERS32|IMAGE FILE EXECUTION OPTIONS"
    r"|SILENTPROCESSEXIT|SCHEDULE\\TASKCACHE|APPCOMPATFLAGS\\(?:CUSTOM|INSTALLEDSDB))"
    r"|MICROSOFT\\ACTIVE SETUP\\INSTALLED COMPONENTS"
    r"|(?:CURRENTCONTROLSET|CONTROLSET[0-9]{3})\\(?:SERVICES|CONTROL\\(?:SESSION MANAGER|LSA"
    r"|SAFEBOOT|PRINT\\MONITORS|NETWORKPROVIDER|TERMINAL SERVER))"
    r")(?:\\.*)?\Z",
    re.DOTALL,
)
_COMMANDS = (
    (re.compile(r"/etc/ld\.so\.preload\Z"), re.compile(r"^\s*([^#\s].*)$", re.MULTILINE)),
    (re.compile(r"/etc/rc\.local\Z"), re.compile(r"^\s*([^#\s].*)$", re.MULTILINE)),
    (re.compile(r".*/autostart/[^/]+\.desktop\Z"), re.compile(r"^Exec\s*=\s*(.+)$", re.MULTILINE)),
    (
        re.compile(r".*/udev/rules\.d/[^/]+\Z"),
        re.compile(
            r"^[^#\n]*?\b((?:RUN|PROGRAM|IMPORT)(?:\{\w+\})?\+?=+\"[^\"\n]*\")", re.MULTILINE
        ),
    ),
)
_MOST, _LONGEST = 64, 500  # lines of a file, characters of a line


def is_autorun(record: Record) -> bool:
    """Whether what a record describes is run, or decides what is run, without anybody asking for it."""
    if record.object == "job":
        return True
    if record.object == "service":
        return bool(record.state.get("enabled"))
    if record.object == "registry":
        return _REGISTRY.match(f"\\{record.key.upper()}") is not None
    return record.object == "file" and _FILES.fullmatch(record.key) is not None


def reads(key: str) -> bool:
    """Whether a file's lines are read for what it runs."""
    return any(place.match(key) for place, _ in _COMMANDS)


def runs(key: str, data: bytes) -> list[str]:
    """Return the commands in a file of a kind that is known: at most 64, cut to 500 characters.

    Start-up files of shells are left out: people keep secrets in them.
    """
    text = data.decode("utf-8", "replace")
    for place, line in _COMMANDS:
        if place.match(key):
            return [match[1].strip()[:_LONGEST] for match in line.finditer(text)][:_MOST]
    return []
