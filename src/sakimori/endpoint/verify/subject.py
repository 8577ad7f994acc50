"""A change made ready for comparing: its names in one form, its times as times."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sakimori.endpoint.verify.names import base_name, file_key, package_name
from sakimori.endpoint.verify.registry_names import registry_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sakimori.endpoint.changes import Change

SUBJECT_OF = {
    "file": "files",
    "registry": "registry",
    "package": "packages",
    "service": "services",
    "job": "jobs",
    "user": "users",
}
_SYSTEM_TIMES = ("key_time", "ctime")  # set by the system; a program cannot choose them freely
_TIMES = (*_SYSTEM_TIMES, "mtime", "time")


@dataclass(frozen=True, slots=True)
class Subject:
    """One change. `key` is how others name it; `there` its attributes after, None when it is gone."""

    change: Change
    key: str
    folded: str  # of a file: as Windows compares names
    base: str
    there: Mapping[str, Any] | None

    @property
    def is_registry(self) -> bool:
        """Whether it is in the registry."""
        return self.change.object == "registry"

    @property
    def is_file(self) -> bool:
        """Whether it is a file, folder or link."""
        return self.change.object == "file"

    @property
    def about(self) -> str:
        """Which of model.SUBJECTS it belongs to; permissions of a key are `acl`, others `others`."""
        if self.is_registry and self.change.name is None and self.layers & {"acl", "owner"}:
            return "acl"
        return SUBJECT_OF.get(self.change.object, "others")

    @property
    def layers(self) -> frozenset[str]:
        """In what it differs."""
        return frozenset(self.change.layers)

    @property
    def only_time(self) -> bool:
        """Whether nothing but its time moved."""
        return self.layers == {"time"}

    @property
    def time(self) -> datetime | None:
        """When it was last changed, by the best clock the snapshot has for it."""
        return next((t for n in _TIMES if (t := _time((self.there or {}).get(n)))), None)

    @property
    def system_time(self) -> datetime | None:
        """The same, where the system itself sets that time."""
        return next((t for n in _SYSTEM_TIMES if (t := _time((self.there or {}).get(n)))), None)


def subject_of(change: Change, extra: Mapping[str, Any] | None = None) -> Subject:
    """Return a change made ready. `extra` are further attributes of what is there, such as its MD5."""
    there = None if change.after is None else {**(extra or {}), **change.after}
    key = change.key
    if change.object == "registry":
        key = registry_key(change.key)
    elif change.object == "file":
        key = file_key(change.key)
    elif change.object == "package":
        key = package_name(change.key)
    return Subject(change, key, file_key(change.key, windows=True), base_name(change.key), there)


def _time(value: Any) -> datetime | None:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < 4e9:
        return datetime.fromtimestamp(value, UTC)
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
