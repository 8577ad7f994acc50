"""All of a file but its bytes: read from an open file, and put back on one.

Order matters when they are put back: to change the owner clears set-id bits and capabilities, to
change an ACL changes the mode's group bits, and times come last. Then everything is read again: what
is not as it was is said, never passed over. Where the owner cannot be put back the set-id bits are
left off, so that no program gains another user's rights.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from sakimori.endpoint.quarantine import windows
from sakimori.endpoint.quarantine.model import Attributes

if TYPE_CHECKING:
    from sakimori.endpoint.quarantine.folders import Folder

_XATTRS = hasattr(os, "listxattr")
_IMMUTABLE, _APPEND_ONLY = 0x10, 0x20  # FS_IMMUTABLE_FL, FS_APPEND_FL of linux/fs.h
_GET_FLAGS = 0x80086601  # FS_IOC_GETFLAGS on 64-bit machines


def of_file(fd: int, status: os.stat_result, path: str) -> Attributes:
    """Return an open file's attributes; `status` is from before it was read, for its atime."""
    xattrs, unread = _xattrs(fd)
    sddl = ""
    if os.name == "nt":
        sddl, reason = windows.sddl_of(path)
        unread += (f"security descriptor: {reason}",) if reason else ()
    return _made("file", status, status.st_size, (xattrs, unread, sddl))


def of_link(status: os.stat_result, target: bytes) -> Attributes:
    """Return a symbolic link's own attributes; its extended ones cannot be held safely."""
    return _made("symlink", status, len(target), ({}, (), ""))


def _made(
    kind: str,
    status: os.stat_result,
    size: int,
    more: tuple[dict[str, bytes], tuple[str, ...], str],
) -> Attributes:
    owner, group = names_of(status.st_uid, status.st_gid)
    return Attributes(
        kind=kind, size=size, mode=stat.S_IMODE(status.st_mode), uid=status.st_uid,
        gid=status.st_gid, owner=owner, group=group, atime=status.st_atime_ns,
        mtime=status.st_mtime_ns, ctime=status.st_ctime_ns, inode=status.st_ino,
        device=status.st_dev, links=status.st_nlink, blocks=getattr(status, "st_blocks", 0),
        xattrs=more[0], unread=more[1], sddl=more[2],
    )  # fmt: skip


def names_of(uid: int, gid: int) -> tuple[str, str]:
    """Return the names of a user and a group, "" where the system knows none."""
    try:
        import grp  # noqa: PLC0415 - Windows has none
        import pwd  # noqa: PLC0415
    except ImportError:
        return "", ""
    owner = group = ""
    with suppress(KeyError):
        owner = pwd.getpwuid(uid).pw_name
    with suppress(KeyError):
        group = grp.getgrgid(gid).gr_name
    return owner, group


def _xattrs(fd: int) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """Return the extended attributes and, with reasons, those that cannot be read."""
    if not _XATTRS:
        return {}, ()
    try:
        listed = os.listxattr(fd)
    except OSError as error:  # a file system without them
        return {}, (() if _unsupported(error) else (f"extended attributes: {error.strerror}",))
    found, unread = {}, []
    for name in listed:
        try:
            found[name] = os.getxattr(fd, name)
        except OSError as error:
            unread.append(f"{name}: {error.strerror}")
    return found, tuple(unread)


def _unsupported(error: OSError) -> bool:
    import errno  # noqa: PLC0415

    return error.errno in (errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)


def locked_by_flag(fd: int) -> str:
    """Return "immutable" or "append-only" where the file's flags forbid to remove it, else ""."""
    try:
        import fcntl  # noqa: PLC0415 - Windows has none

        flags = int.from_bytes(fcntl.ioctl(fd, _GET_FLAGS, bytes(8))[:4], "little")
    except (ImportError, OSError):
        return ""
    if flags & _IMMUTABLE:
        return "immutable"
    return "append-only" if flags & _APPEND_ONLY else ""


# Put back


def put_back(fd: int, wanted: Attributes, path: str) -> tuple[str, ...]:
    """Give an open file these attributes. Returns, in words, what is not as it was."""
    if os.name == "nt":
        with suppress(OSError):
            os.utime(path, ns=(wanted.atime, wanted.mtime))
        reason = windows.set_sddl(path, wanted.sddl) if wanted.sddl else ""
        return (f"security descriptor: {reason}",) if reason else ()
    with suppress(OSError):
        os.fchown(fd, wanted.uid, wanted.gid)
    if os.fstat(fd).st_uid != wanted.uid:
        with suppress(OSError):  # the group alone: it may be one of ours
            os.fchown(fd, -1, wanted.gid)
    _put_xattrs(fd, wanted)
    with suppress(OSError):
        os.fchmod(fd, _mode(os.fstat(fd), wanted))
    with suppress(OSError):
        os.utime(fd, ns=(wanted.atime, wanted.mtime))
    return _differences(fd, wanted)


def _mode(now: os.stat_result, wanted: Attributes) -> int:
    mode = wanted.mode
    if now.st_uid != wanted.uid:
        mode &= ~stat.S_ISUID
    if now.st_gid != wanted.gid:
        mode &= ~stat.S_ISGID
    return mode


def _put_xattrs(fd: int, wanted: Attributes) -> None:
    """Set those that were there, and remove what the folder's default ACL or the like added."""
    if not _XATTRS:
        return
    there, _ = _xattrs(fd)
    for name in there.keys() - wanted.xattrs.keys():
        with suppress(OSError):
            os.removexattr(fd, name)
    owned = os.fstat(fd).st_uid == wanted.uid
    for name, value in wanted.xattrs.items():
        if name == "security.capability" and not owned:
            continue
        if there.get(name) != value:
            with suppress(OSError):
                os.setxattr(fd, name, value)


def _differences(fd: int, wanted: Attributes) -> tuple[str, ...]:
    status = os.fstat(fd)
    told = [
        f"{what} is {shown(now)}, was {shown(was)}"
        for what, now, was, shown in (
            ("owner", status.st_uid, wanted.uid, str),
            ("group", status.st_gid, wanted.gid, str),
            ("mode", stat.S_IMODE(status.st_mode), wanted.mode, "{:04o}".format),
            ("access time", status.st_atime_ns, wanted.atime, str),
            ("modification time", status.st_mtime_ns, wanted.mtime, str),
        )
        if now != was
    ]
    there, _ = _xattrs(fd)
    told += [
        f"{name} {'is not as it was' if name in wanted.xattrs else 'is new'}"
        for name in sorted(there.keys() | wanted.xattrs.keys())
        if there.get(name) != wanted.xattrs.get(name)
    ]
    told += [f"{what} (could not be read when it was taken)" for what in wanted.unread]
    return tuple(told)


def put_link_back(folder: Folder, name: str, wanted: Attributes) -> tuple[str, ...]:
    """Give a symbolic link its owner and times. Returns what is not as it was."""
    times = (wanted.atime, wanted.mtime)
    try:
        folder.set_link(name, (wanted.uid, wanted.gid), times)
    except OSError:
        with suppress(OSError):
            folder.set_link(name, None, times)
    status = folder.status(name)
    if status is None:
        return ("the link is gone",)
    now = (status.st_uid, status.st_gid, status.st_mtime_ns)
    was = (wanted.uid, wanted.gid, wanted.mtime)
    parts = zip(("owner", "group", "modification time"), now, was, strict=True)
    return tuple(f"{what} is {is_now}, was {before}" for what, is_now, before in parts
                 if is_now != before)  # fmt: skip
