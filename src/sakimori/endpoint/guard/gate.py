"""A gate before open and exec (Linux, fanotify permission events, as root): what is bad stays shut.

The machine comes first, so a gate can only ever be open longer than it should, never shut: each answer
has a deadline, after which the file opens and its scan goes on; and a keeper process ends this one when it
stops answering, upon which the kernel opens all that waits. Source: fanotify(7), fanotify_mark(2).
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import struct
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooSlow
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sakimori.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future
    from pathlib import Path

_CLOEXEC, _CONTENT = 0x1, 0x4
_ADD, _ONLYDIR = 0x1, 0x8
_OPEN_PERM, _OPEN_EXEC_PERM, _EVENT_ON_CHILD = 0x10000, 0x40000, 0x08000000
_ALLOW, _DENY = 1, 2
_EVENT = struct.Struct("=IBBHQii")  # length, version, reserved, metadata length, mask, fd, pid
_ANSWER = struct.Struct("=iI")
_AT_FDCWD = -100
_KEEPER = 5.0  # seconds without a heartbeat


@dataclass(slots=True)
class Gate:
    """Asks `decide(fd, path)` before a file in these folders opens; True lets it.

    `decide` runs in threads and may only read the open file (its offset is its own). Our own opens pass.
    Folders that come later must be given to `add`. Counts: asked, denied, late.
    """

    decide: Callable[[int, str], bool]
    deadline: float = 1.0
    counts: dict[str, int] = field(default_factory=lambda: {"asked": 0, "denied": 0, "late": 0})
    _fd: int = -1
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _beat: int = -1
    _keeper: int = 0

    def open(self, folders: Sequence[Path]) -> None:
        """Begin to ask. Raises RefusedError where the system does not let us."""
        if not sys.platform.startswith("linux"):
            raise RefusedError("a gate before open and exec needs Linux")
        libc = ctypes.CDLL(None, use_errno=True)
        self._fd = libc.fanotify_init(_CONTENT | _CLOEXEC, os.O_RDONLY | os.O_CLOEXEC)
        if self._fd < 0:
            raise _refused(ctypes.get_errno())
        try:
            for folder in folders:
                for place, _, _ in os.walk(folder):
                    self.add(place)
        except RefusedError:
            os.close(self._fd)
            raise
        self._keep()
        self._thread = threading.Thread(target=self._answer_all, daemon=True)
        self._thread.start()

    def add(self, folder: str) -> None:
        """Ask for this folder's files too; one that is gone again is no error."""
        libc = ctypes.CDLL(None, use_errno=True)
        mask = ctypes.c_uint64(_OPEN_PERM | _OPEN_EXEC_PERM | _EVENT_ON_CHILD)
        if libc.fanotify_mark(self._fd, _ADD | _ONLYDIR, mask, _AT_FDCWD, os.fsencode(folder)):
            number = ctypes.get_errno()
            if os.path.isdir(folder):  # noqa: PTH112 - a text path
                raise _refused(number)

    def close(self) -> None:
        """Ask no more: the kernel opens all that waits."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(3)
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        if self._beat >= 0:
            os.close(self._beat)  # the keeper ends too
            self._beat = -1
            os.waitpid(self._keeper, 0)

    def _answer_all(self) -> None:
        with ThreadPoolExecutor(4, thread_name_prefix="gate") as pool:
            while not self._stop.is_set():
                os.write(self._beat, b".")
                ready, _, _ = select.select([self._fd], [], [], 0.5)
                if ready:
                    self._read(pool)

    def _read(self, pool: ThreadPoolExecutor) -> None:
        data = os.read(self._fd, 64 * 1024)
        at = 0
        while at + _EVENT.size <= len(data):
            length, _, _, _, _, file, pid = _EVENT.unpack_from(data, at)
            at += max(length, _EVENT.size)
            if file < 0:
                continue
            if pid == os.getpid():
                self._answer(file, let=True)
            else:
                self._ask(pool, file)

    def _ask(self, pool: ThreadPoolExecutor, file: int) -> None:
        """Answer when the scan is done, or at the deadline, in a thread of its own."""
        self.counts["asked"] += 1
        copy = os.dup(file)
        future = pool.submit(self._decided, copy)
        threading.Thread(target=self._in_time, args=(file, future), daemon=True).start()

    def _decided(self, file: int) -> bool:
        try:
            return self.decide(file, os.readlink(f"/proc/self/fd/{file}"))  # noqa: PTH115 - text path
        except BaseException:  # noqa: BLE001 - whatever fails, native code too, the file must open
            return True
        finally:
            os.close(file)

    def _in_time(self, file: int, future: Future[bool]) -> None:
        try:
            let = future.result(self.deadline)
        except TooSlow:
            self.counts["late"] += 1
            let = True
        self._answer(file, let=let)

    def _answer(self, file: int, *, let: bool) -> None:
        self.counts["denied"] += not let
        try:
            os.write(self._fd, _ANSWER.pack(file, _ALLOW if let else _DENY))
        except OSError:
            pass  # closed meanwhile: the kernel has opened it
        finally:
            os.close(file)

    def _keep(self) -> None:
        """Start the keeper: a process that does nothing but listen for our heartbeat."""
        read, self._beat = os.pipe()
        watched = os.getpid()
        self._keeper = os.fork()
        if self._keeper:
            os.close(read)
            return
        os.close(self._beat)
        os.close(self._fd)
        while True:
            ready, _, _ = select.select([read], [], [], _KEEPER)
            if not ready:
                os.kill(watched, signal.SIGKILL)
            if not ready or not os.read(read, 4096):
                os._exit(0)


def _refused(number: int) -> RefusedError:
    return RefusedError(
        f"no gate before open and exec: {os.strerror(number)}",
        hint="it needs root (CAP_SYS_ADMIN) and a kernel with fanotify permission events",
    )
