"""From layer to layer: members are given out, then looked into, within one budget.

This is the one place that catches whatever a decoder raises: broken and hostile input may make any of them
raise anything, and each such failure becomes a Problem.
"""

from __future__ import annotations

import io
import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Generic, TypeVar

from sakimori.endpoint.unpack._kind import TAIL, kind_of
from sakimori.endpoint.unpack._model import (
    BrokenError,
    Entry,
    ExhaustedError,
    Layer,
    Member,
    Problem,
)
from sakimori.endpoint.unpack._source import Blob, Pull

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    Reader = Callable[[Layer], Iterator[Entry | Problem]]

T = TypeVar("T")
_CUT = "is larger than one member may be: only the first"
HEAD = 64 * 1024  # bytes by which a kind is told


@dataclass(frozen=True, slots=True)
class _Failed:
    reason: str


@dataclass(frozen=True, slots=True)
class _Guarded(Generic[T]):
    """An iterable that ends with a _Failed instead of raising."""

    items: Iterable[T]

    def __iter__(self) -> Iterator[T | _Failed]:
        try:
            yield from self.items
        except (BrokenError, ExhaustedError) as error:
            yield _Failed(str(error))
        except RecursionError:
            yield _Failed(
                "holds parts within parts, more than can be followed; the rest was left out"
            )
        except Exception as error:  # noqa: BLE001 - parsers of hostile input raise anything
            said = str(error).strip() or type(error).__name__
            yield _Failed(f"cannot be unpacked further: {said[:200]}")


@dataclass(frozen=True, slots=True)
class Walk:
    """The readers by kind, those of them that need no random access, and the limit on depth."""

    readers: Mapping[str, Reader]
    streamed: frozenset[str]

    def layer(self, kind: str, layer: Layer, prefix: str, depth: int) -> Iterator[Member | Problem]:
        """Everything in one container, and in those within it. Never raises for what it holds."""
        label = prefix.removesuffix("/") or None
        for item in _Guarded(self.readers[kind](layer)):
            if isinstance(item, _Failed):
                yield Problem(label, item.reason)
            elif isinstance(item, Problem):
                yield replace(item, member=prefix + item.member if item.member else label)
            else:
                yield from self._member(item, layer, prefix, depth)
            if layer.budget.over:
                return

    def _member(
        self, entry: Entry, layer: Layer, prefix: str, depth: int
    ) -> Iterator[Member | Problem]:
        budget, name = layer.budget, prefix + entry.name
        chunks = _Guarded(_counted(entry.chunks, layer)).__iter__()
        data, more, reason = _collect(chunks, budget.room())
        if data or not reason:
            yield Member(name, data)
        if reason:
            yield Problem(name, reason)
        if budget.over:
            return
        kind = kind_of(data[:HEAD], len(data), data[-TAIL:])
        follow = more is not None and kind in self.streamed
        if more is not None and not follow:
            reason = f"{_CUT} {len(data):,} bytes were looked at: the limit of memory"
            yield Problem(name, reason + ("; it may be a bomb" if _packs_well(data) else ""))
        if follow:  # its beginning is in memory, the rest comes as it is read
            inner = replace(layer, blob=None, pull=Pull(_rest(data, more, chunks)), name=entry.name)
        else:
            file = Blob(io.BytesIO(data))
            inner = replace(layer, blob=file, pull=Pull((data,)), name=entry.name)
        if kind is not None:
            yield from self._deeper(kind, inner, name, (depth, len(data)))

    def _deeper(
        self, kind: str, inner: Layer, name: str, at: tuple[int, int]
    ) -> Iterator[Member | Problem]:
        depth, size = at
        if depth >= inner.budget.limits.depth:
            yield Problem(
                name, f"is more than {inner.budget.limits.depth} layers deep; left packed"
            )
            return
        inner.budget.held += size
        try:
            yield from self.layer(kind, inner, name + "/", depth + 1)
        finally:
            inner.budget.held -= size


def _packs_well(data: bytes) -> bool:
    """Whether the beginning of a member is as empty as a bomb's: a hundredth when packed."""
    head = data[: 1 << 20]
    return len(zlib.compress(head, 1)) * 100 < len(head)


def _counted(chunks: Iterable[bytes], layer: Layer) -> Iterator[bytes]:
    layer.budget.count()
    for chunk in chunks:
        layer.budget.spend(len(chunk))
        yield chunk


def _collect(chunks: Iterator[bytes | _Failed], room: int) -> tuple[bytes, bytes | None, str]:
    """The first `room` bytes, what was read beyond them (None: nothing), and why it ended early."""
    held, reason = io.BytesIO(), ""
    for chunk in chunks:
        if isinstance(chunk, _Failed):
            reason = chunk.reason
            break
        left = room - held.tell()
        if len(chunk) > left:
            held.write(chunk[:left])
            return held.getvalue(), chunk[left:], ""
        held.write(chunk)
    return held.getvalue(), None, reason


def _rest(data: bytes, more: bytes | None, chunks: Iterator[bytes | _Failed]) -> Iterator[bytes]:
    yield data
    yield more or b""
    for chunk in chunks:
        if isinstance(chunk, _Failed):
            raise BrokenError(chunk.reason)
        yield chunk
