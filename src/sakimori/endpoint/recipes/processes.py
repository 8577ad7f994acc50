"""Running programs: which they are, and ending exactly the one that was found."""

from __future__ import annotations

import os
import select
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_GONE = " (deleted)"
_PATIENCE = 3.0  # seconds to end by itself before it is killed


@dataclass(frozen=True, slots=True)
class Process:
    """One running program. `start` tells it from a later one with the same number.

    `exe` is its program's path, "" where it cannot be read; `inode` its file's device and number.
    """

    pid: int
    start: str
    exe: str
    deleted: bool
    command: tuple[str, ...]
    inode: tuple[int, int] | None = None

    def same(self, other: Process | None) -> bool:
        """Whether another look saw the same program. It may rename itself, and its file may go."""
        return other is not None and (self.pid, self.start, self.exe) == (
            other.pid, other.start, other.exe,
        )  # fmt: skip


class LinuxProcesses:
    """The programs of this machine, by /proc and process handles (pidfd)."""

    @property
    def partial(self) -> bool:
        """Whether other people's programs cannot be seen."""
        return os.geteuid() != 0

    def all(self) -> list[Process]:
        """Return every program that can be read, but this one and those above it."""
        spared = _above(os.getpid())
        pids = [int(p.name) for p in _PROC.iterdir() if p.name.isdecimal()]
        found = [_process(pid) for pid in sorted(pids) if pid not in spared]
        return [process for process in found if process is not None]

    def stop(self, process: Process) -> str:
        """Ask it to end, then kill it. The handle makes sure that it is the one that was found."""
        try:
            handle = os.pidfd_open(process.pid)
        except ProcessLookupError:
            return ""
        except OSError as error:
            return error.strerror or "cannot be stopped"
        try:
            if not process.same(_process(process.pid)):
                return "another program has its number now"
            return _end(handle)
        finally:
            os.close(handle)


def _end(handle: int) -> str:
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            signal.pidfd_send_signal(handle, number)
        except ProcessLookupError:
            return ""
        except OSError as error:
            return error.strerror or "cannot be stopped"
        if select.select([handle], [], [], _PATIENCE)[0]:
            return ""
    return "did not end"


def _above(pid: int) -> set[int]:
    """Return this program, the first one, and all between."""
    found = {1, pid}
    while pid > 1:
        fields = _stat(pid)
        pid = int(fields[1]) if fields else 1
        found.add(pid)
    return found


def _stat(pid: int) -> list[str]:
    """Return the fields after the name: state, parent ... ; empty where it is gone."""
    try:
        text = (_PROC / str(pid) / "stat").read_text("utf-8", "replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()


def _process(pid: int) -> Process | None:
    """Return a program; None where it is gone, a zombie, or the kernel's own."""
    folder, fields = _PROC / str(pid), _stat(pid)
    if not fields or fields[0] == "Z":
        return None
    try:
        exe = str((folder / "exe").readlink())
        words = (folder / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return None
    inode = None
    with suppress(OSError):
        info = (folder / "exe").stat()
        inode = (info.st_dev, info.st_ino)
    deleted = exe.endswith(_GONE)
    return Process(
        pid,
        fields[19],
        exe.removesuffix(_GONE),
        deleted,
        tuple(os.fsdecode(word) for word in words if word),
        inode,
    )


class OtherProcesses:
    """The programs of a machine without /proc, such as Windows, by psutil."""

    def all(self) -> list[Process]:
        """Return every program that can be read but this one."""
        import psutil  # noqa: PLC0415 - slow to import

        found = []
        for one in psutil.process_iter():
            if one.pid in (0, 1, 4, os.getpid()):
                continue
            with suppress(psutil.Error, OSError):
                exe = one.exe()
                gone = bool(exe) and not Path(exe).exists()
                start = repr(one.create_time())
                found.append(Process(one.pid, start, exe, gone, tuple(one.cmdline())))
        return found

    def stop(self, process: Process) -> str:
        """End it, if it is still the one that was found."""
        import psutil  # noqa: PLC0415 - slow to import

        try:
            one = psutil.Process(process.pid)
            if repr(one.create_time()) != process.start:
                return "another program has its number now"
            one.terminate()
            gone, _ = psutil.wait_procs([one], timeout=_PATIENCE)
            if not gone:
                one.kill()
                gone, _ = psutil.wait_procs([one], timeout=_PATIENCE)
        except psutil.NoSuchProcess:
            return ""
        except (psutil.Error, OSError) as error:
            return str(error) or "cannot be stopped"
        return "" if gone else "did not end"


def live_processes() -> LinuxProcesses | OtherProcesses:
    """Return the programs of this machine."""
    return LinuxProcesses() if hasattr(os, "pidfd_open") else OtherProcesses()
