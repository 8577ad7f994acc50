"""What unpacking gives, and how far it may go."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sakimori.endpoint.unpack._source import Blob, Pull

MIB = 1024 * 1024
CHUNK = 256 * 1024  # the most that a decoder gives at once, bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How far one file of the disk is unpacked. All but `member` count over all layers together.

    `depth`: layers in each other. `ratio`: unpacked bytes per packed byte, once more than 1 MiB came
    out. `bytes`: all that came out. `member`: bytes held in memory for one member; all layers together
    hold four times that. `members`: how many. `seconds`: of unpacking; what the caller does between two
    members does not count.
    """

    depth: int = 8
    ratio: int = 250
    bytes: int = 1024 * MIB
    member: int = 64 * MIB
    members: int = 20_000
    seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Member:
    """One thing inside a container.

    `name` is hostile text as the container has it, "/" between layers; never use it as a path. Bytes of
    unknown encoding are kept as surrogates. `data` is the content, cut at the limits.
    """

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Problem:
    """What was left out, and why, in plain English. `member` None: the file itself."""

    member: str | None
    reason: str


class BrokenError(Exception):
    """A container, or a part of it, cannot be read; the message says why."""


class ExhaustedError(Exception):
    """A limit of the whole file was reached: nothing more is unpacked."""


class TruncatedError(BrokenError):
    """The data ends too early."""


@dataclass(slots=True)
class Budget:
    """What is left of the limits for one file of the disk, shared by all its layers."""

    limits: Limits
    packed: int
    out: int = 0
    members: int = 0
    held: int = 0
    over: bool = False
    used: float = 0.0
    since: float = field(default_factory=time.monotonic)

    def spend(self, count: int) -> None:
        """Count bytes that came out. Raises ExhaustedError at a limit."""
        self.out += count
        if self.out > self.limits.bytes:
            self._stop(f"more than {self.limits.bytes:,} bytes came out; the rest was left out")
        if self.out > MIB and self.out > self.limits.ratio * max(1, self.packed):
            self._stop(
                f"a decompression bomb: over {self.limits.ratio} times its packed size came out;"
                " the rest was left out"
            )
        self.tick()

    def tick(self) -> None:
        """Look at the clock. Raises ExhaustedError when time is up."""
        if self.over:
            raise ExhaustedError("the limits are used up")
        if self.used + time.monotonic() - self.since > self.limits.seconds:
            self._stop(f"took longer than {self.limits.seconds:g} s; the rest was left out")

    def count(self) -> None:
        """Count one member. Raises ExhaustedError when there are too many."""
        self.members += 1
        if self.members > self.limits.members:
            self._stop(f"more than {self.limits.members:,} members; the rest was left out")
        self.tick()

    def room(self) -> int:
        """How many bytes the next member may hold in memory."""
        return max(0, min(self.limits.member, 4 * self.limits.member - self.held))

    def pause(self) -> None:
        """Stop the clock while the caller works."""
        self.used += time.monotonic() - self.since

    def resume(self) -> None:
        """Let the clock run again."""
        self.since = time.monotonic()

    def _stop(self, reason: str) -> None:
        self.over = True
        raise ExhaustedError(reason)


@dataclass(frozen=True, slots=True)
class Entry:
    """A member as a reader finds it: the walker takes `chunks` before it asks for the next entry."""

    name: str
    chunks: Iterable[bytes]


@dataclass(frozen=True, slots=True)
class Layer:
    """One container to be read: its bytes, what it is called, and what may be spent on it.

    `blob` is set where the whole container is at hand; `pull` reads it once from the beginning.
    """

    blob: Blob | None
    pull: Pull
    name: str
    budget: Budget
    passwords: Sequence[str]

    def whole(self) -> Blob:
        """The container with random access. Raises BrokenError where it is a stream."""
        if self.blob is None:
            raise BrokenError("is too large to be unpacked inside another container")
        return self.blob
