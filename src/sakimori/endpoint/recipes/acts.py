"""What can be done to a machine: each deed as a value that knows how to be done and undone.

Before a deed, `prepare` returns plain JSON values that are written down; with them `state` tells at any
later time, even after a crash in between, whether it was done. So doing and undoing can be repeated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from sakimori.endpoint.recipes.model import digest
from sakimori.endpoint.recipes.tree import Look, look_of
from sakimori.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sakimori.endpoint.quarantine import Entry
    from sakimori.endpoint.recipes.blobs import Blobs
    from sakimori.endpoint.recipes.system import Keeper, System

BEFORE, AFTER, CHANGED = "before", "after", "changed"
Saved = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Work:
    """What a deed works with. `labels` go with a file into quarantine; `begun` is the run's time."""

    system: System
    keeper: Keeper
    blobs: Blobs
    begun: datetime
    now: datetime
    run: str
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Act:
    """One deed. `word` is its name in journals."""

    word: ClassVar[str]

    def prepare(self, work: Work) -> Saved:
        """Return what undoing it needs. Raises RefusedError where the thing is not as it was found."""
        raise NotImplementedError

    def state(self, work: Work, saved: Saved) -> str:
        """Return before (not done), after (done) or changed (neither)."""
        raise NotImplementedError

    def do(self, work: Work, saved: Saved) -> Saved:
        """Do it; returns what became known by doing. Raises OSError or SakimoriError."""
        raise NotImplementedError

    def undo(self, work: Work, saved: Saved) -> None:
        """Put the state before back, whatever is there now. Raises OSError or SakimoriError."""
        raise NotImplementedError

    def difference(self, work: Work, saved: Saved) -> tuple[str, ...]:
        """Return in words what is there instead of what was left there."""
        del work, saved
        return ()


@dataclass(frozen=True, slots=True)
class Take(Act):
    """Lock a file up in quarantine."""

    path: str
    sha256: str
    word: ClassVar[str] = "take"

    def prepare(self, work: Work) -> Saved:
        """Refuse a file that changed since it was found."""
        if not self._is_there(work):
            raise RefusedError(f"{self.path} changed since it was found")
        return {}

    def _is_there(self, work: Work) -> bool:
        try:
            return work.system.files.sha256(self.path) == self.sha256
        except OSError:
            return False

    def _entry(self, work: Work, saved: Saved) -> Entry | None:
        """Return the quarantine's entry, found by path, hash and time where a crash lost its id."""
        if "entry" in saved:
            return work.keeper.entry(saved["entry"])
        real = str(work.system.files.real(self.path))
        found = [
            entry
            for entry in work.keeper.entries()
            if (entry.path, entry.sha256) == (real, self.sha256) and entry.taken >= work.begun
        ]
        return found[-1] if found else None

    def state(self, work: Work, saved: Saved) -> str:
        """It is done when the file is away and the quarantine holds it."""
        if self._is_there(work):
            return BEFORE
        entry = self._entry(work, saved)
        if work.system.files.look(self.path) is None and entry and entry.state == "taken":
            return AFTER
        return CHANGED

    def do(self, work: Work, saved: Saved) -> Saved:
        """Move it in."""
        del saved
        entry = work.keeper.take(
            work.system.files.real(self.path),
            now=work.now,
            expect_sha256=self.sha256,
            **work.labels,
        )
        return {"entry": entry.id}

    def undo(self, work: Work, saved: Saved) -> None:
        """Put it back exactly."""
        entry = self._entry(work, saved)
        if entry is None or entry.state != "taken":
            raise RefusedError(f"the quarantine does not hold {self.path} any more")
        there = work.system.files.look(self.path) is not None
        work.keeper.restore(
            entry.id, to=work.system.files.real(self.path), replace=there, now=work.now
        )

    def difference(self, work: Work, saved: Saved) -> tuple[str, ...]:
        """Say what lies at the path."""
        del saved
        info = work.system.files.look(self.path)
        if info is None:
            return ("the quarantine does not hold the file any more",)
        return (f"something else is there: {info.st_size} bytes",)


@dataclass(frozen=True, slots=True)
class Cut(Act):
    """Take a line out of a text file wherever it stands, or put another in its place.

    All else stays byte for byte.
    """

    path: str
    line: bytes  # with its end
    new: bytes = b""
    word: ClassVar[str] = "cut"

    def prepare(self, work: Work) -> Saved:
        """Keep the whole file as it is. Raises RefusedError where the line is gone."""
        files = work.system.files
        info = files.look(self.path)
        if info is None:
            raise RefusedError(f"{self.path} is gone")
        data = files.read(self.path)
        lines = data.splitlines(keepends=True)
        if len(data) != info.st_size or self.line not in lines:
            raise RefusedError(f"the line in {self.path} changed since it was found")
        after = b"".join(self.new if line == self.line else line for line in lines)
        look = look_of(info)
        return {
            "before": work.blobs.keep(data),
            "after": work.blobs.keep(after),
            "look": [look.mode, look.uid, look.gid, look.atime, look.mtime],
        }

    def state(self, work: Work, saved: Saved) -> str:
        """Compare the whole file."""
        try:
            found = digest(work.system.files.read(self.path))
        except OSError:
            return CHANGED
        if found == saved["before"]:
            return BEFORE
        return AFTER if found == saved["after"] else CHANGED

    def _aside(self, work: Work) -> str:
        return f".sakimori-{work.run}-{digest(self.path.encode('utf-8', 'surrogatepass'))[:8]}"

    def do(self, work: Work, saved: Saved) -> Saved:
        """Write the file without the line."""
        files = work.system.files
        files.write(
            self.path, work.blobs.get(saved["after"]), Look(*saved["look"]), self._aside(work)
        )
        return {}

    def undo(self, work: Work, saved: Saved) -> None:
        """Write the file as it was, with its times; what is there now is kept in the run's folder."""
        files, data = work.system.files, work.blobs.get(saved["before"])
        if files.is_file(self.path):
            work.blobs.keep(files.read(self.path))
        files.write(self.path, data, Look(*saved["look"]), self._aside(work), times=True)

    def tidy(self, work: Work) -> None:
        """Remove what a crash left beside the file."""
        work.system.files.remove_aside(self.path, self._aside(work))

    def difference(self, work: Work, saved: Saved) -> tuple[str, ...]:
        """Return the lines that are new or gone since the deed."""
        from difflib import unified_diff  # noqa: PLC0415 - seldom needed

        try:
            now = work.system.files.read(self.path)
        except OSError as error:
            return (error.strerror or "cannot be read",)
        texts = [
            d.decode("utf-8", "backslashreplace") for d in (work.blobs.get(saved["after"]), now)
        ]
        lines = unified_diff(
            texts[0].splitlines(), texts[1].splitlines(), "left", "now", n=0, lineterm=""
        )
        return tuple(lines)[2:42]


@dataclass(frozen=True, slots=True)
class Unlink(Act):
    """Remove a link, such as one that enables a service."""

    path: str
    target: str
    word: ClassVar[str] = "unlink"

    def prepare(self, work: Work) -> Saved:
        """Keep the link's times. Raises RefusedError where it points elsewhere now."""
        info = work.system.files.look(self.path)
        if info is None or work.system.files.target(self.path) != self.target:
            raise RefusedError(f"{self.path} changed since it was found")
        look = look_of(info)
        return {"look": [look.mode, look.uid, look.gid, look.atime, look.mtime]}

    def state(self, work: Work, saved: Saved) -> str:
        """Compare where it points."""
        del saved
        if work.system.files.target(self.path) == self.target:
            return BEFORE
        return AFTER if work.system.files.look(self.path) is None else CHANGED

    def do(self, work: Work, saved: Saved) -> Saved:
        """Remove it."""
        del saved
        work.system.files.unlink(self.path)
        return {}

    def undo(self, work: Work, saved: Saved) -> None:
        """Make it again."""
        if work.system.files.target(self.path) is not None:
            work.system.files.unlink(self.path)
        work.system.files.link(self.path, self.target, Look(*saved["look"]))

    def difference(self, work: Work, saved: Saved) -> tuple[str, ...]:
        """Say where it points."""
        del saved
        return (f"it points to {work.system.files.target(self.path)!r} now",)
