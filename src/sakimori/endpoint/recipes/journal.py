"""A run of cleaning on the disk: the plan first, then each deed before and after it is done.

STORE/clean/RUN/plan.json      what was approved, with all that doing it needs
STORE/clean/RUN/journal.jsonl  one line for each step, written before the next one begins
STORE/clean/RUN/blobs/         bytes of files that were edited, named by their hash
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sakimori.endpoint.recipes.acts_more import as_plain, from_plain
from sakimori.endpoint.recipes.blobs import BINARY, Blobs, sync, write_whole
from sakimori.endpoint.recipes.findings import Finding
from sakimori.errors import ConfigError, EngineError, StateError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FORMAT = 1
_RUN = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{6}")
_TUPLES = ("acts",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What was approved. `place` says which machine: root, hives and exports, as they were given."""

    run: str
    begun: datetime
    actor: str
    definitions: str
    place: Mapping[str, Any]
    recipes: tuple[Mapping[str, Any], ...]
    findings: tuple[Finding, ...]


@dataclass(slots=True)
class Progress:
    """How far a run came: by act (finding, number) what was saved, and whether it ended."""

    saved: dict[tuple[int, int], dict[str, Any]] = field(default_factory=dict)
    last: dict[tuple[int, int], str] = field(default_factory=dict)
    outcomes: list[dict[str, Any]] | None = None
    undoing: bool = False
    undone: list[dict[str, Any]] | None = None

    @property
    def state(self) -> str:
        """half-done, done, half-undone or undone."""
        if self.undone is not None:
            left = any(u["outcome"] in ("refused", "failed") for u in self.undone)
            return "half-undone" if left else "undone"
        if self.undoing:
            return "half-undone"
        return "half-done" if self.outcomes is None else "done"


class Journal:
    """One run's folder."""

    def __init__(self, folder: Path) -> None:
        """Name the run's folder; `begin` or `plan` use it."""
        self.folder = folder
        self.blobs = Blobs(folder / "blobs")

    @classmethod
    def of(cls, clean: Path, run: str) -> Journal:
        """Return the journal of a run that is there. Raises ConfigError for an unknown one."""
        if not _RUN.fullmatch(run) or not (clean / run / "plan.json").is_file():
            raise ConfigError(
                f"there is no run {run!r}",
                where=str(clean),
                hint="`sakimori clean-runs` lists them",
            )
        return cls(clean / run)

    def begin(self, plan: Plan) -> None:
        """Write the plan for good before anything is done. Raises EngineError."""
        try:
            self.folder.mkdir(mode=0o700, parents=True)
            text = json.dumps(_plan_as_plain(plan), indent=1)
            write_whole(self.folder / "plan.json", text.encode())
            sync(self.folder.parent)
        except OSError as error:
            raise EngineError(
                f"the plan cannot be written: {error.strerror}",
                where=str(self.folder),
                hint="check free space and permissions; nothing was done",
            ) from error

    def plan(self) -> Plan:
        """Return the plan. Raises StateError where it cannot be understood."""
        path = self.folder / "plan.json"
        try:
            return _plan_from_plain(json.loads(path.read_bytes()))
        except OSError as error:
            raise StateError(error.strerror or "cannot be read", where=str(path)) from error
        except (ValueError, KeyError, TypeError) as error:
            raise StateError(f"not a plan: {error}", where=str(path)) from error

    def write(self, step: str, at: tuple[int, int] | None = None, **more: Any) -> None:
        """Add a line for good. Raises EngineError: what is not written down is not done."""
        line = json.dumps({"step": step, "at": at, **more}) + "\n"
        path = self.folder / "journal.jsonl"
        try:
            handle = os.open(path, os.O_CREAT | os.O_APPEND | os.O_RDWR | BINARY, 0o600)
            with os.fdopen(handle, "r+b") as file:
                _end_torn_line(file)
                file.write(line.encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise EngineError(
                f"the journal cannot be written: {error.strerror}",
                where=str(path),
                hint="check free space and permissions, then run `sakimori clean --resume`",
            ) from error

    def progress(self) -> Progress:
        """Return how far the run came. A line that a crash cut short counts as not written."""
        path, progress = self.folder / "journal.jsonl", Progress()
        if not path.exists():
            return progress
        try:
            lines = path.read_bytes().split(b"\n")
        except OSError as error:
            raise StateError(error.strerror or "cannot be read", where=str(path)) from error
        for number, line in enumerate(lines, 1):
            try:
                entry = json.loads(line)
            except ValueError as error:
                whole = line.startswith(b"{") and line.endswith(b"}")
                if whole:
                    raise StateError("not JSON", where=f"{path}:{number}") from error
                continue
            _follow(progress, entry)
        return progress


def _end_torn_line(file: Any) -> None:
    """Begin on a line of its own behind one that a crash cut short."""
    size = file.seek(0, os.SEEK_END)
    if size:
        file.seek(-1, os.SEEK_END)
        if file.read(1) != b"\n":
            file.write(b"\n")


def _follow(progress: Progress, entry: dict[str, Any]) -> None:
    step = entry["step"]
    if step == "end":
        progress.outcomes = entry["outcomes"]
    elif step == "undo-begin":
        progress.undoing = True
    elif step == "undo-end":
        progress.undone = entry["undone"]
    elif entry["at"] is not None:
        at = (entry["at"][0], entry["at"][1])
        if step == "not done":
            progress.saved.pop(at, None)
            progress.last.pop(at, None)
            return
        progress.saved.setdefault(at, {}).update(entry.get("saved", {}))
        progress.last[at] = step


def _plan_as_plain(plan: Plan) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "run": plan.run,
        "begun": plan.begun.isoformat(),
        "actor": plan.actor,
        "definitions": plan.definitions,
        "place": dict(plan.place),
        "recipes": [dict(recipe) for recipe in plan.recipes],
        "findings": [
            {f.name: getattr(one, f.name) for f in fields(one)}
            | {"acts": [as_plain(act) for act in one.acts]}
            for one in plan.findings
        ],
    }


def _plan_from_plain(plain: dict[str, Any]) -> Plan:
    if plain["format"] != FORMAT:
        raise ValueError(f"format {plain['format']} is not known")
    findings = tuple(
        Finding(**{**one, "acts": tuple(from_plain(act) for act in one["acts"])})
        for one in plain["findings"]
    )
    return Plan(
        run=plain["run"],
        begun=datetime.fromisoformat(plain["begun"]),
        actor=plain["actor"],
        definitions=plain["definitions"],
        place=plain["place"],
        recipes=tuple(plain["recipes"]),
        findings=findings,
    )
